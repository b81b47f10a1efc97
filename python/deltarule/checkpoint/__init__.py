"""Checkpoints: the state from which a fit can be resumed, and when it is written.

`settings` are the user's choices; `format` is the run as tensors and metadata (`options_json`,
`rng_state`, `data_digest`); `writer` writes it. `mlp.resume` reads it and continues the fit.
"""

from __future__ import annotations

from deltarule.checkpoint.settings import Checkpoint

__all__ = ["Checkpoint"]
