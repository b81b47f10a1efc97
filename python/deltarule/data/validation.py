"""The user's arrays -> arrays that the core reads, or an error with argument, rule and value."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule._load import core
from deltarule.data import frames
from deltarule.data.numeric import LARGEST, check_finite, check_real, check_within, numeric
from deltarule.data.rows import MappedRows, Rows, SparseRows, converted, is_large, is_ready, whole
from deltarule.data.samples import Batch, Samples
from deltarule.data.sparse import checked_csr, is_sparse
from deltarule.layers import Array

if TYPE_CHECKING:
    from deltarule.architecture import Architecture
    from deltarule.custom import LossWord


# The largest deviation from 1 of the sum of a row of soft targets.
_SUM_TOLERANCE = 1e-4


def one_row(x: Any) -> Array | None:
    """Return x as an array if it is one sample, 1-D or a flat list; else None."""
    if type(x) is not np.ndarray:
        if frames.is_frame(x) or _has_rows(x) or (is_sparse(x) and len(x.shape) != 1):
            return None
        x = numeric(x, "x")
    return x if x.ndim == 1 else None


def _has_rows(x: object) -> bool:
    """Return whether x is a list or tuple of rows, judged by its first item."""
    if not isinstance(x, list | tuple) or not len(x):
        return False
    return isinstance(x[0], list | tuple) or getattr(x[0], "ndim", 0) > 0


def _as_batch(network: Architecture, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """Return one sample, x (n_0,) with its y and weight, as a batch of one; a batch unchanged."""
    row = one_row(x)
    if row is None:
        return x, y, sample_weight
    check_one_row(row, network.sizes[0], network.dtype)
    weight = sample_weight
    if weight is not None:
        weight = numeric(weight, "sample_weight")
        weight = weight.reshape(1) if weight.ndim == 0 else weight
    return row.reshape(1, -1), _one_target(y, network), weight


def _one_target(y: object, network: Architecture) -> Array:
    """Return the target of one sample as a batch of one: (K,) is its row, never class indices.

    Values are checked here, so that messages have the user's index: y[1], not y[0, 1].
    """
    n_outputs, loss = network.sizes[-1], network.loss
    target, is_class_index = numeric(y, "y"), loss == "cross_entropy"
    if target.ndim == 0 and is_class_index:
        return _class_index(target, n_outputs)
    if target.shape == (n_outputs,) or (target.ndim == 0 and n_outputs == 1):
        _check_targets(converted(target, network.dtype), loss, y)
        return target.reshape(1, -1)
    if target.shape == (1, n_outputs) or (target.shape == (1,) and is_class_index):
        return target
    rule = f"must have shape ({n_outputs},)"
    rule += " or be a class index" if is_class_index else " or be a number" * (n_outputs == 1)
    raise ValueError(f"y {rule} where x is 1-D, one sample, but has shape {target.shape}")


def check_one_row(row: Array, n_features: int, dtype: np.dtype[Any]) -> None:
    """Raise ValueError unless one sample, 1-D, is finite and has the network's features."""
    if len(row) == n_features:
        check_finite(converted(row, dtype), "x")
        return
    hint = "; n samples of one feature are x of shape (n, 1)" if n_features == 1 else ""
    raise ValueError(
        f"x has {len(row)} features, the network takes {n_features} (x is 1-D: one sample{hint})"
    )


def samples(x: object, n_features: int, dtype: np.dtype[Any], name: str = "x") -> Array:
    """Return x as a C-ordered (n_samples, n_features) array, finite; copied only if needed."""
    return whole(sample_rows(x, n_features, dtype, name))


def sample_rows(x: Any, n_features: int, dtype: np.dtype[Any], name: str = "x") -> Array | Rows:
    """Return x as `samples` does, or as checked `Rows` if it is a large sparse or mapped array."""
    if is_ready(x, dtype):  # first, for the time of a small call
        _check_samples(x.shape, n_features, name)
        check_finite(x, name)
        return np.asarray(x)
    if is_sparse(x):
        check_real(x.dtype, name)
        _check_samples(x.shape, n_features, name)
        rows: Array | Rows = SparseRows(checked_csr(x, name), dtype)
    else:
        array = numeric(x, name)
        _check_samples(array.shape, n_features, name)
        is_mapped = isinstance(x, np.memmap) and is_large(array.shape, dtype)
        rows = MappedRows(x, dtype) if is_mapped else converted(array, dtype)
    if isinstance(rows, Rows) and is_large(rows.shape, dtype):
        for part, block in rows.blocks():
            check_finite(block, name, first_row=part.start)
        return rows
    rows = whole(rows)
    check_finite(rows, name, given=x)
    return rows


def _check_samples(shape: tuple[int, ...], n_features: int, name: str) -> None:
    if len(shape) != 2:
        raise ValueError(
            f"{name} must be 2-D, (n_samples, {n_features}), or one sample, ({n_features},), "
            f"but has shape {shape}"
        )
    if shape[1] != n_features:
        hint = "; samples are rows, as they are of x.T" if shape[0] == n_features else ""
        raise ValueError(f"{name} has {shape[1]} features, the network takes {n_features}{hint}")
    if shape[0] == 0:
        raise ValueError(f"{name} has no samples, shape {shape}")


def targets(y: object, rows: int, n_outputs: int, dtype: np.dtype[Any], loss: LossWord) -> Array:
    """Return y as the core reads it: int64 class indices (rows,), or (rows, n_outputs) of dtype."""
    return whole(target_rows(y, rows, n_outputs, dtype, loss))


def target_rows(
    y: object, rows: int, n_outputs: int, dtype: np.dtype[Any], loss: LossWord
) -> Array | Rows:
    """Return y as `targets` does, or as checked `Rows` if it is a large mapped array."""
    array = y if type(y) is np.ndarray and y.dtype.kind in "biuf" else numeric(y, "y")
    given = array.shape
    if array.ndim == 1 and loss == "cross_entropy":
        return _class_indices(array, rows, n_outputs)
    if array.ndim == 1 and n_outputs == 1:
        array = array.reshape(-1, 1)
    if array.ndim != 2 or array.shape[1] != n_outputs:
        shapes = f"(n_samples, {n_outputs})"
        if n_outputs == 1:
            shapes += " or (n_samples,)"
        if loss == "cross_entropy":
            shapes += " or class indices (n_samples,)"
        hint = ""
        if array.ndim == 1 and array.dtype.kind in "iu":
            hint = "; class indices are for cross_entropy, the loss of output='softmax'"
        raise ValueError(f"y must have shape {shapes}, but has shape {given}{hint}")
    _check_rows(array, rows)
    if isinstance(y, np.memmap) and y.ndim == 2 and is_large(array.shape, dtype):
        mapped = MappedRows(y, dtype)
        for part, block in mapped.blocks():
            _check_targets(block, loss, y, part.start)
        return mapped
    ready = converted(array, dtype)
    _check_targets(ready.reshape(-1) if len(given) == 1 else ready, loss, y)
    return ready


def _check_targets(y: Array, loss: LossWord, given: object, first_row: int = 0) -> None:
    at: dict[str, Any] = {"given": given, "first_row": first_row}
    if loss in ("binary_cross_entropy", "cross_entropy"):
        check_within(y, "y", 0.0, 1.0, f"in [0, 1] for {loss}", **at)
    elif loss == "poisson":
        check_within(y, "y", 0.0, LARGEST[y.dtype], "0 or more for poisson", **at)
    else:
        check_finite(y, "y", **at)
    if loss == "cross_entropy":
        _check_distributions(y, first_row)


def _check_rows(y: Array, rows: int) -> None:
    if len(y) != rows:
        raise ValueError(f"y has {len(y)} samples, x has {rows}")


def _class_indices(y: Array, rows: int, n_classes: int) -> Array:
    if y.dtype.kind == "f":
        raise TypeError(
            f"y must hold whole numbers as class indices, or be ({rows}, {n_classes}), "
            f"not a 1-D array of {y.dtype.name}"
        )
    _check_rows(y, rows)
    if y.dtype == np.uint64 and len(y) and int(y.max()) > np.iinfo(np.int64).max:
        raise ValueError(f"y holds class index {int(y.max())}, the network has {n_classes} classes")
    classes = np.array(y, dtype=np.int64)  # a private copy: another thread cannot change it later
    at = core.first_outside(classes, 0, n_classes - 1)
    if at >= 0:
        raise ValueError(f"y[{at}] is {classes[at]}; class indices must be in 0..{n_classes - 1}")
    return classes


def _class_index(y: Array, n_classes: int) -> Array:
    """Return the class index of one sample as a batch of one."""
    index = y.item()
    if y.dtype.kind == "f":
        raise TypeError(
            f"y must be a whole number as class index, or have shape ({n_classes},), not {index!r}"
        )
    if not 0 <= index < n_classes:
        raise ValueError(f"y is {index}; class indices must be in 0..{n_classes - 1}")
    return np.array([index], dtype=np.int64)


def _check_distributions(y: Array, first_row: int) -> None:
    sums = np.atleast_1d(y.sum(axis=-1, dtype=np.float64))
    bad = np.flatnonzero(np.abs(sums - 1.0) > _SUM_TOLERANCE)
    if len(bad):
        row = int(bad[0])
        place = f"[{row + first_row}]" if y.ndim == 2 else ""
        raise ValueError(
            f"y{place} sums to {sums[row]:.6g}; each row of targets for cross_entropy must sum to 1"
        )


# Its reciprocal, the factor of a mean, is the smallest number that the core does not take as 0.
LARGEST_WEIGHT = 1.0 / float(np.finfo(np.float64).tiny)


def sample_weights(weight: object, rows: int, name: str = "sample_weight") -> Array | None:
    """Return weights as float64 (rows,), 0 or more and not all 0; None stays None."""
    if weight is None:
        return None
    given = numeric(weight, name)
    if given.shape != (rows,):
        raise ValueError(f"{name} must have shape ({rows},), but has shape {given.shape}")
    array = converted(given, np.dtype(np.float64))
    check_within(array, name, 0.0, LARGEST[array.dtype], "0 or more")
    check_total_weight(array, name)
    return array


def check_total_weight(weight: Array, name: str) -> None:
    """Raise ValueError if the core could not divide by the sum of the weights, all 0 or more."""
    with np.errstate(all="ignore"):
        total = weight.sum()
    if total < np.finfo(np.float64).tiny:
        raise ValueError(f"{name} is 0 for every sample; at least one must be above 0")
    if not np.isfinite(total):
        raise ValueError(f"{name} sums to infinity; scale the weights down")
    if total > LARGEST_WEIGHT:
        raise ValueError(
            f"{name} sums to {total:.3g}; the sum must be at most {LARGEST_WEIGHT:.3g}, "
            "scale the weights down"
        )


def check_size(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Raise MemoryError for an array larger than the address space, as NumPy raises ValueError."""
    size = math.prod(shape) * dtype.itemsize
    if size > sys.maxsize:
        raise MemoryError(f"{name}, of shape {shape} in {dtype.name}, takes {size} bytes")


def output_array(out: object, shape: tuple[int, ...], dtype: np.dtype[Any], x: object) -> Array:
    """Return `out` if the core may write predictions of that shape into it."""
    out = _checked_out(out, shape, dtype)
    if not out.flags.writeable:
        raise ValueError("out must be writeable, but is read-only")
    if not (out.flags.c_contiguous and out.flags.aligned):
        raise ValueError(f"out must be C-contiguous and aligned, but has strides {out.strides}")
    if np.may_share_memory(np.asarray(x), out):
        raise ValueError("out must not overlap x, but shares memory with it")
    return out


def output_row(out: object, n_outputs: int, dtype: np.dtype[Any]) -> Array:
    """Return a 1-D `out` as a view of shape (1, n_outputs)."""
    return _checked_out(out, (n_outputs,), dtype).reshape(1, -1)


def _checked_out(out: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, not {type(out).__name__}")
    if out.shape != shape or out.dtype != dtype:
        order = "" if out.dtype.isnative else f" ({out.dtype.str}, not this machine's byte order)"
        raise ValueError(
            f"out must have shape {shape} and dtype {dtype.name}, "
            f"but has shape {out.shape} and dtype {out.dtype.name}{order}"
        )
    return out


def parameter(value: object, shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> Array:
    """Return one parameter tensor of that shape, finite."""
    array = numeric(value, name)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, but has shape {array.shape}")
    array = converted(array, dtype)
    check_finite(array, name)
    return array


def checked_rows(network: Architecture, x: Any) -> tuple[Array, bool]:
    """Return x as `samples` does, and whether it was one sample, (n_0,)."""
    row = one_row(x)
    if row is not None:
        check_one_row(row, network.sizes[0], network.dtype)
        x = row.reshape(1, -1)
    return samples(x, network.sizes[0], network.dtype), row is not None


def checked_samples(network: Architecture, x: Any, y: Any, sample_weight: Any) -> Samples:
    """Return the samples, large ones as `Rows`; x of shape (n_0,) is one sample."""
    if getattr(x, "ndim", 1) != 2:
        x, y, sample_weight = _as_batch(network, x, y, sample_weight)
    rows = sample_rows(x, network.sizes[0], network.dtype)
    n = len(rows)
    return Samples(
        rows,
        target_rows(y, n, network.sizes[-1], network.dtype, network.loss),
        sample_weights(sample_weight, n),
    )


def checked_batch(network: Architecture, x: Any, y: Any, sample_weight: Any) -> Batch:
    """Return the samples as the core reads them, in memory; x of shape (n_0,) is one sample."""
    checked = checked_samples(network, x, y, sample_weight)
    return whole(checked.x), whole(checked.y), checked.weight
