"""What lets a fit go on: what a checkpoint holds, and when it is written.

`settings` are what the user chooses; `format` is the run as tensors and metadata (`settings_json`,
`rng_state`, `data_digest`); `writer` writes it. `mlp.resume` reads it and fits on.
"""

from __future__ import annotations

from deltarule.checkpoint.settings import Checkpoint

__all__ = ["Checkpoint"]
