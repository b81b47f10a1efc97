"""Many networks at once: each with the bits it would have alone; ensembles of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deltarule as dr

CONFIGS: list[dict[str, Any]] = [
    {"seed": 1},
    {"seed": 2, "sizes": [64, 12, 10], "hidden": "tanh", "optimizer": dr.Adam()},
    {"seed": 3, "dtype": "float64", "batch_size": 100, "epochs": 5},
    {"seed": 4, "shuffle": False, "batch_size": None, "optimizer": dr.SGD(momentum=0.9)},
    {"seed": 5, "rows": np.arange(0, 1797, 3)},
    {"seed": 6, "rows": np.arange(1797) % 5 != 0, "epochs": 0},
    {"seed": 7, "rows": np.arange(1797) % 5 != 0},
    {"seed": 8, "schedule": dr.schedules.Cosine(0.2, 3), "dropout": 0.25},
]
COMMON: dict[str, Any] = {
    "sizes": [64, 8, 10],
    "output": "softmax",
    "epochs": 3,
    "optimizer": dr.SGD(lr=0.1),
}


def alone(config: dict[str, Any], x: Any, y: Any, weight: Any) -> tuple[dr.MLP, dr.History]:
    settings = {**COMMON, **config}
    rows = settings.pop("rows", slice(None))
    fit = {
        name: settings.pop(name)
        for name in ("epochs", "batch_size", "optimizer", "shuffle", "schedule", "dropout")
        if name in settings
    }
    net = dr.MLP(**settings)
    weight = None if weight is None else weight[rows]
    return net, net.fit(x[rows], y[rows], sample_weight=weight, **fit)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_each_network_of_fit_many_equals_one_trained_alone(threads: int, weighted: bool) -> None:
    x, y = dr.load_digits()
    weight = np.random.default_rng(0).random(len(x)) if weighted else None
    fits = dr.fit_many(x, y, CONFIGS, sample_weight=weight, threads=threads, **COMMON)
    for config, net, history in zip(CONFIGS, fits.networks, fits.histories, strict=True):
        want, want_history = alone(config, x, y, weight)
        assert net.theta.tobytes() == want.theta.tobytes()
        assert history.loss == want_history.loss


def test_the_table() -> None:
    x, y = dr.load_digits()
    fits = dr.fit_many(x, y, CONFIGS, **COMMON)
    assert len(fits) == len(list(fits)) == len(fits.table) == len(CONFIGS)
    rows = CONFIGS[6]["rows"]
    assert fits.table[6]["held_out_loss"] == fits.networks[6].evaluate(x[~rows], y[~rows])
    assert fits.table[0]["held_out_loss"] is None
    assert fits.table[2]["epochs"] == 5
    assert fits.table[5]["epochs"] == 0
    assert fits.table[5]["loss"] is None
    assert [row["seed"] for row in fits.table] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert not any(row["diverged"] for row in fits.table)


def test_one_that_diverges_leaves_the_others_alone() -> None:
    x, y = dr.load_digits()
    wild = {"seed": 8, "output": "identity", "optimizer": dr.SGD(lr=1e6)}
    targets = np.eye(10)[y]
    fits = dr.fit_many(x, targets, [wild, {"seed": 1}], **COMMON)
    assert [row["diverged"] for row in fits.table] == [True, False]
    assert fits.table[0]["epochs"] == 0
    assert np.isfinite(fits.networks[0].theta).all()
    want, _ = alone({"seed": 1}, x, targets, None)
    assert fits.networks[1].theta.tobytes() == want.theta.tobytes()


def test_one_that_diverges_has_the_generator_it_has_alone() -> None:
    rng = np.random.default_rng(0)
    x, y = 1e3 * rng.standard_normal((50, 4)), rng.standard_normal((50, 1))
    settings: dict[str, Any] = {"epochs": 9, "batch_size": 10, "optimizer": dr.SGD(lr=1e-5)}
    net = dr.MLP([4, 5, 1], seed=1)
    with pytest.raises(dr.DivergenceError):
        net.fit(x, y, schedule=lambda e: 1e-9 if e < 4 else 1.0, **settings)
    many = dr.fit_many(
        x, y, [{"seed": 1, "schedule": lambda e: 1e-9 if e < 4 else 1.0}], sizes=[4, 5, 1],
        **settings,
    )  # fmt: skip
    assert many.table[0]["diverged"]
    assert many.networks[0].theta.tobytes() == net.theta.tobytes()
    assert many.networks[0]._rng.bit_generator.state == net._rng.bit_generator.state


def test_rows_without_weight() -> None:
    x, y = dr.load_digits()
    weight = np.r_[np.zeros(797), np.ones(1000)]
    with pytest.raises(ValueError, match=r"configs\[1\]: sample_weight of rows is 0 for every"):
        dr.fit_many(x, y, [{}, {"rows": np.arange(700)}], sample_weight=weight, **COMMON)
    fits = dr.fit_many(x, y, [{"rows": np.arange(797, 1797)}], sample_weight=weight, **COMMON)
    assert fits.table[0]["held_out_loss"] is None


def test_a_generator_for_two_networks() -> None:
    x, y = dr.load_digits()
    with pytest.raises(ValueError, match=r"configs\[1\]: seed is the generator of configs\[0\]"):
        dr.fit_many(x, y, [{}, {}], seed=np.random.default_rng(0), **COMMON)


def test_training_one_of_the_networks_further_continues_it() -> None:
    x, y = dr.load_digits()
    falling = {"seed": 1, "schedule": dr.schedules.Exponential(0.2, 0.5)}
    net = dr.fit_many(x, y, [falling], **COMMON).networks[0]
    net.fit(x, y, epochs=2, schedule=falling["schedule"])
    want, _ = alone({**falling, "epochs": 5}, x, y, None)
    assert net.theta.tobytes() == want.theta.tobytes()


@pytest.mark.parametrize(
    ("configs", "error", "message"),
    [
        ([], TypeError, r"configs must be a sequence of mappings, not \[\]"),
        ({"seed": 1}, TypeError, "configs must be a sequence of mappings, not {'seed': 1}"),
        ([{}, 3], TypeError, r"configs\[1\]: must be a mapping, not 3"),
        ([{"size": 3}], TypeError, r"configs\[0\]: 'size' is no argument of MLP, and none of ep"),
        ([{"epochs": -1}], ValueError, r"configs\[0\]: epochs must be 0 or more, not -1"),
        ([{"hidden": "step"}], ValueError, r"configs\[0\]: hidden must be"),
        ([{"rows": []}], ValueError, r"configs\[0\]: rows must name at least one sample"),
        ([{"rows": [1797]}], ValueError, r"configs\[0\]: rows must be in 0..1796, not 1797"),
        ([{"rows": [-1]}], ValueError, r"configs\[0\]: rows must be in 0..1796, not -1"),
        ([{"rows": [0.5]}], TypeError, r"configs\[0\]: rows must be indices or a mask of bools"),
        ([{"rows": [True]}], ValueError, r"configs\[0\]: rows must be a mask of 1797"),
        ([{"sizes": [63, 10]}], ValueError, r"configs\[0\]: x has 64 features"),
        (
            [{}, {"schedule": lambda e: 0.1 if e < 2 else -1.0}],
            ValueError,
            r"configs\[1\]: schedule gives the rate -1.0 in epoch 2",
        ),
        ([{"optimizer": 1}], TypeError, r"configs\[0\]: optimizer must be a deltarule.SGD"),
    ],
)
def test_bad_configurations(configs: Any, error: type[Exception], message: str) -> None:
    x, y = dr.load_digits()
    with pytest.raises(error, match=message):
        dr.fit_many(x, y, configs, **COMMON)


def test_an_ensembles_mean_and_deviation() -> None:
    x, _ = dr.load_digits()
    nets = [dr.MLP([64, 4, 3], seed=s) for s in range(5)]
    outputs = np.array([net.predict(x).astype(np.float64) for net in nets])
    mean, std = dr.MLPEnsemble(nets).predict(x, return_std=True)
    np.testing.assert_allclose(mean, outputs.mean(axis=0), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(std, outputs.std(axis=0), rtol=1e-12, atol=1e-15)
    assert (dr.MLPEnsemble(nets).predict(x) == mean).all()


@pytest.mark.parametrize(
    ("networks", "error", "message"),
    [
        ([], ValueError, "networks must hold at least one network"),
        ([3], TypeError, r"networks\[0\] must be a deltarule.MLP, not 3"),
        (
            [dr.MLP([2, 1]), dr.MLP([2, 2])],
            ValueError,
            r"networks\[1\] has 2 inputs and 2 outputs, networks\[0\] has 2 and 1",
        ),
    ],
)
def test_bad_ensembles(networks: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        dr.MLPEnsemble(networks)
