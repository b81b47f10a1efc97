"""Settings that do not fit: which argument, which rule, which value."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from network_support import MOMENTUM, assert_same_bits, refused, regression

X, Y = regression(n=5)
ACTIVATIONS = "identity, sigmoid, tanh, relu, leaky_relu, elu, softplus, gelu, silu"
OUTPUTS = "identity, sigmoid, tanh, relu, leaky_relu, elu, softplus, gelu, silu, softmax, exp"
INITS = (
    "auto, glorot_uniform, glorot_normal, he_uniform, he_normal, "
    "lecun_uniform, lecun_normal, notes, torch"
)
HUGE = 10**400  # beyond float64
NAN, INF = float("nan"), float("inf")

# dr.MLP([3, 4, 2]) with one option changed; the error and its whole message.
MLP_ROWS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"sizes": [3]}, ValueError, "sizes must name at least inputs and outputs, not [3]"),
    ({"sizes": []}, ValueError, "sizes must name at least inputs and outputs, not []"),
    ({"sizes": 3}, TypeError, "sizes must be a sequence of widths, not 3"),
    ({"sizes": "342"}, TypeError, "sizes must be a sequence of widths, not '342'"),
    ({"sizes": None}, TypeError, "sizes must be a sequence of widths, not None"),
    ({"sizes": [3, 0, 2]}, ValueError, "sizes[1] must be 1 or more (and below 2**31), not 0"),
    ({"sizes": [3, 4, -2]}, ValueError, "sizes[2] must be 1 or more (and below 2**31), not -2"),
    ({"sizes": [2**31, 1]}, ValueError, f"sizes[0] must be 1 or more .*, not {2**31}"),
    ({"sizes": [HUGE, 1]}, ValueError, "sizes[0] must be 1 or more .*, not 1000.*"),
    ({"sizes": [True, 1]}, ValueError, "sizes[0] must be 1 or more .*, not True"),
    ({"sizes": [3, 4.0, 2]}, TypeError, "sizes[1] must be a whole number, not 4.0"),
    ({"sizes": [3, "4", 2]}, TypeError, "sizes[1] must be a whole number, not '4'"),
    ({"sizes": [3, [4], 2]}, TypeError, "sizes[1] must be a whole number, not [4]"),
    ({"sizes": [3, None]}, TypeError, "sizes[1] must be a whole number, not None"),
    ({"hidden": "swish"}, ValueError, f"hidden must be one of {ACTIVATIONS}, not 'swish'"),
    ({"hidden": "ReLU"}, ValueError, f"hidden must be one of {ACTIVATIONS}, not 'ReLU'.*"),
    ({"hidden": "rellu"}, ValueError, "hidden must be .* not 'rellu' (did you mean 'relu'?)"),
    ({"hidden": "lgistic"}, ValueError, "hidden must be .* 'lgistic' (did you mean 'logistic'?)"),
    ({"hidden": "softmax"}, ValueError, f"hidden must be one of {ACTIVATIONS}, not 'softmax'.*"),
    ({"hidden": ["tanh", "tanh"]}, ValueError, "hidden has 2 names, the network has 1 hidden .*"),
    ({"hidden": []}, ValueError, "hidden has 0 names, the network has 1 hidden layers"),
    ({"hidden": ["swish"]}, ValueError, f"hidden[0] must be one of {ACTIVATIONS}, not 'swish'"),
    ({"hidden": 1}, TypeError, "hidden must be a name or one name a hidden layer, not 1"),
    ({"hidden": None}, TypeError, "hidden must be a name or one name a hidden layer, not None"),
    ({"hidden": [1]}, TypeError, "hidden[0] must be a name, not 1"),
    ({"output": "rleu"}, ValueError, f"output must be one of {OUTPUTS}, not 'rleu'.*'relu'?)"),
    ({"output": None}, TypeError, "output must be a name, not None"),
    ({"loss": "mse"}, ValueError, "loss must be one of squared_error, .*, poisson, not 'mse'.*"),
    ({"loss": 2}, TypeError, "loss must be a name, not 2"),
    ({"loss": "log_loss"}, ValueError, "loss 'log_loss' is for one output, the network has 2; .*"),
    (
        {"loss": "cross_entropy"},
        ValueError,
        "loss 'cross_entropy' needs an output in its domain (sigmoid or softmax), not 'identity'",
    ),
    (
        {"loss": "poisson", "output": "tanh"},
        ValueError,
        "loss 'poisson' needs an output in its domain (sigmoid or softplus or softmax or exp), "
        "not 'tanh'",
    ),
    ({"reduction": "none"}, ValueError, "reduction must be one of mean, sum, not 'none'.*"),
    ({"reduction": None}, TypeError, "reduction must be a name, not None"),
    ({"dtype": "float16"}, ValueError, "dtype must be float32 or float64, not 'float16'"),
    ({"dtype": np.int32}, ValueError, "dtype must be float32 or float64, not <class .*int32'>"),
    ({"dtype": ">f4"}, ValueError, "dtype must be float32 or float64, not '>f4'"),
    ({"dtype": complex}, ValueError, "dtype must be float32 or float64, not <class 'complex'>"),
    ({"dtype": "double float"}, ValueError, "dtype must be float32 or float64, not 'double f.*"),
    ({"dtype": "9" * 5000}, ValueError, "dtype must be float32 or float64, not '999.*"),
    ({"dtype": None}, ValueError, "dtype must be float32 or float64, not None"),
    ({"init": "xavier"}, ValueError, f"init must be one of {INITS}, not 'xavier'.*"),
    ({"init": None}, TypeError, "init must be a name or (weights, biases), not None"),
    ({"init": 0.1}, TypeError, "init must be a name or (weights, biases), not 0.1"),
    ({"init": ([],)}, TypeError, "init must be a name or (weights, biases), not ([],)"),
    ({"init": ([], [])}, ValueError, "weights has 0 arrays, the network has 2 layers"),
    (
        {"init": ([np.ones((4, 3)), np.ones((2, 4))], [np.ones(4), [0.0, NAN]])},
        ValueError,
        "biases[1][1] is nan; every value must be finite (in float32)",
    ),
    ({"seed": -1}, ValueError, "seed must be 0 or more, not -1"),
    ({"seed": True}, ValueError, "seed must be 0 or more, not True"),
    ({"seed": 1.5}, TypeError, "seed must be a whole number, a numpy Generator or None, not 1.5"),
    ({"seed": "1"}, TypeError, "seed must be a whole number, a numpy Generator or None, not '1'"),
    ({"leaky_slope": -0.1}, ValueError, "leaky_slope must be in [0, 1], not -0.1"),
    ({"leaky_slope": 1.1}, ValueError, "leaky_slope must be in [0, 1], not 1.1"),
    ({"leaky_slope": NAN}, ValueError, "leaky_slope must be in [0, 1], not nan"),
    ({"leaky_slope": HUGE}, ValueError, "leaky_slope must be in [0, 1], not 1000.*"),
    ({"leaky_slope": "0"}, TypeError, "leaky_slope must be a number, not '0'"),
    ({"leaky_slope": True}, TypeError, "leaky_slope must be a number, not True"),
    ({"huber_delta": 0}, ValueError, "huber_delta must be above 0 and finite, not 0"),
    ({"huber_delta": INF}, ValueError, "huber_delta must be above 0 and finite, not inf"),
    ({"huber_delta": HUGE}, ValueError, "huber_delta must be above 0 and finite, not 1000.*"),
    ({"huber_delta": None}, TypeError, "huber_delta must be a number, not None"),
    ({"huber_delta": 1j}, TypeError, "huber_delta must be a number, not 1j"),
    ({"sizes": [2**31 - 1] * 2}, MemoryError, "sizes [2147483647, 2147483647] make .*"),
    ({"activation": "relu"}, TypeError, ".*unexpected keyword argument 'activation'"),
]

SGD_ROWS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"lr": 0}, ValueError, "lr must be above 0 and finite, not 0"),
    ({"lr": -0.1}, ValueError, "lr must be above 0 and finite, not -0.1"),
    ({"lr": INF}, ValueError, "lr must be above 0 and finite, not inf"),
    ({"lr": NAN}, ValueError, "lr must be above 0 and finite, not nan"),
    ({"lr": HUGE}, ValueError, "lr must be above 0 and finite, not 1000.*"),
    ({"lr": "0.1"}, TypeError, "lr must be a number, not '0.1'"),
    ({"lr": None}, TypeError, "lr must be a number, not None"),
    ({"lr": True}, TypeError, "lr must be a number, not True"),
    ({"lr": [0.1]}, TypeError, "lr must be a number, not [0.1]"),
    ({"momentum": 1}, ValueError, "momentum must be in [0, 1), not 1"),
    ({"momentum": -0.1}, ValueError, "momentum must be in [0, 1), not -0.1"),
    ({"momentum": NAN}, ValueError, "momentum must be in [0, 1), not nan"),
    ({"momentum": HUGE}, ValueError, "momentum must be in [0, 1), not 1000.*"),
    ({"momentum": "0.9"}, TypeError, "momentum must be a number, not '0.9'"),
    ({"weight_decay": -1}, ValueError, "weight_decay must be 0 or more and finite, not -1"),
    ({"weight_decay": INF}, ValueError, "weight_decay must be 0 or more and finite, not inf"),
    ({"weight_decay": None}, TypeError, "weight_decay must be a number, not None"),
    ({"nesterov": True}, ValueError, "nesterov needs momentum above 0, not momentum=0.0"),
    ({"nesterov": 1, "momentum": 0.9}, TypeError, "nesterov must be True or False, not 1"),
    ({"nesterov": None}, TypeError, "nesterov must be True or False, not None"),
    ({"learning_rate": 0.1}, TypeError, ".*unexpected keyword argument 'learning_rate'"),
]

FIT_ROWS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"epochs": -1}, ValueError, "epochs must be 0 or more, not -1"),
    ({"epochs": 2.0}, TypeError, "epochs must be a whole number, not 2.0"),
    ({"epochs": "2"}, TypeError, "epochs must be a whole number, not '2'"),
    ({"epochs": None}, TypeError, "epochs must be a whole number, not None"),
    ({"epochs": True}, ValueError, "epochs must be 0 or more, not True"),
    ({"batch_size": 0}, ValueError, "batch_size must be 1 or more, not 0"),
    ({"batch_size": -32}, ValueError, "batch_size must be 1 or more, not -32"),
    ({"batch_size": 0.5}, TypeError, "batch_size must be a whole number, not 0.5"),
    ({"batch_size": "all"}, TypeError, "batch_size must be a whole number, not 'all'"),
    ({"optimizer": 0.1}, TypeError, "optimizer must be a deltarule.SGD, Adam or AdamW.*, not 0.1"),
    (
        {"optimizer": "sgd"},
        TypeError,
        "optimizer must be a deltarule.SGD, Adam or AdamW.*, not 'sgd'",
    ),
    (
        {"optimizer": dr.SGD},
        TypeError,
        "optimizer must be a deltarule.SGD, Adam or AdamW.*, not <class .*SGD'>",
    ),
    ({"validation_data": X}, TypeError, "validation_data must be (x, y) or .*, not ndarray"),
    ({"validation_data": (X,)}, TypeError, "validation_data must be (x, y) or (x, y, .*"),
    ({"validation_data": (X, Y, None, 1)}, TypeError, "validation_data must be (x, y) or .*"),
    ({"validation_data": 0.2}, TypeError, "validation_data must be (x, y) or .*, not float"),
    ({"callbacks": 3}, TypeError, "callbacks must be callables, not 3"),
    ({"callbacks": None}, TypeError, "callbacks must be callables, not None"),
    ({"callbacks": [print, 3]}, TypeError, "callbacks[1] must be callable, not 3"),
    ({"callbacks": "ab"}, TypeError, "callbacks[0] must be callable, not 'a'"),
    ({"max_seconds": 0}, ValueError, "max_seconds must be a number above 0, not 0"),
    ({"max_seconds": -1.5}, ValueError, "max_seconds must be a number above 0, not -1.5"),
    ({"max_seconds": NAN}, ValueError, "max_seconds must be a number above 0, not nan"),
    ({"max_seconds": "10"}, ValueError, "max_seconds must be a number above 0, not '10'"),
    ({"threads": 0}, ValueError, "threads must be 1 or more, not 0"),
    ({"threads": -2}, ValueError, "threads must be 1 or more, not -2"),
    ({"threads": 1.5}, TypeError, "threads must be a whole number, not 1.5"),
    ({"threads": "2"}, TypeError, "threads must be a whole number, not '2'"),
    ({"threads": True}, ValueError, "threads must be 1 or more, not True"),
    ({"learning_rate": 0.1}, TypeError, ".*unexpected keyword argument 'learning_rate'"),
]


def pattern(message: str) -> str:
    """The message as it is, but for .* in it."""
    return ".*".join(re.escape(part) for part in message.split(".*"))


def says(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    assert re.fullmatch(pattern(message), str(caught.value), re.DOTALL), str(caught.value)


def table(rows: list[tuple[dict[str, Any], type[Exception], str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("options", "error", "message"), rows, ids=[repr(row[0])[1:40] for row in rows]
    )


@table(MLP_ROWS)
def test_mlp(options: dict[str, Any], error: type[Exception], message: str) -> None:
    says(lambda: dr.MLP(**({"sizes": [3, 4, 2]} | options)), error, message)


@table(SGD_ROWS)
def test_sgd(options: dict[str, Any], error: type[Exception], message: str) -> None:
    says(lambda: dr.SGD(**options), error, message)


@table(FIT_ROWS)
def test_fit(options: dict[str, Any], error: type[Exception], message: str) -> None:
    net = dr.MLP([3, 4, 2], hidden="tanh", seed=0)
    net.fit(X, Y, epochs=1, batch_size=2, optimizer=MOMENTUM)
    refused(net, lambda: net.fit(X, Y, **options), error, pattern(message))


@pytest.mark.parametrize("method", ["predict", "evaluate", "value_and_grad", "train_step"])
@table([row for row in FIT_ROWS if "threads" in row[0]])
def test_threads(
    options: dict[str, Any], error: type[Exception], message: str, method: str
) -> None:
    net = dr.MLP([3, 4, 2], seed=0)
    data = (X,) if method == "predict" else (X, Y)
    refused(net, lambda: getattr(net, method)(*data, **options), error, pattern(message))


@pytest.mark.parametrize("optimizer", [0.1, "sgd", dr.SGD, {"lr": 0.1}])
def test_train_step_takes_an_optimizer(optimizer: Any) -> None:
    net = dr.MLP([3, 4, 2], seed=0)
    rule = "optimizer must be a deltarule.SGD, Adam or AdamW.*, not .*"
    refused(net, lambda: net.train_step(X, Y, optimizer=optimizer), TypeError, rule)


@pytest.mark.parametrize("limit", [HUGE, INF], ids=["huge", "inf"])
def test_max_seconds_may_be_infinite(limit: float) -> None:
    free, limited = dr.MLP([3, 2], seed=0), dr.MLP([3, 2], seed=0)
    free.fit(X, Y, epochs=3)
    limited.fit(X, Y, epochs=3, max_seconds=limit)
    assert_same_bits(limited.theta, free.theta)


def test_many_threads_are_as_many_as_there_may_be() -> None:
    net = dr.MLP([3, 2], seed=0)
    assert_same_bits(net.predict(X, threads=10**30), net.predict(X))


@pytest.mark.parametrize("rate", [1e300, 1e-300])
def test_rates_beyond_float32_move_nothing_or_are_refused(rate: float) -> None:
    """At the minimum, where the gradient is 0, an infinite rate would make parameters nan."""
    net = dr.MLP([1, 1], init=([[[2.0]]], [[0.0]]))
    before = net.theta
    try:
        net.train_step([[1.0]], [2.0], optimizer=dr.SGD(lr=rate))
    except (ValueError, dr.DivergenceError):
        pass
    assert_same_bits(net.theta, before)


@pytest.mark.parametrize("isa", ["avx", "", "AVX2", "sse9"])
def test_instruction_sets(isa: str) -> None:
    before = dr.get_isa()
    says(lambda: dr.set_isa(isa), ValueError, f"isa must be one .*oracle.*, not {isa!r}")
    assert dr.get_isa() == before


@pytest.mark.parametrize(
    ("n", "error", "message"),
    [
        (0, ValueError, "n must be 1 or more, not 0"),
        (-1, ValueError, "n must be 1 or more, not -1"),
        (True, ValueError, "n must be 1 or more, not True"),
        (1.0, TypeError, "n must be a whole number, not 1.0"),
        ("2", TypeError, "n must be a whole number, not '2'"),
    ],
)
def test_numbers_of_threads(n: Any, error: type[Exception], message: str) -> None:
    before = dr.get_num_threads()
    says(lambda: dr.set_num_threads(n), error, message)
    assert dr.get_num_threads() == before
