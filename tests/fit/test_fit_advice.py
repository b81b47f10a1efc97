"""fit: advice on what keeps a network from learning, where there is cause, and only there."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.training import advice
from network_support import Array, classification, regression

Fitted = Callable[[], object]


@pytest.fixture(autouse=True)
def always_advice(no_advice: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give it after fits of any length, whatever the machine's speed."""
    monkeypatch.setattr(advice, "LEAST_SECONDS", 0.0)
    dr.set_advice(True)
    yield


def said(call: Fitted) -> list[str]:
    """What was advised, line after line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert all(w.category is dr.TrainingAdvice for w in caught)
    assert all(w.filename == __file__ for w in caught), "not where the user's call is"
    return [str(w.message) for w in caught]


def digits(scale: float = 1.0, **options: Any) -> tuple[dr.MLP, Array, Array]:
    x, y = dr.load_digits()
    return dr.MLP([64, 32, 10], output="softmax", seed=0, **options), x * scale, y


# Where there is none


@pytest.mark.parametrize("hidden", ["relu", "tanh", "sigmoid", "gelu"])
def test_healthy_training_gets_no_advice(hidden: str) -> None:
    x, y = dr.load_digits()
    net = dr.MLP([64, 128, 10], hidden=hidden, output="softmax", seed=0)
    settings: dict[str, Any] = {
        "batch_size": 32,
        "optimizer": dr.SGD(lr=0.1, momentum=0.9),
        "validation_data": (x[1500:], y[1500:]),
    }
    assert said(lambda: net.fit(x[:1500], y[:1500], epochs=20, **settings)) == []
    assert said(lambda: net.fit(x[:1500], y[:1500], epochs=20, **settings)) == []


def test_noise_at_the_end_of_a_long_training_gets_no_advice() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 3)), rng.normal(size=(200, 2))
    net = dr.MLP([3, 64, 64, 2], hidden="tanh", seed=0)
    assert said(lambda: net.fit(x, y, epochs=1000, optimizer=dr.SGD(0.02, 0.9))) == []


def test_short_fits_get_no_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x, y = digits(scale=1000)
    monkeypatch.setattr(advice, "LEAST_SECONDS", 1000.0)
    monkeypatch.setattr(advice, "of_the_inputs", lambda x: pytest.fail("looked"))
    assert said(lambda: net.fit(x, y, epochs=10, optimizer=dr.SGD(1e-6))) == []


def test_few_samples_give_no_advice_on_units() -> None:
    x, y = regression()
    net = dr.MLP([3, 2], seed=0)
    assert said(lambda: net.fit(1000 * x, y, epochs=3, optimizer=dr.SGD(1e-9))) == []


# Where there is


def test_large_inputs() -> None:
    net, x, y = digits(hidden="gelu")
    x[:, 7] = 1000 + 5 * x[:, 7]
    (text,) = said(lambda: net.fit(x, y, epochs=8, optimizer=dr.SGD(1e-9)))
    rows = 1797 * 8 // 100
    sample = x[np.arange(rows) * 1797 // rows, 7].astype(np.float32).astype(float)
    assert text == (
        f"the inputs are large: column 7 of x has mean {sample.mean():.3g} and standard deviation "
        f"{sample.std():.3g} over {rows} rows, where about 0 and 1 train best. Subtract each "
        "column's mean and divide by its standard deviation, both of the training data, before "
        "fit and predict"
    )


def test_small_inputs() -> None:
    net, x, y = digits(scale=1e-3)
    texts = said(lambda: net.fit(x, y, epochs=8, optimizer=dr.SGD(1e-9)))
    assert len(texts) == 1
    assert texts[0].startswith("the inputs are small, as are all others: column ")


def test_dead_units() -> None:
    net, x, y = digits()
    biases = np.where(np.arange(32) < 20, -100.0, 0.0)
    net.set_parameters(net.weights, [biases, np.zeros(10)])
    (text,) = said(lambda: net.fit(x, y, epochs=7, optimizer=dr.SGD(lr=1e-6)))
    found = advice._activations(net, x[np.arange(125) * 1797 // 125].astype("f4"))[0]
    dead = int((found == 0).all(axis=0).sum())
    assert 20 <= dead <= 24
    assert text == (
        f"{dead} of the 32 units of hidden layer 1 are dead: their relu is 0 on all of 125 rows, "
        "so they learn no more. Lower the learning rate (it is 1e-06), scale the inputs, or use "
        "hidden='leaky_relu'"
    )


@pytest.mark.parametrize("hidden", ["tanh", "sigmoid"])
def test_saturated_units(hidden: str) -> None:
    x, y = dr.load_digits()
    net = dr.MLP([64, 8, 32, 10], hidden=["identity", hidden], output="softmax", seed=0)
    weights = [W * s for W, s in zip(net.weights, (1, 100, 1), strict=True)]
    net.set_parameters(weights, net.biases)
    (text,) = said(lambda: net.fit(x, y, epochs=7, optimizer=dr.SGD(lr=1e-9)))
    assert f"% of the {hidden} activations of hidden layer 2 are saturated" in text
    assert "on 125 rows" in text
    assert "(it is 1e-09)" in text


@pytest.mark.parametrize("validated", [False, True])
def test_a_loss_that_still_falls(validated: bool) -> None:
    net, x, y = digits()
    data = (x[1500:], y[1500:]) if validated else None
    (text,) = said(
        lambda: net.fit(
            x[:1500], y[:1500], epochs=10, optimizer=dr.SGD(lr=0.002), validation_data=data
        )
    )
    assert text.startswith("the loss was still falling: from ")
    assert "over the last 2 of 10 epochs. Train for more epochs" in text
    assert text.endswith("or raise the learning rate: it is 0.002")


def test_a_stopped_fit_gets_no_advice_to_train_longer() -> None:
    net, x, y = digits()
    texts = said(
        lambda: net.fit(
            x, y, epochs=50, optimizer=dr.SGD(lr=0.002), callbacks=lambda r: r["epoch"] == 10
        )
    )
    assert texts == []


def test_a_rate_that_is_too_high() -> None:
    x = np.linspace(-1, 1, 64).reshape(-1, 1)
    net = dr.MLP([1, 1], init=([[[0.5]]], [[0.0]]))
    (text,) = said(lambda: net.fit(x, 3 * x, epochs=12, batch_size=None, optimizer=dr.SGD(lr=6.1)))
    assert text.startswith("the loss rose in 11 of 11 epochs, by ")
    assert text.endswith("Lower the learning rate: it is 6.1, try 0.61")


def test_a_loss_that_falls_through_zero() -> None:
    history = dr.History([7.0, 6, 5, 4, 3, 2, 1, -1, -2, -3])
    (text,) = advice.of_the_loss(history, 0.5, epochs=10)
    assert "from 0 to -2.5, 26% of its whole fall, over the last 2 of 10 epochs" in text


@pytest.mark.parametrize(
    ("losses", "is_advised"),
    [
        ([1, 0.4, 0.9, 0.3, 0.8, 0.4, 0.9, 0.3], True),
        ([1, 0.5, 0.3, 0.32, 0.29, 0.3, 0.28, 0.29], False),
        ([1, 1.1, 1.2, 1.4, 1.7], True),
        ([0.0101, 0.01, 0.0102, 0.0101, 0.0103, 0.0101], False),
        ([1, 2, 3, 4], False),  # too few to tell
        ([-1, -2, -3, -3.1, -3.15, -3.15, -3.16, -3.15, -3.15, -3.15], False),
    ],
)
def test_rising_and_fluctuating_losses(losses: list[float], is_advised: bool) -> None:
    history = dr.History([float(v) for v in losses])
    texts = list(advice.of_the_loss(history, 0.5, epochs=99))
    assert bool(texts) == is_advised
    assert all(text.startswith("the loss rose in") for text in texts)


# Streams, blocks, switches


def test_streams_and_blocks_get_advice_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from deltarule.data import rows

    sparse = pytest.importorskip("scipy.sparse", reason="needs SciPy")
    net, x, y = digits(scale=1000)
    stream = [(x[i : i + 100], y[i : i + 100]) for i in range(0, 1700, 100)]
    options: dict[str, Any] = {"epochs": 10, "optimizer": dr.SGD(1e-12)}
    monkeypatch.setattr(rows, "WHOLE_BYTES", 0)
    for texts in (
        said(lambda: net.fit(stream, **options)),
        said(lambda: net.fit(sparse.csr_array(x), y, **options)),
    ):
        assert [text.split(":")[0] for text in texts] == ["the inputs are large"]


def test_the_switch_and_the_filters() -> None:
    net, x, y = digits(scale=1000)

    def fit() -> object:
        return net.fit(x, y, epochs=10, optimizer=dr.SGD(1e-12))

    dr.set_advice(False)
    assert said(fit) == []
    dr.set_advice(True)
    assert len(said(fit)) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", dr.TrainingAdvice)
        fit()
    with pytest.warns(dr.TrainingAdvice, match="the inputs are large"):
        fit()
    assert issubclass(dr.TrainingAdvice, UserWarning)


@pytest.mark.parametrize("value", [None, 1, "off"])
def test_the_switch_is_on_or_off(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^enabled must be True or False, not "):
        dr.set_advice(value)


def test_activations_are_those_of_the_reference() -> None:
    from deltarule import reference

    x, _ = classification(50)
    names = ("relu", "tanh", "leaky_relu", "sigmoid", "gelu")
    net = dr.MLP([3, 5, 4, 6, 11, 5, 2], hidden=names, leaky_slope=0.2, dtype="float64", seed=0)
    architecture = reference.Network(hidden=names, leaky_slope=0.2)
    wanted = reference.forward_propagation(net.weights, net.biases, x, architecture)
    for found, a in zip(advice._activations(net, x), list(wanted.a)[1:-1], strict=True):
        np.testing.assert_allclose(found, a, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("error", [MemoryError, RuntimeError("in use by another thread")], ids=str)
def test_advice_that_cannot_be_worked_out_fails_no_fit(
    error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> Any:
        raise error

    monkeypatch.setattr(advice, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(advice, "of_the_loss", fails)
    x = np.full((1000, 3), 100.0)  # of which there would be advice
    net = dr.MLP([3, 4, 1], seed=0)
    history = net.fit(x, np.zeros(1000), epochs=100, optimizer=dr.SGD(lr=1e-9))
    assert len(history) == 100 and net.history is history


@pytest.mark.parametrize("value", [1 / 3 * 1e9, 1.7e18 + 256, 1700000000.1])
def test_a_constant_column_is_one_whatever_its_mean_is_rounded_to(value: float) -> None:
    x = np.full((1000, 2), value)
    x[:, 0] = 0.0
    (text,) = advice.of_the_inputs(x)
    assert "standard deviation 0 over 1000 rows" in text
    assert text.endswith("(drop a column that is constant)")
