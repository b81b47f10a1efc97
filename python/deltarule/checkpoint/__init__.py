"""A fit that can go on: what a checkpoint holds, when it is written, how a run goes on from one.

`settings` are what the user chooses; `format` is the run as tensors and metadata (`settings_json`,
`rng_state`, `data_digest`), `writer` writes it, `resuming` reads it and fits on.
"""

from __future__ import annotations

from deltarule.checkpoint.settings import Checkpoint, resume

__all__ = ["Checkpoint", "resume"]
