"""Nothing depends on `numpy.seterr`: with every flag an error, calls give the same bits."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from command_support import command, write_csv
from deltarule import reference as ref
from network_support import Array

rng = np.random.default_rng(0)
BASE = rng.normal(size=(12, 3))


def with_value(value: float) -> Array:
    x = BASE.copy()
    x[3, 1] = value
    return x


X: dict[str, Array] = {
    "subnormal in float64": with_value(1e-320),
    "subnormal in float32": with_value(1e-42),
    "below float32": with_value(1e-50),
    "all below float64": BASE * 1e-310,
    "large": with_value(1e30),
    "largest of float32": with_value(3.4e38),
    "above float32": with_value(1e300),
    "largest of float64": with_value(1.7e308),
    "not a number": with_value(np.nan),
    "infinite": with_value(np.inf),
    "zero": 0.0 * BASE,
    "long double": with_value(1.0).astype(np.longdouble) * np.longdouble(1e-300) ** 2,
    "whole": np.full((12, 3), 2**63 - 1),
}
Y = {"usual": BASE[:, :1], "tiny": BASE[:, :1] * 1e-310, "huge": BASE[:, :1] * 1e300}
WEIGHTS = {
    "usual": np.ones(12),
    "subnormal": np.r_[1e-320, np.ones(11)],
    "tiny": np.full(12, 1e-300),
    "huge": np.full(12, 1e306),
    "far apart": np.r_[1e-300, 1e300, np.ones(10)],
}

Call = Callable[[dr.MLP, Any, Any, Any], object]
EVERYTHING: dict[str, Any] = {
    "validation_split": 0.25,
    "dropout": 0.2,
    "optimizer": dr.AdamW(),
    "schedule": dr.schedules.Cosine(0.01, 2),
    "metrics": ["r2", "mae", "rmse"],
    "early_stopping": dr.EarlyStopping(),
}
CALLS: dict[str, Call] = {
    "predict": lambda net, x, y, w: net.predict(x),
    "one row": lambda net, x, y, w: net.predict(x[3]),
    "evaluate": lambda net, x, y, w: net.evaluate(x, y, sample_weight=w),
    "value_and_grad": lambda net, x, y, w: net.value_and_grad(x, y, sample_weight=w),
    "train_step": lambda net, x, y, w: net.train_step(x, y, sample_weight=w),
    "fit": lambda net, x, y, w: net.fit(x, y, epochs=2, sample_weight=w),
    "fit, everything": lambda net, x, y, w: net.fit(x, y, epochs=2, sample_weight=w, **EVERYTHING),
    "fit, a stream": lambda net, x, y, w: net.fit([(x, y, w)], epochs=1),
    "fit_many": lambda net, x, y, w: dr.fit_many(
        x, y, [{"sizes": [3, 1]}], sample_weight=w, epochs=1
    ),
    "trace": lambda net, x, y, w: (str(t := net.trace(x, y, sample_weight=w)), t.to_markdown()),
    "verify": lambda net, x, y, w: str(net.verify(x, y, sample_weight=w)),
    "check_gradients": lambda net, x, y, w: dr.check_gradients(net, x, y),
    "jacobian": lambda net, x, y, w: net.jacobian(x),
    "input_gradient": lambda net, x, y, w: net.input_gradient(x, y),
    "per_sample_gradients": lambda net, x, y, w: net.per_sample_gradients(x, y),
    "hvp": lambda net, x, y, w: net.hvp(x, y, net.theta),
    "gauss_newton_vp": lambda net, x, y, w: net.gauss_newton_vp(x, y, net.theta),
    "activations": lambda net, x, y, w: net.activations(x),
    "theta": lambda net, x, y, w: setattr(net, "theta", np.resize(x.ravel(), net.n_parameters)),
}


def left(call: Callable[[], object]) -> str:
    """Return what a call gives or raises, as text; no error of the floating-point flags."""
    try:
        result = call()
    except (TypeError, ValueError, ArithmeticError, AssertionError) as error:
        assert not isinstance(error, FloatingPointError | ZeroDivisionError), error
        return f"{type(error).__name__}: {error}"
    if isinstance(result, dr.History):
        return str({name: v for name, v in result.to_dict().items() if name != "seconds"})
    if isinstance(result, np.ndarray | float | str | tuple):
        return str(result)
    return type(result).__name__


def same_with_every_flag(call: Callable[[], object]) -> None:
    with np.errstate(all="ignore"):
        wanted = left(call)
    with np.errstate(all="raise"):
        assert left(call) == wanted
    with np.errstate(all="warn"), warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert left(call) == wanted


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore::deltarule.TrainingAdvice")
def test_calls(name: str, dtype: str) -> None:
    def call(x: Any, y: Any, w: Any) -> object:
        net = dr.MLP([3, 4, 1], hidden="tanh", dtype=dtype, seed=0)
        return CALLS[name](net, x, y, w)

    for x in X.values():
        same_with_every_flag(lambda x=x: call(x, Y["usual"], WEIGHTS["usual"]))  # type: ignore[misc]
    for y in Y.values():
        same_with_every_flag(lambda y=y: call(BASE, y, WEIGHTS["usual"]))  # type: ignore[misc]
    for w in WEIGHTS.values():
        same_with_every_flag(lambda w=w: call(BASE, Y["usual"], w))  # type: ignore[misc]


CLASSES: dict[str, Callable[[Any], object]] = {
    "class_weight": lambda w: {"class_weight": {0: 1e-320, 1: 1.0, 2: 1e-300}, "sample_weight": w},
    "balanced": lambda w: {"class_weight": "balanced", "sample_weight": w},
    "label_smoothing": lambda w: {"label_smoothing": 1e-310, "sample_weight": w},
}


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_classes(name: str, weights: str) -> None:
    def call() -> object:
        net = dr.MLP([3, 4, 3], output="softmax", seed=0)
        options: Any = CLASSES[name](WEIGHTS[weights])
        return net.fit(BASE, np.arange(12) % 3, epochs=2, metrics="accuracy", **options)

    same_with_every_flag(call)


SCHEDULES = {
    "step": lambda: dr.schedules.Step(1e-300, 1, 1e-200),
    "exponential": lambda: dr.schedules.Exponential(1e-300, 1e-200),
    "exponential, up": lambda: dr.schedules.Exponential(1e-300, 1e300),
    "cosine": lambda: dr.schedules.Cosine(1e-320, 3),
    "inverse scaling": lambda: dr.schedules.InverseScaling(1e-300, 300.0),
    "warm-up": lambda: dr.schedules.WarmUp(2, dr.schedules.Exponential(1e-300, 1e-200)),
}
OPTIMIZERS = {
    "sgd": lambda: dr.SGD(1e-320),
    "momentum": lambda: dr.SGD(0.1, momentum=1e-320),
    "decay": lambda: dr.SGD(0.1, weight_decay=1e-320, l1=1e-320),
    "clipping": lambda: dr.SGD(0.1, clip_norm=1e-320),
    "adam": lambda: dr.Adam(1e-310, epsilon=1e-300),
}


@pytest.mark.parametrize("name", [*SCHEDULES, *OPTIMIZERS])
def test_settings(name: str) -> None:
    def call() -> object:
        net = dr.MLP([3, 1], dtype="float64", seed=0)
        if name in SCHEDULES:
            return net.fit(BASE, Y["usual"], epochs=5, schedule=SCHEDULES[name]())
        return net.fit(BASE, Y["usual"], epochs=5, optimizer=OPTIMIZERS[name]())

    same_with_every_flag(call)


def test_the_reference_takes_a_value_below_its_dtype() -> None:
    net = dr.MLP([3, 2], seed=0)
    same_with_every_flag(
        lambda: ref.forward_propagation(net.W, net.b, X["below float32"], ref.Network()).y_hat
    )


def test_sparse_rows() -> None:
    sparse = pytest.importorskip("scipy.sparse", reason="needs SciPy")
    net = dr.MLP([3, 1], seed=0)
    for x in ("below float32", "above float32", "not a number"):
        same_with_every_flag(lambda x=x: net.predict(sparse.csr_array(X[x])))  # type: ignore[misc]


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("kind", ["binary", "classes", "labels", "numbers", "counts"])
def test_estimators(kind: str, solver: str) -> None:
    pytest.importorskip("sklearn", reason="needs the extra: pip install 'deltarule[sklearn]'")
    from sklearn import exceptions

    from deltarule import sklearn as estimators

    labels = np.arange(12)
    y: Any = {
        "binary": labels % 2,
        "classes": labels % 3,
        "labels": np.column_stack([labels % 2, labels % 3 > 0]).astype(int),
        "numbers": BASE[:, 0],
        "counts": np.abs(BASE[:, 0]),
    }[kind]
    settings: dict[str, Any] = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0}
    if kind == "counts":
        settings["loss"] = "poisson"
    if kind in ("binary", "classes"):
        settings["class_weight"] = {0: 1e-320, 1: 1.0}

    def call(x: Any, y: Any, w: Any) -> object:
        name = "MLPRegressor" if kind in ("numbers", "counts") else "MLPClassifier"
        model = getattr(estimators, name)(solver=solver, **settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
            warnings.simplefilter("ignore", exceptions.UndefinedMetricWarning)
            model.fit(x, y, w, validation_data=(x, y, w))
            seen = [model.predict(x), model.predict(BASE), model.score(x, y, w), model.loss_]
        if name == "MLPClassifier":
            seen += [model.predict_proba(x), model.predict_log_proba(x)]
        return tuple(seen)

    for x in X.values():
        same_with_every_flag(lambda x=x: call(x, y, WEIGHTS["usual"]))  # type: ignore[misc]
    for w in WEIGHTS.values():
        same_with_every_flag(lambda w=w: call(BASE, y, w))  # type: ignore[misc]
    if kind in ("numbers", "counts"):
        for scale in (1e-310, 1e-200, 1e300):
            targets = y * scale
            same_with_every_flag(lambda y=targets: call(BASE, y, WEIGHTS["usual"]))  # type: ignore[misc]


@pytest.mark.parametrize("name", X)
def test_the_command(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("polars", reason="needs the extra: pip install 'deltarule[cli]'")
    monkeypatch.chdir(tmp_path)
    x = np.asarray(X[name], np.float64)
    for target in (BASE[:, 0], np.arange(12) % 2, BASE[:, 0] * 1e-310):
        write_csv("d.csv", x, target)
        arguments = (
            "train",
            "d.csv",
            "--target",
            "y",
            "--epochs",
            2,
            "--no-plot",
            "--save",
            "m.st",
        )
        runs = []
        for how in ("ignore", "raise"):
            with np.errstate(all=how):  # type: ignore[call-overload]
                trained = command(*arguments, "--json")
                runs.append([(trained.status, trained.err), command("predict", "m.st", "d.csv")])
        assert runs[0] == runs[1]
