"""Fingerprints of data: shape, dtype and SHA-256 of the bytes that a fit trains on.

All bytes are hashed, also those of rows that are ready a block at a time: about 1 s a GB where the
processor has instructions for SHA (2 to 3 s where not), before the first epoch.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.data.rows import Rows
from deltarule.data.samples import Batch, Samples
from deltarule.io.json_fields import Fields

Array = NDArray[Any]
Fingerprint = dict[str, Any]


def fingerprints(samples: Samples) -> dict[str, Fingerprint | None]:
    """Return those of x, y and sample_weight, as JSON can hold them.

    They are of the values as the core takes them: the same of a list, a table or an array.
    """
    return {
        "x": _fingerprint(samples.x),
        "y": _fingerprint(samples.y),
        "sample_weight": None if samples.weight is None else _fingerprint(samples.weight),
    }


def compare(given: Samples, words: Fields, where: str) -> None:
    """Raise ValueError where samples are not those of some fingerprints, naming the argument.

    Parameters
    ----------
    given : Samples
    words : Fields
        The fingerprints as a file has them.
    where : str
        Before the argument's name: "" or "validation_data: ".
    """
    for name, found in fingerprints(given).items():
        wanted = words.part(name).all() if words.has(name) else None
        if found == wanted:
            continue
        if found is None or wanted is None:
            had = "none" if wanted is None else "one"
            raise ValueError(f"{where}{name} must be what the run was given, which was {had}")
        what = "other values"
        for rule in ("shape", "dtype"):
            if found[rule] != wanted.get(rule):
                what = f"{rule} {found[rule]}, not {wanted.get(rule)}"
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
    """Return the digest of all batches up to this one, from that of those before it."""
    digest = hashlib.sha256(before.encode())
    for values in batch:
        digest.update(b"-" if values is None else f"{values.shape}{values.dtype}".encode())
        if values is not None:
            digest.update(values.data)
    return digest.hexdigest()
