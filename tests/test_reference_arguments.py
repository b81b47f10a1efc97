"""What the reference is given: targets, weights, reductions, words and shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deltarule import reference
from deltarule.reference import Network
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
    ("words", "message"),
    [
        ({"hidden": "step"}, "hidden is 'step', it must be one of identity, sigmoid"),
        ({"hidden": ("relu", "step")}, "hidden is 'step'"),
        ({"output": "relu"}, "output is 'relu', it must be one of identity, sigmoid"),
        ({"loss": "hinge"}, "loss is 'hinge', it must be one of squared_error"),
        ({"reduction": "none"}, "reduction is 'none', it must be one of mean, sum"),
    ],
)
def test_unknown_words(words: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Network(**words)


@pytest.mark.parametrize(("output", "loss"), INVALID)
def test_invalid_pairs(output: str, loss: str) -> None:
    message = f"output is '{output}', for loss '{loss}' it must be one of"
    with pytest.raises(ValueError, match=message):
        Network(output=output, loss=loss)


def test_the_valid_pairs_are_those_whose_range_lies_in_the_domain() -> None:
    assert len(VALID) == 25 + 7
    assert {o for o, loss in INVALID if loss == "cross_entropy"} == {"identity", "tanh", "exp"}
    assert {o for o, loss in INVALID if loss == "poisson"} == {"identity", "tanh"}


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
