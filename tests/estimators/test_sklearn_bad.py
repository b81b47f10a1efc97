"""Bad input: each error names the argument, the rule and what was given."""

from __future__ import annotations

import copy
import re
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from sklearn_support import CLASSIFIER, QUICK, REGRESSOR, ours, samples, targets

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

BOTH = [CLASSIFIER, REGRESSOR]


def data(name: str, kind: str | None = None) -> tuple[Any, Any]:
    X = samples()
    return X, targets(kind or ("multiclass" if name == CLASSIFIER else "one"), X)


def unfitted(name: str, **parameters: Any) -> Any:
    return getattr(ours, name)(**(QUICK | parameters))


def refuses(name: str, rule: str, **parameters: Any) -> None:
    X, y = data(name)
    with pytest.raises((ValueError, TypeError), match=rule):
        unfitted(name, **parameters).fit(X, y)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("hidden_layer_sizes", 0),
        ("hidden_layer_sizes", 2.5),
        ("activation", "step"),
        ("activation", 3),
        ("solver", "rmsprop"),
        ("alpha", -1.0),
        ("alpha", "much"),
        ("batch_size", 0),
        ("batch_size", "all"),
        ("learning_rate", "cosine"),
        ("learning_rate_init", 0.0),
        ("power_t", -1),
        ("max_iter", 0),
        ("shuffle", "yes"),
        ("random_state", -1),
        ("tol", -1e-3),
        ("verbose", -1),
        ("warm_start", 2.5),
        ("momentum", 1.5),
        ("nesterovs_momentum", None),
        ("early_stopping", "accuracy"),
        ("validation_fraction", 1.0),
        ("beta_1", 1.0),
        ("beta_2", -0.1),
        ("epsilon", 0.0),
        ("n_iter_no_change", 0),
        ("max_fun", 0),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("out_activation", "rleu"),
        ("init", "zeros"),
        ("dtype", "float16"),
        ("n_threads", 0),
        ("max_seconds", 0.0),
        ("restore_best", "no"),
        ("loss", "hinge"),
        ("callbacks", 3),
    ],
)
def test_a_parameter_out_of_its_range(name: str, parameter: str, value: Any) -> None:
    rule = rf"The '{parameter}' parameter of {name} must be .* Got {re.escape(repr(value))} instead"
    refuses(name, rule, **{parameter: value})


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ({"hidden_layer_sizes": (3, 0)}, r"hidden_layer_sizes must be > 0, but \[1\] is 0"),
        ({"hidden_layer_sizes": (3, -2)}, r"hidden_layer_sizes must be > 0, but \[1\] is -2"),
        (
            {"hidden_layer_sizes": (3, 2.5)},
            r"hidden_layer_sizes\[1\] must be a whole number, not 2\.5",
        ),
        (
            {"activation": ["relu"]},
            r"activation must be one name or one a hidden layer, but has 1 names for 2 hidden",
        ),
        (
            {"activation": ["relu", "rleu"]},
            r"activation\[1\] must be one of .*, not 'rleu' \(did you mean 'relu'\?\)",
        ),
        ({"dtype": np.int32}, r"dtype must be float32, float64 or None, not .*int32"),
        ({"dropout": 0.1, "solver": "lbfgs"}, r"dropout must be 0 with solver 'lbfgs'.* not 0\.1"),
        ({"callbacks": [print, 3]}, r"callbacks\[1\] must be callable, not 3"),
        (
            {"early_stopping": True, "validation_fraction": 0.001},
            r"The validation set is too small: validation_fraction=0\.001 of 150 samples are 1",
        ),
    ],
)
def test_parameters_that_make_no_sense(name: str, parameters: dict[str, Any], rule: str) -> None:
    refuses(name, rule, **parameters)


def test_outputs_and_losses_that_do_not_go_together() -> None:
    X, _ = data(REGRESSOR)
    for kind, output in [("binary", "softmax"), ("multilabel", "softmax"), ("multiclass", "tanh")]:
        _, y = data(CLASSIFIER, kind)
        with pytest.raises(
            ValueError, match=f"out_activation must be .*logistic.*, not '{output}'"
        ):
            unfitted(CLASSIFIER, out_activation=output).fit(X, y)
    with pytest.raises(ValueError, match=r"loss 'poisson' needs an output .* not 'identity'"):
        unfitted(REGRESSOR, loss="poisson", out_activation="identity").fit(X, np.abs(X[:, 0]))
    with pytest.raises(ValueError, match=r"y\[\d+\] is -.*; every value must be 0 or more"):
        unfitted(REGRESSOR, loss="poisson").fit(X, X[:, 0])


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("weight", "rule"),
    [
        (np.zeros(150), "sample_weight must be above zero for some sample, but all are zero"),
        (-np.ones(150), r"sample_weight must be 0 or more, but \[0\] is -1\.0"),
        (np.full(150, np.nan), "(?i)sample_weight contains NaN"),
        (np.ones(3), r"sample_weight.shape == \(3,\), expected \(150,\)"),
        (np.ones((150, 2)), "(?i)sample.weights? must be 1D"),
    ],
)
def test_weights(name: str, weight: Any, rule: str) -> None:
    X, y = data(name)
    with pytest.raises(ValueError, match=rule):
        unfitted(name).fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("name", BOTH)
def test_values_that_are_not_finite(name: str) -> None:
    X, y = data(name)
    model = unfitted(name).fit(X, y)
    for value in (np.nan, np.inf):
        bad = X.copy()
        bad[3, 2] = value
        for call in (lambda bad=bad: model.predict(bad), lambda bad=bad: model.fit(bad, y)):
            with pytest.raises(ValueError, match=r"(?i)input X contains (nan|infinity)"):
                call()
    with pytest.raises(ValueError, match=r"too large for dtype\('float32'\)"):
        unfitted(name, dtype="float32").fit(X * 1e300, y)


def test_targets() -> None:
    X, y = data(REGRESSOR)
    with pytest.raises(ValueError, match=r"(?i)y contains NaN"):
        unfitted(REGRESSOR).fit(X, np.where(y > 0, np.nan, y))
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        unfitted(CLASSIFIER).fit(X, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        unfitted(REGRESSOR).fit(X, y[:-1])
    with pytest.raises(ValueError, match=r"every value must be finite \(in float32\)"):
        unfitted(REGRESSOR, dtype="float32").fit(X, y * 1e300)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (3, r"validation_data must be \(X, y\) or \(X, y, sample_weight\), not int"),
        ((1, 2, 3, 4), "validation_data must be"),
        ((samples()[:, :3], np.full(150, 10)), "validation_data: X has 3 features"),
        ((samples(), np.full(150, 10), np.zeros(150)), "validation_data: sample_weight must be"),
        ((samples(), np.full(20, 10)), "validation_data: .*inconsistent numbers of samples"),
    ],
)
def test_validation_data(name: str, given: Any, rule: str) -> None:
    X, y = data(name)
    with pytest.raises((ValueError, TypeError), match=rule):
        unfitted(name).fit(X, y, validation_data=given)


def test_validation_data_of_other_classes_or_outputs() -> None:
    X, y = data(CLASSIFIER)
    with pytest.raises(ValueError, match=r"validation_data: y has classes \[7\] that are not in"):
        unfitted(CLASSIFIER).fit(X, y, validation_data=(X, np.full(150, 7)))
    X, y = data(REGRESSOR)
    with pytest.raises(ValueError, match="validation_data: y must have 1 outputs, not 2"):
        unfitted(REGRESSOR).fit(X, y, validation_data=(X, X[:, :2]))


def test_class_weights() -> None:
    refuses(CLASSIFIER, "The 'class_weight' parameter .* Got 'even' instead", class_weight="even")
    rule = "class_weight must be 0 or more and above zero for some sample"
    refuses(CLASSIFIER, rule, class_weight={10: 0.0, 11: 0.0, 12: 0.0})
    rule = r"class_weight\[10\] must be 0 or more and finite, not -1.0"
    refuses(CLASSIFIER, rule, class_weight={10: -1.0, 11: 1.0, 12: 1.0})
    refuses(CLASSIFIER, "'label_smoothing' parameter .* Got 1.0", label_smoothing=1.0)
    X, y = data(CLASSIFIER)
    with pytest.raises(ValueError, match="class_weight must not be 'balanced' in partial_fit"):
        unfitted(CLASSIFIER, class_weight="balanced").partial_fit(X, y, classes=[10, 11, 12])


@pytest.mark.parametrize("name", BOTH)
def test_invalid_calls_of_partial_fit_are_refused(name: str) -> None:
    X, y = data(name)
    first = {"classes": [10, 11, 12]} if name == CLASSIFIER else {}
    assert not hasattr(unfitted(name, solver="lbfgs"), "partial_fit")
    with pytest.raises(AttributeError, match="no attribute 'partial_fit'"):
        unfitted(name, solver="lbfgs").partial_fit(X, y)
    for how in (True, "loss"):
        model = unfitted(name, early_stopping=how)
        with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
            model.partial_fit(X, y, **first)
    model = unfitted(name).partial_fit(X, y, **first)
    with pytest.raises(ValueError, match="X has 3 features"):
        model.partial_fit(X[:, :3], y)
    model.set_params(hidden_layer_sizes=(4,))
    with pytest.raises(ValueError, match=r"hidden_layer_sizes .* layers \[5, 9, 6, .*not \[5, 4"):
        model.partial_fit(X, y)


def test_invalid_classes_are_refused() -> None:
    X, y = data(CLASSIFIER)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        unfitted(CLASSIFIER).partial_fit(X, y)
    model = unfitted(CLASSIFIER).partial_fit(X, y, classes=[10, 11, 12])
    with pytest.raises(ValueError, match=r"y has classes \[13\] that are not in classes_"):
        model.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="not the same as on last call"):
        model.partial_fit(X, y, classes=[1, 2])
    model.set_params(warm_start=True)
    with pytest.raises(ValueError, match="with warm_start, y must have the same classes"):
        model.fit(X, np.minimum(y, 11))


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("weighted", [False, True])
def test_divergence_is_a_value_error_that_names_the_epoch(name: str, weighted: bool) -> None:
    X, y = data(name, "several" if name == REGRESSOR else None)
    w = np.ones(150) if weighted else None
    model = unfitted(
        name, solver="sgd", learning_rate_init=1e200, activation="identity", loss="squared_error"
    )
    if name == CLASSIFIER:
        model.set_params(loss=None, learning_rate_init=1e308)
    with pytest.raises(
        ours.FitDivergedError, match=r"epoch \d+, step \d+; the parameters are those"
    ):
        model.fit(X * 1e3, y, w)
    assert issubclass(ours.FitDivergedError, ValueError)
    assert issubclass(ours.FitDivergedError, dr.DivergenceError)
    assert all(np.isfinite(W).all() for W in model.coefs_ + model.intercepts_)
    assert np.isfinite(model._forward(X)).all()


def test_divergence_after_the_best_epoch_of_early_stopping_warns() -> None:
    X, y = data(REGRESSOR, "several")
    model = unfitted(
        REGRESSOR, solver="sgd", learning_rate_init=0.1, activation="identity", early_stopping=True
    )
    model.set_params(max_iter=500, n_iter_no_change=500)
    with pytest.warns(
        UserWarning, match=r"not finite any more in epoch \d+.*best parameters so far"
    ):
        model.fit(X, y)
    assert model.n_iter_ == len(model.validation_scores_) < 500
    assert np.isfinite(model.predict(X)).all()
    with pytest.raises(ours.FitDivergedError):
        model.set_params(restore_best=False).fit(X, y)


@pytest.mark.parametrize("name", BOTH)
def test_a_refused_fit_leaves_the_model_as_it_was(name: str) -> None:
    X, y = data(name)
    model = unfitted(name).fit(X, y)
    before = {key: copy.deepcopy(value) for key, value in vars(model).items() if key != "_network"}
    other = np.append(np.full(149, 10), 99) if name == CLASSIFIER else X[:, :2]
    refused: list[Any] = [
        lambda: model.fit(X[:, :3], other, sample_weight=-np.ones(150)),
        lambda: model.partial_fit(X[:, :3], y),
        lambda: model.fit(X, other, validation_data=3),
        lambda: model.set_params(callbacks=[3]).fit(X[:, :2], other),
        lambda: model.set_params(early_stopping=True, validation_fraction=1e-9).fit(X, other),
        lambda: model.set_params(hidden_layer_sizes=(3,)).partial_fit(X, y),
    ]
    for call in refused:
        with pytest.raises((ValueError, TypeError)):
            call()
        model.set_params(**{key: before[key] for key in model.get_params()})
        assert vars(model).keys() - {"_network"} == before.keys()
        for key, value in before.items():
            if key != "_random_state" and key != "_label_binarizer":
                np.testing.assert_equal(getattr(model, key), value)
    assert model.predict(X).shape == y.shape
    bare = unfitted(name)
    with pytest.raises(ValueError):
        bare.fit(X, y, sample_weight=-np.ones(150))
    assert vars(bare) == vars(unfitted(name))


# Weights of 0, and parts that are too small


@pytest.mark.parametrize("how", [True, "loss"])
@pytest.mark.parametrize("name", BOTH)
def test_a_held_out_part_without_weight(name: str, how: Any) -> None:
    X, y = data(name)
    weight, of = np.zeros(len(X)), unfitted(name, early_stopping=how, random_state=0)
    for i in range(len(X)):
        weight[:] = 0.0
        weight[i] = 1.0
        with pytest.raises(ValueError, match=r"above zero for some sample of the \d+ (held|to)"):
            of.fit(X, y, weight)
    assert not hasattr(of, "coefs_")


@pytest.mark.parametrize("name", BOTH)
def test_weights_of_0(name: str) -> None:
    X, y = data(name)
    zero, rule = np.zeros(len(X)), "sample_weight must be above zero for some sample"
    model = unfitted(name, solver="lbfgs").fit(X, y)
    for call in (
        lambda: unfitted(name).fit(X, y, zero),
        lambda: unfitted(name).fit(X, y, validation_data=(X, y, zero)),
        lambda: model.score(X, y, zero),
    ):
        with pytest.raises(ValueError, match=rule):
            call()


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(("fraction", "n"), [(0.0, 30), (0.99, 30), (0.1, 1), (0.01, 30)])
def test_parts_that_are_too_small(name: str, fraction: float, n: int) -> None:
    X, y = data(name)
    of = unfitted(name, early_stopping=True, validation_fraction=fraction)
    with pytest.raises(ValueError, match=rf"validation_fraction={fraction} of {n} samples"):
        of.fit(X[:n], y[:n])


def _with_a_gap(kind: str) -> Any:
    x = np.arange(20.0).reshape(10, 2)
    if kind == "array":
        x[2, 1] = np.nan
        return x
    if kind == "infinite":
        x[2, 1] = np.inf
        return x
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(x, columns=["a", "b"])
    gaps = pandas.array([1, 2, None] + [4] * 7, dtype=object)
    return frame.assign(b=gaps if kind == "objects" else gaps.astype("Int64"))


@pytest.mark.parametrize("kind", ["array", "infinite", "objects", "Int64"])
def test_a_missing_value_is_named_by_its_place(kind: str) -> None:
    """Beside scikit-learn's own messages, which its checks ask for."""
    X, y = _with_a_gap(kind), np.arange(10.0)
    where = r"X\[2, 1\]" if kind in ("array", "infinite") else r"X\[2, 1\] \(column 'b'\)"
    with pytest.raises(ValueError, match=rf"{where}.*Input X contains (NaN|infinity)"):
        ours.MLPRegressor().fit(X, y)
    model = ours.MLPRegressor(max_iter=1).fit(X[:2], y[:2])
    with pytest.raises(ValueError, match=rf"{where}.*Input X contains (NaN|infinity)"):
        model.predict(X)
