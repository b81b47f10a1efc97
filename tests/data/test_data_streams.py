"""Streams of batches: the bits of the same batches in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from network_support import (
    FINITE,
    MOMENTUM,
    Array,
    assert_same_bits,
    classification,
    fingerprint,
    refused,
    regression,
)

X, Y = regression()
W = np.linspace(0.5, 2.0, 40)
RTOL = 1e-13  # losses: the same sums in another order


def network(**options: Any) -> dr.MLP:
    return dr.MLP(**({"sizes": [3, 5, 2], "hidden": "tanh", "seed": 3} | options))


def batches(*arrays: Array, size: int = 7) -> Iterator[tuple[Array, ...]]:
    for first in range(0, len(arrays[0]), size):
        yield tuple(a[first : first + size] for a in arrays)


class Loader:
    """Iterable again and again, as data loaders are."""

    def __init__(self, *arrays: Array) -> None:
        self._arrays = arrays

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        return batches(*self._arrays)


FORMS = {
    "callable": lambda *a: lambda: batches(*a),
    "loader": Loader,
    "list": lambda *a: list(batches(*a)),
    "lists in a tuple": lambda *a: tuple([list(b) for b in batches(*a)]),
}


OPTIMIZERS = {"momentum": dr.SGD(lr=0.005, momentum=0.9), "adam": dr.Adam()}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_stream_is_its_batches_in_memory(
    dtype: str, reduction: str, weighted: bool, form: Any, optimizer: Any
) -> None:
    net, other = (network(dtype=dtype, reduction=reduction) for _ in range(2))
    arrays = (X, Y, W) if weighted else (X, Y)
    options: dict[str, Any] = {
        "epochs": 3,
        "optimizer": optimizer,
        "validation_data": (X[:9], Y[:9]),
        "metrics": "mae",
    }
    found = net.fit(form(*arrays), **options)
    wanted = other.fit(
        X, Y, sample_weight=W if weighted else None, batch_size=7, shuffle=False, **options
    )
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=RTOL)
    assert found.validation_loss == wanted.validation_loss
    assert found.metrics == wanted.metrics
    assert fingerprint(net) == fingerprint(other)


def test_an_iterator_is_for_one_epoch() -> None:
    net, other = network(), network()
    history = net.fit(batches(X, Y), epochs=1)
    other.fit(X, Y, epochs=1, batch_size=7, shuffle=False)
    assert len(history) == 1
    assert_same_bits(net.theta, other.theta)
    assert net.fit(batches(X, Y), epochs=0).loss == []


def test_batches_of_every_size_and_kind() -> None:
    sizes = [1, 20, 3, 16]
    parts = [slice(sum(sizes[:i]), sum(sizes[: i + 1])) for i in range(4)]
    kinds = [np.ndarray.tolist, np.asfortranarray, lambda a: a.astype("f4"), lambda a: a]
    stream = [(k(X[p]), k(Y[p])) for k, p in zip(kinds, parts, strict=True)]
    net, other = network(), network()
    net.fit(stream, epochs=2, optimizer=MOMENTUM)
    for _ in range(2):
        for p in parts:
            other.train_step(X[p], Y[p], optimizer=MOMENTUM)
    assert_same_bits(net.theta, other.theta)


def test_class_weights_and_smoothed_labels() -> None:
    x, y = classification()
    net, other = (dr.MLP([3, 5, 3], output="softmax", seed=0) for _ in range(2))
    options: dict[str, Any] = {"epochs": 2, "class_weight": {0: 2.0}, "label_smoothing": 0.1}
    net.fit(list(batches(x, y)), **options)
    other.fit(x, y, batch_size=7, shuffle=False, **options)
    assert_same_bits(net.theta, other.theta)


def test_records_early_stopping_and_callbacks() -> None:
    records: list[Any] = []
    history = network().fit(
        Loader(X, Y),
        epochs=9,
        callbacks=records.append,
        early_stopping=dr.EarlyStopping(2, monitor="loss", min_delta=9.0),
    )
    assert len(history) == 3
    assert records[0]["samples_per_second"] == pytest.approx(40 / history.seconds[0])
    assert len(network().fit(Loader(X, Y), epochs=9, max_seconds=1e-9)) == 1


def test_five_epochs_twice_are_ten() -> None:
    net, other = network(), network()
    losses = [net.fit(Loader(X, Y), epochs=5, optimizer=MOMENTUM).loss for _ in range(2)]
    assert losses[0] + losses[1] == other.fit(Loader(X, Y), epochs=10, optimizer=MOMENTUM).loss
    assert fingerprint(net) == fingerprint(other)


def test_divergence_goes_back_to_the_last_finite_epoch() -> None:
    wild = dr.SGD(lr=30.0, momentum=0.9)
    net, other = (network(hidden="relu") for _ in range(2))
    errors = []
    for one, data in ((net, {"x": Loader(X, Y)}), (other, {"x": X, "y": Y})):
        one.fit(**data, epochs=2, optimizer=MOMENTUM, shuffle=False, batch_size=7)
        with pytest.raises(dr.DivergenceError) as caught:
            one.fit(**data, epochs=99, optimizer=wild, shuffle=False, batch_size=7)
        errors.append((str(caught.value), caught.value.epoch, caught.value.step))
    assert errors[0] == errors[1]
    assert fingerprint(net) == fingerprint(other)


def test_the_network_can_be_used_while_a_stream_makes_batches() -> None:
    net = network()

    def watching() -> Iterator[tuple[Array, Array]]:
        for x, y in batches(X, Y):
            yield x, y - net.predict(x)

    assert len(net.fit(watching, epochs=2)) == 2


# What goes wrong


def exhausted() -> Any:
    iterator = batches(X, Y)
    return lambda: iterator


BAD_AT_ONCE: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
    (
        batches(X, Y),
        {},
        ValueError,
        "x is an iterator, which is exhausted after one epoch, but epochs is 10; give epochs=1, "
        "or a callable that returns an iterator for each epoch",
    ),
    ([], {}, ValueError, "epoch 1: x gave no batches"),
    (lambda: 3, {}, TypeError, "x must return an iterator of batches, not 3"),
    ([3], {}, TypeError, r"epoch 1, batch 1: a batch must be \(x, y\) or .*, not int"),
    ([(X,)], {}, TypeError, r"epoch 1, batch 1: a batch must be .*, not tuple of 1"),
    ([(X, Y, W, 1)], {}, TypeError, r"epoch 1, batch 1: .*, not tuple of 4"),
    ([(X[:, :2], Y)], {}, ValueError, "epoch 1, batch 1: x has 2 features, the network takes 3"),
    ([(X, Y[:3])], {}, ValueError, "epoch 1, batch 1: y has 3 samples, x has 40"),
    ([(X * np.nan, Y)], {}, ValueError, rf"epoch 1, batch 1: x\[0, 0\] is nan; {FINITE}"),
    (Loader(X, Y), {"sample_weight": W}, ValueError, "sample_weight must not be given with a .*"),
    (
        Loader(X, Y),
        {"validation_split": 0.25},
        ValueError,
        r"validation_split must not be given with a stream of batches, but is 0\.25",
    ),
    (
        Loader(X, Y),
        {"class_weight": "balanced"},
        ValueError,
        "class_weight must not be given with a stream of batches, but is 'balanced'",
    ),
    (
        Loader(X, Y),
        {"metrics": "mae"},
        ValueError,
        r"metrics need validation_data where x is a stream of batches, not \['mae'\]",
    ),
]


@pytest.mark.parametrize(("stream", "options", "error", "rule"), BAD_AT_ONCE)
def test_bad_streams(
    stream: Any, options: dict[str, Any], error: type[Exception], rule: str
) -> None:
    net = network()
    refused(net, lambda: net.fit(stream, **options), error, rule)


def test_an_iterator_that_is_exhausted_says_so() -> None:
    net, other = network(), network()
    with pytest.raises(ValueError, match=r"^epoch 2: x gave no batches; it is exhausted, .*"):
        net.fit(exhausted(), epochs=3)
    other.fit(X, Y, epochs=1, batch_size=7, shuffle=False)
    assert fingerprint(net) == fingerprint(other)


def test_an_invalid_later_batch_keeps_the_steps_before() -> None:
    net, other = network(), network()
    stream = [*batches(X, Y), (X, Y[:, :1])]
    with pytest.raises(ValueError, match=r"^epoch 1, batch 7: y must have shape"):
        net.fit(stream, epochs=3)
    other.fit(X, Y, epochs=1, batch_size=7, shuffle=False)
    assert fingerprint(net) == fingerprint(other)


def test_an_exception_of_a_generator_propagates() -> None:
    def broken() -> Iterator[tuple[Array, Array]]:
        yield X, Y
        raise LookupError("no more files")

    with pytest.raises(LookupError, match="no more files"):
        network().fit(broken, epochs=2)


def test_arrays_without_targets_are_no_stream() -> None:
    net = network()
    refused(
        net,
        lambda: net.fit(X),
        TypeError,
        r"y must be given where x is no stream of batches, not None",
    )
