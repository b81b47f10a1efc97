"""Any activation in the last layer (note 004: delta[L] = grad_y C * f'(z[L])), named or custom.

The case list holds every named one to the reference; here is what it does not go through: the slope
of leaky_relu, the far ends of softplus with poisson, and custom functions.
"""

from __future__ import annotations

import decimal
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from cases import DTYPES, PLAIN_OUTPUTS
from custom_support import own_activation
from deltarule import names, reference
from network_support import assert_same_bits, regression

NEW = [output for output in names.OUTPUTS if output not in PLAIN_OUTPUTS]
EPS = {dtype: float(np.finfo(dtype).eps) for dtype in DTYPES}


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_slope_of_leaky_relu(dtype: str) -> None:
    x, y = regression()
    net = dr.MLP([3, 5, 2], output="leaky_relu", leaky_slope=0.3, dtype=dtype, seed=1)
    of_reference = reference.Network(output="leaky_relu", leaky_slope=0.3)
    W, b = ([p.astype(np.float64) for p in parts] for parts in (net.weights, net.biases))
    value, grads = reference.value_and_grad(W, b, x, y, of_reference)
    v = np.random.default_rng(2).normal(size=net.n_parameters)
    found = {
        "value": np.array(net.value_and_grad(x, y)[0]),
        "theta": net.value_and_grad(x, y)[1].theta,
        "jacobian": net.jacobian(x),
        "hvp": net.hvp(x, y, v),
        "gauss_newton": net.gauss_newton_vp(x, y, v),
        "jvp": net.jvp(x, np.ones_like(x)),
    }
    wanted = {
        "value": np.array(value),
        "theta": reference.theta(grads.weights, grads.biases),
        "jacobian": reference.jacobian(W, b, x, of_reference),
        "hvp": reference.hvp(W, b, x, y, v, of_reference),
        "gauss_newton": reference.gauss_newton_vp(W, b, x, y, v, of_reference),
        "jvp": reference.jvp(W, b, x, np.ones_like(x), of_reference),
    }
    for name, array in wanted.items():  # a few tens of roundings of values near 1
        np.testing.assert_allclose(
            found[name], array, rtol=0, atol=100 * EPS[dtype] * np.abs(array).max(), err_msg=name
        )


def exact(z: float, y: float) -> dict[str, float]:
    """softplus with poisson at z, by its formulas in 60 digits."""
    with decimal.localcontext(prec=60, Emin=-(10**6), Emax=10**6):
        t, one = decimal.Decimal(y), decimal.Decimal(1)
        e = decimal.Decimal(z).exp()
        s = (one + e).ln() if e > decimal.Decimal("1e-30") else e - e * e / 2
        slope = e / (one + e)
        ratio = slope / s
        return {
            "loss": float(s - t * s.ln()),
            "delta": float(slope - t * ratio),
            "hessian": float(slope * (one - slope) - t * ratio * ((one - slope) - ratio)),
            "gauss_newton": float(t * ratio * ratio),
        }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("y", [0.0, 1.0, 3.5])
@pytest.mark.parametrize("z", [-80.0, -39.5, -20.0, -5.0, -1.0, -0.4, 0.0, 0.55, 1.0, 5.0, 80.0])
def test_softplus_with_poisson_is_exact(z: float, y: float, dtype: str) -> None:
    """W and x of 1: theta's derivatives by b are those by z."""
    net = dr.MLP([1, 1], output="softplus", loss="poisson", dtype=dtype, init=([[[0.0]]], [[z]]))
    x, v = [[0.0]], [0.0, 1.0]
    wanted = exact(float(net.biases[0][0]), y)
    core = {
        "loss": net.evaluate(x, [y]),
        "delta": net.value_and_grad(x, [y])[1].biases[0][0],
        "hessian": net.hvp(x, [y], v)[1],
        "gauss_newton": net.gauss_newton_vp(x, [y], v)[1],
    }
    W, b = [np.array([[0.0]])], [np.array([float(net.biases[0][0])])]
    of_reference = reference.Network(output="softplus", loss="poisson")
    value, grads = reference.value_and_grad(W, b, x, [y], of_reference)
    of_numpy = {
        "loss": value,
        "delta": grads.biases[0][0],
        "hessian": reference.hvp(W, b, x, [y], v, of_reference)[1],
        "gauss_newton": reference.gauss_newton_vp(W, b, x, [y], v, of_reference)[1],
    }
    for name, value in wanted.items():
        # relative to the terms, which cancel where delta or the loss passes through 0
        terms = {
            "loss": np.exp(min(z, 0.0)) + abs(z) * (1 + y),
            "delta": min(1.0, np.exp(z)) + y,
            "hessian": min(1.0, np.exp(z)),  # times 1 - sigmoid(z)
        }
        scale = max(abs(value), terms.get(name, 0.0))
        assert abs(core[name] - value) <= 32 * EPS[dtype] * scale, name
        assert abs(of_numpy[name] - value) <= 32 * EPS["float64"] * scale, name


@pytest.mark.parametrize("output", names.ACTIVATIONS)
def test_an_own_output_is_the_named_one(output: str) -> None:
    x, y = regression()
    settings: dict[str, Any] = {"dtype": "float64", "init": "torch", "seed": 3, "hidden": "tanh"}
    named = dr.MLP([3, 6, 2], output=output, loss="squared_error", **settings)
    mine = dr.MLP([3, 6, 2], output=own_activation(output), **settings)
    assert mine.loss == "squared_error"
    for net in (named, mine):
        net.fit(x, y, epochs=5, batch_size=8, optimizer=dr.SGD(lr=0.05, momentum=0.9))
    close: dict[str, float] = {"rtol": 1e-12, "atol": 1e-13}
    np.testing.assert_allclose(mine.theta, named.theta, **close)
    np.testing.assert_allclose(mine.predict(x), named.predict(x), **close)
    np.testing.assert_allclose(mine.jacobian(x), named.jacobian(x), **close)
    for found, wanted in zip(mine.trace(x, y).delta, named.trace(x, y).delta, strict=True):
        np.testing.assert_allclose(found, wanted, **close)


def sine(z: Any) -> Any:
    return np.sin(z)


def cosine(z: Any, a: Any) -> Any:
    return np.cos(z)


SINE = dr.CustomActivation(sine, cosine)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("given", [SINE, (sine, cosine)], ids=["object", "pair"])
def test_verify_covers_an_output_of_its_own(given: Any, dtype: str) -> None:
    x, y = regression()
    net = dr.MLP([3, 6, 2], output=given, dtype=dtype, seed=0)
    report = net.verify(x, y)
    assert report.ok, str(report)
    assert dr.check_gradients(net, x, y)
    assert "sin" in str(net.trace(x[:2], y[:2])) and "sine" in net.summary()
    wrong = dr.MLP([3, 6, 2], output=(sine, lambda z, a: -np.cos(z)), dtype=dtype, seed=0)
    assert not wrong.verify(x, y).ok


def test_an_output_of_its_own_survives_copy_pickle_and_file(tmp_path: Path) -> None:
    x, y = regression()
    net = dr.MLP([3, 6, 2], output=SINE, seed=0)
    with pytest.raises(dr.ModelFileError, match=r"output must be a name in a model file"):
        net.save(tmp_path / "net.safetensors")
    assert_same_bits(pickle.loads(pickle.dumps(net)).predict(x), net.predict(x))
    place = tmp_path / "run.safetensors"
    net.fit(x, y, epochs=3, checkpoint=dr.Checkpoint(place, every=1))
    with pytest.raises(TypeError, match=r"output must be given again.*'sine'"):
        dr.resume(place, x, y)
    again, history = dr.resume(place, x, y, output=SINE)
    assert again.output == SINE and len(history) == 3
    assert_same_bits(again.theta, net.theta)
    with pytest.raises(TypeError, match=r"second derivatives.*output is"):
        net.hvp(x, y, np.ones(net.n_parameters))


def test_the_losses_of_an_output() -> None:
    for output in NEW:
        assert dr.MLP([2, 1], output=output).loss == "squared_error"
    for output in ("relu", "identity", "gelu"):  # 0 or less is in their range
        with pytest.raises(ValueError, match=r"'poisson' needs an output in its domain \(sigmoid"):
            dr.MLP([2, 1], output=output, loss="poisson")
    with pytest.raises(TypeError, match=r"output must be a name, a CustomActivation or"):
        dr.MLP([2, 1], output=np.sin)


def test_an_own_output_out_of_the_losss_range_is_divergence() -> None:
    net = dr.MLP([1, 1], output=SINE, loss="poisson", init=([[[1.0]]], [[0.0]]))
    assert np.isfinite(net.evaluate([[1.0]], [1.0]))
    with pytest.raises(dr.DivergenceError):
        net.fit([[-1.0]], [1.0], epochs=1)
    assert net.weights[0] == 1.0
