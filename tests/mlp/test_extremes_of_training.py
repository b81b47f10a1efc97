"""Settings, weights, targets and losses at the ends of the numbers: right, or refused by name.

What is right is the reference's step in float64, to the rounding of the network's dtype; where it
is refused, the network is as it was. Warnings are errors.
"""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from custom_support import own_activation, own_loss
from deltarule import reference
from extremes_support import DTYPES, TINY, X, is_finite, refused, unit
from network_support import Array

pytestmark = pytest.mark.filterwarnings("error")

# A unit of 100 roundings: a step is a few operations.
RTOL = {"float32": 100 * 2.0**-23, "float64": 100 * 2.0**-52}
BELOW_1 = 1 - 2.0**-53


def of_reference(net: dr.MLP, x: Array, y: Array, optimizer: Any, weight: Array | None) -> Array:
    """theta after a first step in float64."""
    W, b = ([p.astype(np.float64) for p in part] for part in (net.weights, net.biases))
    network = reference.Network(loss=net.loss, reduction=net.reduction, huber_delta=net.huber_delta)
    _, grads = reference.value_and_grad(W, b, x, y, network, weight)
    named = {name: getattr(optimizer, name) for name in ("lr", "weight_decay", "l1", "max_norm")}
    if isinstance(optimizer, dr.SGD):
        named |= {"momentum": optimizer.momentum, "nesterov": optimizer.nesterov}
        return reference.theta(*reference.sgd_update(W, b, grads, None, **named)[:2])
    for name in ("beta1", "beta2", "epsilon", "epsilon_hat"):
        named[name] = getattr(optimizer, name)
    named["decoupled"] = isinstance(optimizer, dr.AdamW)
    return reference.theta(*reference.adam_update(W, b, grads, None, **named)[:2])


# name: optimizer, then x, y, w, b of a unit of absolute error, and its sample weights
STEPS: dict[str, tuple[Any, tuple[float, float, float, float], list[float] | None]] = {
    "beta1 below 1": (dr.Adam(lr=0.1, beta1=BELOW_1), (1, 0, 1, 0), None),
    "beta2 below 1": (dr.Adam(lr=0.1, beta2=BELOW_1), (1, 0, 1, 0), None),
    "both below 1": (dr.Adam(lr=0.1, beta1=BELOW_1, beta2=BELOW_1), (1, 0, 1, 0), None),
    "both 0": (dr.Adam(lr=0.1, beta1=0, beta2=0), (1, 0, 1, 0), None),
    "momentum below 1": (dr.SGD(lr=0.1, momentum=BELOW_1), (1, 0, 1, 0), None),
    "nesterov below 1": (dr.SGD(lr=0.1, momentum=BELOW_1, nesterov=True), (1, 0, 1, 0), None),
    "nesterov, lr 1e37": (dr.SGD(lr=1e37, momentum=0.9, nesterov=True), (1, 0, 1, 0), None),
    "lr 1.2e-38, a gradient of 1e38": (dr.SGD(lr=1.2e-38), (1e38, -1, 0, 0), None),
    "lr 3e38, a gradient of 1e-30": (dr.SGD(lr=3e38), (0, -1, 0, 0), [1e-30]),
    "lr 3e38, a gradient of 0": (dr.SGD(lr=3e38), (0, 0, 0, 0), None),
    "adam, lr 1e38": (dr.Adam(lr=1e38), (1, 0, 1, 0), None),
    "adam, a gradient of 0": (dr.Adam(lr=1e38), (0, 0, 0, 0), None),
    "adam, a gradient of -0": (dr.Adam(), (-0.0, -1, 0, 0), None),
    "a gradient whose square is 0": (dr.Adam(), (1, -1, 0, 0), [1e-30]),
    "adamw, a keep of -4": (dr.AdamW(lr=10, weight_decay=0.5), (1, 0, 1, 0), None),
    "adamw, a keep of -1e30": (dr.AdamW(lr=1e15, weight_decay=1e15), (1, 0, 1, 0), None),
    "weight_decay 1e38": (dr.SGD(lr=1e-37, weight_decay=1e38), (0, 0, 1, 0), None),
    "adam, weight_decay 1e15": (dr.Adam(weight_decay=1e15), (0, 0, 1, 0), None),
    "l1 1e38": (dr.SGD(lr=1e-37, l1=1e38), (0, 0, -1, 0), None),
    "l1 of 0": (dr.SGD(lr=1e-37, l1=1e38), (0, 0, 0, 0), None),
    "l1 of -0": (dr.SGD(lr=1e-37, l1=1e38), (0, 0, -0.0, 0), None),
    "max_norm 1e-45": (dr.SGD(lr=1, max_norm=1e-45), (1, -1, 0, 0), None),
    "max_norm 1e300": (dr.SGD(lr=1e-30, max_norm=1e300), (1e30, -1, 0, 0), None),
    "max_norm 10, a gradient of 1e38": (dr.SGD(lr=0.1, max_norm=10), (1e38, -1, 0, 0), None),
    "epsilon 1e38": (dr.Adam(lr=1e38, epsilon=1e38), (1, -1, 0, 0), None),
    "parameters of 3e38": (dr.SGD(lr=0.1), (1, -1, 3e38, -3e38), None),
    "parameters of 3e38, adam": (dr.Adam(lr=1e37), (1, -1, 3e38, -3e38), None),
    "parameters of 3e38, decay": (dr.SGD(lr=0.5, weight_decay=1), (0, 0, 3e38, 0), None),
    "a target of 3e38": (dr.SGD(lr=0.1), (1, 3e38, 0, 0), None),
    "weights of 1e-300": (dr.SGD(lr=0.1), (1, -1, 0, 0), [1e-300, 3e-300]),
    "weights of 1e300": (dr.SGD(lr=0.1), (1, -1, 0, 0), [1e300, 3e300]),
    "weights of both": (dr.SGD(lr=0.1), (1, -1, 0, 0), [1e300, 1e-300]),
    "the largest weight": (dr.SGD(lr=0.1), (1, -1, 0, 0), [2.0**1022]),
    "a weight of 0": (dr.Adam(lr=0.1), (1, -1, 0, 0), [0.0, 1e-200]),
}
# Of a sum, the weights' gradient is out of every dtype's range, and a weight's share of 0 is right.
SUMMED = {name: case for name, case in STEPS.items() if case[2] is None or max(case[2]) < 1e300}


@pytest.mark.parametrize("own", [False, True], ids=["named", "custom"])
@pytest.mark.parametrize("way", ["train_step", "fit", "stream"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "reduction"),
    [(name, "mean") for name in STEPS] + [(name, "sum") for name in SUMMED],
)
def test_a_step_is_the_references(
    name: str, reduction: str, dtype: str, way: str, own: bool
) -> None:
    optimizer, (x_1, y_1, w, b), weight = STEPS[name]
    n = len(weight or [1])
    x, y = np.full((n, 1), x_1, dtype), np.full((n, 1), y_1, dtype)
    net = unit(dtype, w, b, reduction=reduction)
    wanted = of_reference(net, x, y, optimizer, None if weight is None else np.array(weight))
    before = net.theta
    if own:
        net = unit(dtype, w, b, reduction=reduction, loss=own_loss("absolute_error"))
    if way == "train_step":
        loss = net.train_step(x, y, optimizer=optimizer, sample_weight=weight)
    elif way == "fit":
        loss = net.fit(
            x, y, epochs=1, optimizer=optimizer, sample_weight=weight, shuffle=False
        ).loss[0]
    else:
        batch = (x, y) if weight is None else (x, y, weight)
        loss = net.fit([batch], epochs=1, optimizer=optimizer).loss[0]
    assert math.isfinite(loss)
    assert is_finite(net)
    # Beside the larger of a parameter and its change, as the difference may cancel.
    size = np.maximum(np.abs(before.astype(np.float64)), np.abs(wanted))
    beyond = np.abs(net.theta - wanted) - RTOL[dtype] * size
    assert (beyond <= TINY[dtype]).all(), (net.theta, wanted)  # what is less is 0


@pytest.mark.parametrize(
    ("dtype", "optimizer", "message"),
    [
        ("float32", dr.SGD(lr=1e-39), r"lr must be at least 1\.17549\S+e-38 in float32, not 1e-39"),
        ("float32", dr.Adam(lr=1e-45), "lr must be at least .* in float32, not 1e-45"),
        ("float64", dr.SGD(lr=5e-324), "lr must be at least .* in float64, not 5e-324"),
        ("float32", dr.SGD(lr=1e39), r"lr must be finite in float32, not 1e\+39"),
        ("float32", dr.SGD(weight_decay=1e-39), "weight_decay must be at least .*, not 1e-39"),
        ("float32", dr.SGD(l1=1e-39), "l1 must be at least .* in float32, not 1e-39"),
        ("float32", dr.SGD(l1=1e300), r"l1 must be finite in float32, not 1e\+300"),
        ("float32", dr.Adam(epsilon=1e39), r"epsilon must be finite in float32, not 1e\+39"),
        # 1 - beta2 of a numpy.float32 made the bound in float64 that of float32: 0
        (
            "float64",
            dr.Adam(beta2=np.float32(1 - 6e-8), epsilon=1e-160),
            "epsilon must be at least .* in float64, not 1e-160",
        ),
    ],
)
def test_a_setting_that_a_dtype_cannot_hold(dtype: str, optimizer: Any, message: str) -> None:
    net, one = unit(dtype), np.ones((1, 1), dtype)
    refused(net, lambda: net.fit([[1.0]], [[1.0]], optimizer=optimizer), ValueError, message)
    refused(net, lambda: net.train_step(one, one, optimizer=optimizer), ValueError, message)
    own = unit(dtype, loss=own_loss("absolute_error"))
    refused(own, lambda: own.train_step([1.0], 1.0, optimizer=optimizer), ValueError, message)
    with pytest.raises(ValueError, match=rf"configs\[0\]: {message}"):
        dr.fit_many([[1.0]], [[1.0]], [{"optimizer": optimizer}], sizes=[1, 1], dtype=dtype)


@pytest.mark.parametrize("beta2", [0.0, 0.5, 1 - 1e-9, BELOW_1])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_least_epsilon_of_a_beta2(dtype: str, beta2: float) -> None:
    least = math.sqrt(TINY[dtype] / (1 - beta2))
    x = np.zeros((1, 1), dtype)
    for gradient in (0.0, TINY[dtype], least / 16, least, 1.0):
        net = unit(dtype, reduction="sum")
        adam = dr.Adam(lr=0.1, beta2=beta2, epsilon=1.001 * least)
        y, weight = (x, [1.0]) if gradient == 0 else (x + 1, [gradient])
        before = 0.0
        for _ in range(3):
            net.train_step(x, y, optimizer=adam, sample_weight=weight)
            assert is_finite(net)
            # sqrt(v) is 0 at worst where it is as large as epsilon
            assert 0 <= net.biases[0][0] - before <= 0.2 * min(1.0, gradient / least) + 1e-6
            before = float(net.biases[0][0])
    less, untouched = dr.Adam(beta2=beta2, epsilon=0.999 * least), unit(dtype)
    message = "epsilon must be at least"
    refused(untouched, lambda: untouched.train_step(x, x, optimizer=less), ValueError, message)


@pytest.mark.parametrize("own", [False, True], ids=["named", "custom"])
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1e308], r"sample_weight sums to 1e\+308; the sum must be at most 4\.49e\+307, scale"),
        ([4e307, 4e307], r"sample_weight sums to 8e\+307; the sum must be at most"),
        ([1e308, 1e308], "sample_weight sums to infinity; scale the weights down"),
        ([5e-324, 0.0], "sample_weight is 0 for every sample"),
        ([0.0], "sample_weight is 0 for every sample"),
    ],
)
def test_weights_over_whose_sum_nothing_can_be_divided(
    weight: list[float], message: str, own: bool
) -> None:
    net = unit("float64", **({"loss": own_loss("absolute_error")} if own else {}))
    x = np.ones((len(weight), 1))
    for call in (
        lambda: net.train_step(x, x, sample_weight=weight),
        lambda: net.fit(x, x, sample_weight=weight),
        lambda: net.fit([(x, x, weight)]),
        lambda: net.evaluate(x, x, sample_weight=weight),
    ):
        refused(net, call, ValueError, message)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({0: 1e308}, "class_weight sums to infinity"),
        ({0: 2e307}, r"class_weight sums to 8e\+307; the sum must be at most"),
        ({0: 1e-310, 1: 1e-310}, "class_weight is 0 for every sample"),
        ({0: 10**400}, r"class_weight\[0\] must be 0 or more and finite, not 10"),
        ({0: math.nan}, r"class_weight\[0\] must be 0 or more and finite, not nan"),
    ],
)
def test_class_weights(class_weight: dict[int, Any], message: str) -> None:
    net = dr.MLP([1, 2], output="softmax", seed=0)
    x, y = np.ones((8, 1)), [0, 1] * 4
    refused(net, lambda: net.fit(x, y, class_weight=class_weight), ValueError, message)
    net.fit(x, y, class_weight={0: 1e300, 1: 1e-300}, epochs=5, optimizer=dr.SGD(lr=10))
    assert is_finite(net) and net.predict([1.0])[0] > 0.9


@pytest.mark.parametrize(
    ("optimizer", "y", "weight", "reduction"),
    [
        (dr.SGD(lr=1e-300), 1e10, [1e300, 1e300], "sum"),  # 2e310, along a gradient of 2e300
        (dr.SGD(lr=1e-300), 1e10, [1e300, 1e300], "mean"),
        (dr.SGD(), 1e308, None, "mean"),
        (dr.Adam(), 1e308, None, "sum"),
    ],
)
def test_a_custom_loss_that_overflows_in_the_sum_updates_nothing(
    optimizer: Any, y: float, weight: list[float] | None, reduction: str
) -> None:
    net = unit("float64", loss=own_loss("absolute_error"), reduction=reduction)
    x, targets = np.ones((2, 1)), np.full((2, 1), y)
    given: dict[str, Any] = {"optimizer": optimizer, "sample_weight": weight}
    refused(net, lambda: net.train_step(x, targets, **given), dr.DivergenceError, "nothing was")
    message = "epoch 1, step 1; .*those after epoch 0"
    refused(net, lambda: net.fit(x, targets, **given), dr.DivergenceError, message)
    # of one sample a step, the sum over the epoch
    by_one = {"batch_size": 1, "shuffle": False, **given, "sample_weight": None}
    if weight is None:
        message = "epoch 1, step 2; .*those after epoch 0"
        refused(net, lambda: net.fit(x, targets, **by_one), dr.DivergenceError, message)
    assert net.history is not None and net.history.loss == []


@pytest.mark.parametrize("steps", [10**9, 2**31, 2**53, 2**62])
@pytest.mark.parametrize("beta", [0.9, BELOW_1])
def test_adam_after_very_many_steps(steps: int, beta: float) -> None:
    """beta^t is 0, or hardly less than 1: the factors are 1, or what is left of them."""
    adam = dr.Adam(lr=0.1, beta1=beta, beta2=beta, epsilon=1e-3)
    net = unit("float64")
    net.train_step([1.0], 1.0, optimizer=adam)
    kind, m, v, _ = net._core.get_optimizer_state()
    net._core.set_optimizer_state(kind, m, v, steps)
    net = pickle.loads(pickle.dumps(net))
    before = net.theta
    left = -math.expm1((steps + 1) * math.log1p(beta - 1))  # 1 - beta^t
    m, v = beta * m + (1 - beta), beta * v + (1 - beta)  # the gradient is -1
    wanted = before + 0.1 * np.abs(beta * net._optimizer_state()[1] - (1 - beta)) / left / (
        np.sqrt(v / left) + 1e-3
    )
    net.train_step([1.0], 1.0, optimizer=adam)
    # 1 - beta^t of a power near 1 has the rounding of a float64 beside it
    rounding = 2.0**-52 * max(1.0, 1.0 / left)
    np.testing.assert_allclose(net.theta, wanted, rtol=1e-13 + 4 * min(rounding, 1e-7))
    assert net._optimizer_state()[3] == steps + 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_optimizer_after_another(dtype: str) -> None:
    """Each begins anew where another kind left its memory, whatever that holds."""
    net, twin = unit(dtype, 1.0), unit(dtype, 1.0)
    for optimizer in (dr.SGD(lr=1e30, momentum=0.9), dr.Adam(), dr.SGD(lr=1e-3, momentum=0.9)):
        net.train_step([1.0], 0.0, optimizer=optimizer)
        assert is_finite(net)
        net.set_parameters([[[1.0]]], [[0.0]])
    twin.train_step([1.0], 0.0, optimizer=dr.SGD(lr=1e-3, momentum=0.9))
    for one in (net, twin):
        one.set_parameters([[[1.0]]], [[0.0]])
        one.train_step([1.0], 0.0, optimizer=dr.SGD(lr=1e-3, momentum=0.9))
    assert net.theta.tobytes() == twin.theta.tobytes()


@pytest.mark.parametrize("dropout", [0.9999999, 1 - 2.0**-53, 5e-324])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dropout_of_nearly_all_or_none(dtype: str, dropout: float) -> None:
    """Of nearly all, the biases of the output alone learn; of none, as without."""
    net, none = (dr.MLP([1, 3, 1], seed=0, dtype=dtype) for _ in range(2))
    before = net.theta
    fit: dict[str, Any] = {"epochs": 5, "optimizer": dr.SGD(lr=0.1)}
    net.fit(X, X**2, dropout=dropout, **fit)
    assert is_finite(net)
    if dropout > 0.5:
        assert net.theta[:-1].tobytes() == before[:-1].tobytes()
        assert net.theta[-1] != before[-1]
    else:
        none.fit(X, X**2, **fit)
        none._rng.bit_generator.state = net._rng.bit_generator.state
        np.testing.assert_allclose(net.evaluate(X, X**2), none.evaluate(X, X**2), rtol=0.05)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("delta", [1e-300, 1e-40, 1e-37, 1e37, 1e300])
def test_huber_of_any_delta(dtype: str, delta: float) -> None:
    if delta < TINY[dtype]:
        with pytest.raises(
            ValueError, match=rf"huber_delta must be at least .* in {dtype}, not {delta}"
        ):
            unit(dtype, loss="huber", huber_delta=delta)
        return
    net = unit(dtype, loss="huber", huber_delta=delta)
    optimizer = dr.SGD(lr=0.1 / min(delta, 1.0))
    with np.errstate(over="ignore"):  # of the reference: the side of its loss that is not taken
        wanted = of_reference(net, np.ones((1, 1)), -np.ones((1, 1)), optimizer, None)
    net.train_step([1.0], -1.0, optimizer=optimizer)
    np.testing.assert_allclose(net.theta, wanted, rtol=RTOL[dtype])
    assert net.theta[0] <= -0.1 * (1 - 1e-5)


@pytest.mark.parametrize(("slope", "like"), [(0.0, "relu"), (1.0, "identity"), (5e-324, "relu")])
def test_leaky_slopes_at_the_ends(slope: float, like: str) -> None:
    nets = [
        dr.MLP([1, 3, 1], hidden=h, leaky_slope=slope, init="glorot_uniform", seed=0)
        for h in ("leaky_relu", like)
    ]
    losses = [net.fit(X, X**2, epochs=3).loss for net in nets]
    assert losses[0] == losses[1]
    assert nets[0].theta.tobytes() == nets[1].theta.tobytes()


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (np.array([2**63], np.uint64), ValueError, "class index 9223372036854775808"),
        (np.array([2**62]), ValueError, r"y\[0\] is 4611686018427387904; class indices must be"),
        (np.array([-1]), ValueError, r"y\[0\] is -1; class indices must be in 0\.\.1"),
        ([10**400], TypeError, "y must hold real numbers"),
    ],
)
def test_class_indices_beyond_the_classes(y: Any, error: type[Exception], message: str) -> None:
    net = dr.MLP([1, 2], output="softmax", seed=0)
    refused(net, lambda: net.train_step([[1.0]], y), error, message)
    refused(net, lambda: net.fit([[1.0]], y), error, message)


def test_early_stopping_by_losses_of_1e300() -> None:
    net = unit("float64")
    y = np.full((8, 1), 1e300)
    stopping = dr.EarlyStopping(patience=2, monitor="loss")
    history = net.fit(X, y, epochs=20, optimizer=dr.SGD(lr=1e-3), early_stopping=stopping)
    # lr times the gradient is no step beside 1e300; the mean over 8 rows may be rounded
    np.testing.assert_allclose(history.loss, 1e300, rtol=1e-15)
    assert len(history) == 3 and history.best_epoch == 1
    assert is_finite(net)


def test_members_that_diverge_leave_the_others_alone() -> None:
    rates = (0.01, 1e30, 0.02, 1e308)
    configs = [{"seed": i, "optimizer": dr.SGD(lr=lr)} for i, lr in enumerate(rates)]
    common: dict[str, Any] = {"sizes": [1, 3, 1], "dtype": "float64", "epochs": 5}
    fits = dr.fit_many(X, 1e3 * X**2, configs, **common)
    assert all(map(is_finite, fits.networks))
    assert [row["diverged"] for row in fits.table] == [False, True, False, True]
    for i in (0, 2):
        alone = dr.MLP([1, 3, 1], dtype="float64", seed=i)
        alone.fit(X, 1e3 * X**2, epochs=5, optimizer=dr.SGD(lr=rates[i]))
        assert alone.theta.tobytes() == fits.networks[i].theta.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_custom_activation_that_overflows(dtype: str) -> None:
    net = dr.MLP([1, 2, 1], hidden=own_activation("identity"), dtype=dtype, seed=0)
    x = np.full((1, 1), np.finfo(dtype).max, dtype)
    refused(net, lambda: net.train_step(x, x), dr.DivergenceError, "nothing was updated")
    refused(net, lambda: net.fit(x, x), dr.DivergenceError, "those after epoch 0")


@pytest.mark.parametrize("rows", [2, 2100], ids=["a few", "super-blocks"])
@pytest.mark.parametrize("way", ["array", "list"])
def test_losses_whose_sum_is_infinite_are_divergence(way: str, rows: int) -> None:
    """Each of them is finite: nothing is updated, by a step or by a fit."""
    net = unit("float64")
    x, y = np.ones((rows, 1)), np.full((rows, 1), 1e308)
    given = (x, y) if way == "array" else (x.tolist(), y.tolist())
    before = net.theta.tobytes()
    with pytest.raises(dr.DivergenceError, match="nothing was updated"):
        net.train_step(*given, optimizer=dr.SGD(lr=1e-3))
    assert net.theta.tobytes() == before
    for batch_size in (None, 1):  # of a step, and of the steps of an epoch
        with pytest.raises(dr.DivergenceError):
            net.fit(*given, epochs=2, batch_size=batch_size, optimizer=dr.SGD(lr=1e-3))
        assert net.theta.tobytes() == before


@pytest.mark.parametrize(
    ("dtype", "large", "norm"), [("float32", 1e38, 0.1), ("float64", 1e307, 1e-3)]
)
def test_a_gradient_is_clipped_by_a_factor_that_is_0_in_its_dtype(
    dtype: str, large: float, norm: float
) -> None:
    net = unit(dtype)
    x, y = np.full((1, 1), large, dtype), -np.ones((1, 1), dtype)
    net.train_step(x, y, optimizer=dr.SGD(lr=1.0, max_norm=norm))
    np.testing.assert_allclose(net.theta, [-norm, -norm / large], rtol=1e-6, atol=TINY[dtype])
