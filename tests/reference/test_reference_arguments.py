"""What the reference is given: targets, weights, reductions, names and shapes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import reference
from deltarule.layers import Layers
from deltarule.reference import OUTPUTS, Network
from reference_support import INVALID, ROUNDING, VALID, smooth_case

# --- Targets, weights, reductions ------------------------------------------------------------


def test_class_indices_equal_one_hot_rows() -> None:
    weights, biases, x, _, network = smooth_case("tanh", "softmax", "cross_entropy")
    y = np.array([0, 2, 1, 1, 0])
    value, grads = reference.value_and_grad(weights, biases, x, y, network)
    one_hot, expected = reference.value_and_grad(weights, biases, x, np.eye(3)[y], network)
    assert value == one_hot
    for actual, rows in zip(grads.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(actual, rows)


def test_a_single_output_takes_a_vector() -> None:
    network = Network(output="sigmoid", loss="binary_cross_entropy")
    weights, biases = [np.ones((1, 2))], [np.zeros(1)]
    x, y = [[0.5, -1.0], [2.0, 1.0]], np.array([1, 0])
    vector = reference.value_and_grad(weights, biases, x, y, network)
    column = reference.value_and_grad(weights, biases, x, y[:, np.newaxis], network)
    assert vector[0] == column[0]
    np.testing.assert_array_equal(vector[1].weights[0], column[1].weights[0])


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_weight_of_two_is_the_row_twice(reduction: str) -> None:
    weights, biases, x, y, _ = smooth_case("sigmoid", "identity", "squared_error")
    network = Network("sigmoid", reduction=reduction)
    w, twice = [1, 2, 1, 1, 2], [0, 1, 1, 2, 3, 4, 4]
    value, grads = reference.value_and_grad(weights, biases, x, y, network, w)
    expected, rows = reference.value_and_grad(weights, biases, x[twice], y[twice], network)
    assert value == pytest.approx(expected, rel=1e-14)
    for actual, by_rows in zip(
        grads.weights + grads.biases, rows.weights + rows.biases, strict=True
    ):
        np.testing.assert_allclose(actual, by_rows, **ROUNDING)


def test_the_mean_is_the_sum_over_the_weights() -> None:
    weights, biases, x, y, mean = smooth_case("tanh", "identity", "huber")
    total = Network("tanh", loss="huber", reduction="sum")
    w = np.array([0.5, 1.0, 0.0, 2.0, 1.5])
    value, grads = reference.value_and_grad(weights, biases, x, y, mean, w)
    sum_value, sum_grads = reference.value_and_grad(weights, biases, x, y, total, w)
    losses = reference.sample_losses(
        reference.forward_propagation(weights, biases, x, mean), y, mean
    )
    assert sum_value == pytest.approx(w @ losses, rel=1e-14)
    assert value == pytest.approx(sum_value / w.sum(), rel=1e-14)
    np.testing.assert_allclose(grads.weights[0] * w.sum(), sum_grads.weights[0], **ROUNDING)
    assert not grads.delta[1][2].any()


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_weights_that_are_all_0_give_a_loss_and_a_gradient_of_0(reduction: str) -> None:
    weights, biases, x, y, _ = smooth_case("tanh", "identity", "squared_error")
    network = Network("tanh", reduction=reduction)
    value, grads = reference.value_and_grad(weights, biases, x, y, network, np.zeros(len(x)))
    assert value == 0.0
    for tensor in (*grads.delta, *grads.weights, *grads.biases):
        assert not tensor.any()


# --- Errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"hidden": "step"}, "hidden is 'step', it must be one of identity, sigmoid"),
        ({"hidden": ("relu", "step")}, "hidden is 'step'"),
        ({"output": "step"}, "output is 'step', it must be one of identity, sigmoid"),
        ({"loss": "hinge"}, "loss is 'hinge', it must be one of squared_error"),
        ({"output": "softmax", "loss": "log_loss"}, "loss is 'log_loss', which is for one output"),
        ({"reduction": "none"}, "reduction is 'none', it must be one of mean, sum"),
    ],
)
def test_unknown_names(names: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Network(**names)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Network(hidden=np.tanh), "hidden must be a name or an Activation, or one a layer"),
        (lambda: Network(hidden=(np.tanh,)), "hidden must be a name, not <ufunc 'tanh'>"),
        (lambda: Network(output=1), "output must be a name, not 1"),
        (lambda: Network(loss=(1, 2)), "loss must be a name, not (1, 2)"),
        (lambda: Network(reduction=None), "reduction must be a name, not None"),
        (
            lambda: reference.forward_propagation([[[1.0]]], [[0.0]], [1.0], "relu"),
            "network must be a reference.Network, not 'relu'",
        ),
        (
            lambda: reference.back_propagation([[[1.0]]], [[0.0]], [[1.0]], 1.0, Network()),
            "forward must be what forward_propagation returned, not [[1.0]]",
        ),
        (
            lambda: reference.value_and_grad([[[1.0]]], [[0.0]], [1.0], None, Network()),
            "y must hold numbers, not object",
        ),
    ],
)
def test_names_must_be_text(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(message)}"):
        call()


@pytest.mark.parametrize(("output", "loss"), INVALID)
def test_invalid_pairs(output: str, loss: str) -> None:
    message = f"output is '{output}', for loss '{loss}' it must be one of"
    with pytest.raises(ValueError, match=message):
        Network(output=output, loss=loss)


def test_the_valid_pairs_are_those_whose_range_lies_in_the_domain() -> None:
    assert len(VALID) == 11 * 5 + 8
    defined = {loss: {o for o, of in VALID if of == loss} for loss in ("cross_entropy", "poisson")}
    assert defined["cross_entropy"] == {"sigmoid", "softmax"}
    assert defined["poisson"] == {"sigmoid", "softplus", "softmax", "exp"}


def test_aliases_become_canonical_names() -> None:
    network = Network(["linear", "logistic"], "logistic", "log_loss")
    assert network.hidden == ("identity", "sigmoid")
    assert (network.output, network.loss) == ("sigmoid", "binary_cross_entropy")
    assert Network("linear", "linear") == Network("identity", "identity")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.ones((2, 4))}, r"x has shape \(2, 4\), .* chain with W\[1\] \(3, 3\)"),
        ({"x": np.ones(2)}, r"x has shape \(2,\), which does not chain"),
        ({"x": np.ones((1, 2, 3))}, r"x has shape \(1, 2, 3\), which does not chain"),
        ({"x": np.ones(3)}, r"y has shape \(2, 2\) \(float64\), y_hat has \(1, 2\)"),
        (
            {"biases": [np.ones(3), np.ones(3)]},
            r"W\[2\] has shape \(2, 3\) and b\[2\] \(3,\); they must be \(n_2, n_1\) and \(n_2,\)",
        ),
        (
            {"weights": [np.ones((3, 3)), np.ones((2, 4))]},
            r"W\[2\] has shape \(2, 4\) .*, which is fed by W\[1\] \(3, 3\)",
        ),
        (
            {"weights": [np.ones((3, 3))]},
            "weights has 1 arrays, biases 2; a network has one of each",
        ),
        (
            {"weights": [[[1, 2, 3], [1]], [[1]]]},
            r"weights\[0\] must be a rectangular array of num",
        ),
        ({"x": [[1, 2, 3], [1]]}, "x must be a rectangular array of numbers"),
        ({"y": [[1, 2], [1]]}, "y must be a rectangular array of numbers"),
        ({"network": Network(("relu", "relu"))}, "hidden has 2 names, the network has 1 hidden"),
        ({"y": np.ones((2, 3))}, r"y has shape \(2, 3\) \(float64\), y_hat has \(2, 2\)"),
        ({"y": np.ones(2)}, r"y has shape \(2,\) \(float64\), y_hat has \(2, 2\)"),
        ({"w": np.ones(3)}, r"sample_weight has shape \(3,\), there are 2 samples"),
        (
            {"y": [0, 2], "network": Network("relu", "softmax", "cross_entropy")},
            "y spans 0 to 2, the classes 0 to 1",
        ),
    ],
)
def test_shapes_that_do_not_fit(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {
        "weights": [np.ones((3, 3)), np.ones((2, 3))],
        "biases": [np.ones(3), np.ones(2)],
        "x": np.ones((2, 3)),
        "y": np.ones((2, 2)),
        "network": Network(),
        "w": None,
    } | change
    with pytest.raises(ValueError, match=message):
        reference.value_and_grad(*given.values())


# --- Nested lists ----------------------------------------------------------------------------

W, B, X, Y = [[[1, 2], [0, -1]], [[3, 1]]], [[1, 0], [2]], [[1, 2], [3, 1], [0, 2]], [4, 5, 6]
V = [1, 0, 2, 0, 1, 3, 0.5, 1, 0]
CALLS: dict[str, Callable[..., Any]] = {
    "forward_propagation": lambda W, b, x, y, n: reference.forward_propagation(W, b, x, n)[:4],
    "value_and_grad": lambda W, b, x, y, n: reference.value_and_grad(W, b, x, y, n, [1, 2, 1]),
    "input_gradient": lambda W, b, x, y, n: reference.input_gradient(W, b, x, y, n),
    "jacobian": lambda W, b, x, y, n: reference.jacobian(W, b, x, n, "theta"),
    "per_sample_gradients": lambda W, b, x, y, n: reference.per_sample_gradients(W, b, x, y, n),
    "jvp": lambda W, b, x, y, n: reference.jvp(W, b, x, V, n, "theta"),
    "vjp": lambda W, b, x, y, n: reference.vjp(W, b, x, [[1], [2], [0.5]], n),
    "hvp": lambda W, b, x, y, n: reference.hvp(W, b, x, y, V, n),
    "gauss_newton_vp": lambda W, b, x, y, n: reference.gauss_newton_vp(W, b, x, y, V, n),
    "gradient_descent": lambda W, b, x, y, n: reference.gradient_descent(
        W, b, x, y, n, lr=0.01, max_iterations=3, momentum=0.5, weight_decay=0.1
    ),
    "stochastic_gradient_descent": lambda W, b, x, y, n: reference.stochastic_gradient_descent(
        W, b, x, y, n, lr=0.01, epochs=2, batch_size=2, weight_decay=0.1
    ),
    "sgd_update": lambda W, b, x, y, n: reference.sgd_update(
        W, b, reference.value_and_grad(W, b, x, y, n)[1], None, lr=0.1, weight_decay=0.1, l1=0.1
    ),
    "adam_update": lambda W, b, x, y, n: reference.adam_update(
        W, b, reference.value_and_grad(W, b, x, y, n)[1], None, weight_decay=0.1, decoupled=True
    ),
    "theta": lambda W, b, x, y, n: reference.unflatten(reference.theta(W, b), (2, 2, 1)),
}


def leaves(result: Any) -> list[Any]:
    """The arrays and numbers of a result, in order."""
    if isinstance(result, tuple | list | Layers):
        return [leaf for part in result for leaf in leaves(part)]
    return [result]


@pytest.mark.parametrize("name", CALLS)
def test_nested_lists_are_arrays(name: str) -> None:
    """Of whole numbers, too, which are float64 before anything is computed."""
    call, network = CALLS[name], Network("tanh")
    arrays = [[np.array(p, np.float64) for p in part] for part in (W, B)]
    found = call(W, B, X, Y, network)
    wanted = call(*arrays, np.array(X, np.float64), np.array(Y, np.float64), network)
    by_layer = call(Layers("W", arrays[0]), Layers("b", arrays[1]), X, Y, network)
    for a, b, c in zip(leaves(found), leaves(wanted), leaves(by_layer), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(c, b)
        assert name == "theta" or np.asarray(a).dtype.kind != "i" or np.ndim(a) == 0


@pytest.mark.parametrize(
    ("weights", "biases", "error", "message"),
    [
        (
            [[[1, 2], [3]]],
            [[0, 0]],
            ValueError,
            "weights[0] must be a rectangular array",
        ),
        ([[["a", "b"]]], [[0]], TypeError, "weights[0] must hold numbers, not str"),
        ([[[1, 2]]], [["b"]], TypeError, "biases[0] must hold numbers, not str"),
        ([[[1, 2]]], [[None]], TypeError, "biases[0] must hold numbers, not object"),
        ([[1, 2]], [[0]], ValueError, "W[1] has shape (2,) and b[1] (1,); they must be (n_1, n_0)"),
        ([[[1, 2]]], [0], ValueError, "W[1] has shape (1, 2) and b[1] ()"),
        (1.0, [[0]], TypeError, "weights must be a sequence of arrays, one a layer, not 1.0"),
        ([], [], ValueError, "weights has 0 arrays, biases 0; a network has one of each a layer"),
    ],
)
def test_invalid_parameters_are_refused(
    weights: Any, biases: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        reference.forward_propagation(weights, biases, [[1.0, 2.0]], Network())


# --- Defaults --------------------------------------------------------------------------------


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_defaults_are_those_of_the_network(output: str) -> None:
    ours, net = Network(output=output), dr.MLP([2, 3, 2], output=output)
    assert (ours.loss, ours.reduction, ours.output) == (net.loss, net.reduction, net.output)
    assert ((ours.hidden,), ours.leaky_slope, ours.huber_delta) == (
        net.hidden, net.leaky_slope, net.huber_delta,
    )  # fmt: skip
    assert Network(output=output, loss="huber").loss == "huber"


def test_the_functions_have_the_same_defaults() -> None:
    """Of initial parameters and of the optimizers, by the names that both have."""
    pairs = [
        (reference.initialize, dr.MLP, {"init", "hidden"}),
        (reference.sgd_update, dr.SGD, {"momentum", "nesterov", "weight_decay", "l1", "max_norm"}),
        (
            reference.adam_update,
            dr.Adam,
            {"lr", "beta1", "beta2", "epsilon", "weight_decay", "l1", "max_norm", "epsilon_hat"},
        ),
        (reference.gradient_descent, dr.MLP.gradient_descent, {"max_iterations", "lr"}),
    ]
    for ours, theirs, names in pairs:
        one, other = inspect.signature(ours).parameters, inspect.signature(theirs).parameters
        for name in names:
            assert one[name].default == other[name].default, (ours, name)
