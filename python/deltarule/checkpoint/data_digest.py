"""Fingerprints of data: shape, dtype and SHA-256 of the bytes that a fit trains on.

All bytes are hashed before the first epoch, also those of data larger than memory: about 1 s per GB
where the processor has instructions for SHA, else 2 to 3 s.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from deltarule.data.rows import Rows
from deltarule.data.samples import Batch, Samples
from deltarule.io.json_fields import Fields
from deltarule.layers import Array

Fingerprint = dict[str, Any]


def fingerprints(samples: Samples) -> dict[str, Fingerprint | None]:
    """Return those of x, y and sample_weight, for JSON.

    They are of the values in the form of the core: the same for a list, a table or an array.
    """
    return {
        "x": _fingerprint(samples.x),
        "y": _fingerprint(samples.y),
        "sample_weight": None if samples.weight is None else _fingerprint(samples.weight),
    }


def compare(given: Samples, wanted: Fields, where: str) -> None:
    """Raise ValueError, naming the argument, unless samples have the wanted fingerprints.

    Parameters
    ----------
    given : Samples
    wanted : Fields
        The fingerprints in the file.
    where : str
        Before the argument's name: "" or "validation_data: ".
    """
    for name, found in fingerprints(given).items():
        known = wanted.part(name).all() if wanted.has(name) else None
        if found == known:
            continue
        if found is None or known is None:
            had = "none" if known is None else "one"
            raise ValueError(f"{where}{name} must be what the run was given, which was {had}")
        what = "other values"
        for rule in ("shape", "dtype"):
            if found[rule] != known.get(rule):
                what = f"{rule} {found[rule]}, not {known.get(rule)}"
                break
        raise ValueError(f"{where}{name} must be what the run was trained on, but has {what}")


def _fingerprint(values: Array | Rows) -> Fingerprint:
    digest = hashlib.sha256()
    if isinstance(values, Rows):
        for _, block in values.blocks():
            digest.update(block.data)
    else:
        digest.update(np.ascontiguousarray(values).data)
    shape = [int(n) for n in values.shape]
    return {"shape": shape, "dtype": str(values.dtype), "sha256": digest.hexdigest()}


def digest_of_batch(before: str, batch: Batch) -> str:
    """Return the digest of all batches up to this one from the digest before it."""
    digest = hashlib.sha256(before.encode())
    for values in batch:
        digest.update(b"-" if values is None else f"{values.shape}{values.dtype}".encode())
        if values is not None:
            digest.update(values.data)
    return digest.hexdigest()
