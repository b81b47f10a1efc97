"""`MLP.verify`: no false alarm, what it looks at, leaves alone and refuses."""

from __future__ import annotations

import inspect
import itertools
import pickle
from typing import Any

import numpy as np
import pytest

import deltarule as dr
import planted
from cases import ALL, DTYPES, GRID, ISAS, THREADS, Case
from deltarule import reference
from deltarule.verification.compare_slopes import CENTRAL, COMPLEX_STEP
from deltarule.verification.compare_update import AFTER
from deltarule.verification.reference_model import Model
from deltarule.verification.report import Line, Report
from network_support import classification, fingerprint, refused, regression

pytestmark = pytest.mark.usefixtures("small_work_in_teams", "keep_isa")

OPTIMIZERS = [
    dr.SGD(),
    dr.SGD(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01, l1=0.001),
    dr.SGD(momentum=0.5, max_norm=0.01),
    dr.Adam(lr=0.01),
    dr.Adam(weight_decay=0.1, l1=0.01, epsilon=1e-17, epsilon_hat=True),
    dr.AdamW(lr=0.003, max_norm=0.5),
]


def passed(report: Report) -> bool:
    """Whether all is right; what is not is shown."""
    if not report:
        print(report)
    return report.ok


# No false alarm: every case on threads, an instruction set and an optimizer that go round.

WORK = [
    pytest.param(
        *work, id=str(work[0]), marks=() if k % 3 == 0 or work[0].batch > 1000 else pytest.mark.full
    )
    for k, work in enumerate(
        zip(ALL, itertools.cycle(THREADS), itertools.cycle(ISAS), itertools.cycle(OPTIMIZERS))
    )
]


@pytest.mark.parametrize(("case", "threads", "isa", "optimizer"), WORK)
def test_verify_passes_on_the_core(
    case: Case, threads: int, isa: str, optimizer: dr.SGD | dr.Adam
) -> None:
    dr.set_isa(isa)
    net, (x, y, weight) = case.network(), case.data()
    options: dict[str, Any] = {"optimizer": optimizer, "threads": threads}
    try:
        net.train_step(x, y, sample_weight=weight, **options)
        report = net.verify(x, y, weight, max_rows=None, max_entries=8, **options)
    except dr.DivergenceError:
        if case.output != "exp":  # which is steep
            raise
        pytest.skip("no step at that rate")
    assert passed(report)
    assert all(line.entries for line in report.lines)


@pytest.mark.parametrize("scale", [1e-25, 1e-3, 5.0, 40.0])
@pytest.mark.parametrize("case", GRID[::11], ids=str)
def test_tiny_and_saturated_networks_pass(case: Case, scale: float) -> None:
    """Products that round to 0, and pre-activations of hundreds."""
    net, (x, y, weight) = case.network(), case.data()
    net.theta = net.theta * scale
    try:
        report = net.verify(x, y, weight, max_entries=8)
    except dr.DivergenceError:
        assert case.output == "exp"
        return
    assert passed(report)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-20, 1e15])
def test_data_of_any_size_pass(scale: float, dtype: str) -> None:
    x, y = regression(n=70)
    net = dr.MLP([3, 8, 2], hidden="relu", loss="huber", dtype=dtype, seed=0)
    assert passed(net.verify(x * scale, y, optimizer=dr.SGD(lr=1e-25)))


@pytest.mark.parametrize("hidden", ["softplus", "silu", "sigmoid", "elu"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_underflow_before_a_product_is_no_error(dtype: str, hidden: str) -> None:
    """Slopes and logistics below the smallest normal number, times 1e6."""
    z = np.linspace(-760.0, -60.0, 701).reshape(-1, 1)
    net = dr.MLP([1, 1, 1], hidden=hidden, dtype=dtype, init=([[[1.0]], [[1e6]]], [[0.0], [0.0]]))
    assert passed(net.verify(z, np.full((701, 1), 1e6), max_rows=None, optimizer=dr.SGD(lr=1e-20)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", ["relu", "leaky_relu", "elu"])
def test_kinks_of_activations_are_no_errors(hidden: str, dtype: str) -> None:
    """Pre-activations of exactly 0, and within a rounding of it."""
    rng = np.random.default_rng(0)
    x = np.concatenate([np.zeros((3, 4)), rng.normal(size=(40, 4))]).astype(dtype)
    net = dr.MLP([4, 40, 2], hidden=hidden, dtype=dtype, seed=0)
    W, b = [w.copy() for w in net.weights], [v.copy() for v in net.biases]
    b[0][:] = [0.0 if k < 3 else -(x[k].astype(float) @ W[0][k]) for k in range(40)]
    net.set_parameters(W, b)
    z = net.trace(x, np.zeros((43, 2))).z[1]
    assert (z == 0.0).sum() >= 9
    assert (np.abs(z[np.arange(3, 40), np.arange(3, 40)]) < 1e-6).all()
    assert passed(net.verify(x, rng.normal(size=(43, 2)), max_entries=None))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", ["absolute_error", "huber"])
@pytest.mark.parametrize("output", ["identity", "sigmoid", "tanh", "softmax"])
def test_kinks_of_losses_are_no_errors(output: str, loss: str, dtype: str) -> None:
    """Targets that are met exactly, and missed by huber's delta."""
    x, _ = regression(n=30)
    net = dr.MLP([3, 5, 2], hidden="tanh", output=output, loss=loss, dtype=dtype, seed=0)
    y = net.predict(x).astype(np.float64)
    y[10:20] += 1.0
    y[20:, 0] -= 1.0
    assert passed(net.verify(x, y, max_entries=None))


def test_targets_that_sum_to_1_but_roughly_are_no_error() -> None:
    """y_hat - y is for a sum of 1, of which 1e-4 may be missing."""
    x, _ = regression(n=20)
    y = np.tile([0.5, 0.3, 0.20008], (20, 1))
    net = dr.MLP([3, 3], output="softmax", dtype="float64", seed=0)
    assert passed(net.verify(x, y, max_entries=None))


# What is compared


def test_every_tensor_has_a_line_in_the_order_of_the_computation() -> None:
    x, y = classification()
    net = dr.MLP([3, 4, 3], output="softmax", seed=0)
    report = net.verify(x, y, optimizer=dr.Adam())
    parts: dict[str, list[str]] = {}
    for line in report.lines:
        parts.setdefault(line.part, []).append(line.tensor)
    gradients = ["dL/dW[1]", "dL/db[1]", "dL/dW[2]", "dL/db[2]"]
    assert parts == {
        "forward pass": ["z[1]", "a[1]", "z[2]", "y_hat", "y_hat (predict)"],
        "loss": ["L_i", "L"],
        "backward pass": ["dL/dy_hat", "delta[2]", "dL/da[1]", "delta[1]"],
        "gradient": ["L (value_and_grad)", *gradients],
        COMPLEX_STEP: gradients,
        "update, Adam(lr=0.001), the second step": [
            "L (train_step)", "W[1]", "b[1]", "W[2]", "b[2]", "m", "v",
        ],
        AFTER: ["dL/da[1]"],
    }  # fmt: skip


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_the_optimizer_state_is_compared(optimizer: dr.SGD | dr.Adam) -> None:
    """Without a memory, the second step is compared; with one, the next."""
    x, y = regression()
    has_state = not isinstance(optimizer, dr.SGD) or optimizer.momentum > 0
    net = dr.MLP([3, 4, 2], seed=0)
    for fits in (0, 1):
        net.fit(x, y, epochs=fits, optimizer=optimizer)
        parts = {line.part for line in net.verify(x, y, optimizer=optimizer).lines}
        second = any(part.endswith("the second step") for part in parts)
        assert second == (has_state and not fits)


def test_the_state_of_another_optimizer_is_not_used() -> None:
    x, y = regression()
    net = dr.MLP([3, 2], seed=0)
    net.fit(x, y, epochs=1, optimizer=dr.SGD(momentum=0.9))
    report = net.verify(x, y, optimizer=dr.Adam())
    assert passed(report)
    assert any(line.part.endswith("the second step") for line in report.lines)


@pytest.mark.parametrize(("hidden", "output"), [("tanh", "identity"), ("relu", "softmax")])
def test_slopes_see_what_core_and_reference_have_in_common(
    hidden: str, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong derivative in both: every step agrees, and the gradient is none of the loss."""
    right = reference.ACTIVATIONS[hidden]
    wrong = right._replace(derivative=lambda z, a: 1.01 * right.derivative(z, a))
    monkeypatch.setitem(reference.ACTIVATIONS, hidden, wrong)
    net = dr.MLP([3, 4, 2], hidden=hidden, output=output, loss="squared_error", seed=0)
    report = planted.plant(net, planted.NumPyCore).verify(*regression())
    assert planted.names(report.broken) == ["dL/dW[1]", "dL/db[1]"]
    assert {line.part for line in report.broken} == {COMPLEX_STEP}


@pytest.mark.parametrize("case", [c for c in GRID if c.dtype == "float64"][::5], ids=str)
def test_central_differences_agree_as_well(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are for custom functions; here for functions that are known."""
    monkeypatch.setattr(Model, "has_own", property(lambda self: True))
    net, (x, y, weight) = case.network(), case.data()
    lr = 1e-5 if case.output == "exp" else 0.01
    report = net.verify(x, y, weight, optimizer=dr.SGD(lr=lr), max_entries=8)
    lines = [line for line in report.lines if line.part == CENTRAL]
    assert all(line.ok for line in lines), report
    assert len(lines) == 2 * (len(case.sizes) - 1)
    if case.hidden not in ("relu", "leaky_relu") and case.loss != "absolute_error":
        assert all(line.left_out == 0 for line in lines)


def test_a_difference_across_a_kink_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "has_own", property(lambda self: True))
    net = dr.MLP([2, 2, 1], dtype="float64", init=([[[1, 0], [0, 1]], [[1, 1]]], [[0, 0], [0]]))
    report = net.verify([[0.0, 1.0]], [5.0])  # z[1] = (0, 1)
    assert report.ok
    left_out = {line.tensor: line.left_out for line in report.lines if line.part == CENTRAL}
    # b[1][0], and W[1][0] by the input that is not 0
    assert left_out == {"dL/dW[1]": 1, "dL/db[1]": 1, "dL/dW[2]": 0, "dL/db[2]": 0}
    assert "of dL/db[1] 1 of 2 entries are left out" in " ".join(str(report).split())


# What it looks at


def test_some_samples_and_parameters_are_chosen_by_the_seed() -> None:
    x, y = classification(n=500, n_in=30)
    net = dr.MLP([30, 20, 3], output="softmax", seed=0)
    report = net.verify(x, y)
    assert (report.rows, report.n_samples) == (100, 500)
    assert (report.parameters, report.n_parameters) == (20 + 20 + 20 + 3, net.n_parameters)
    assert report.to_dict() == net.verify(x, y, seed=0).to_dict()
    assert report.to_dict() != net.verify(x, y, seed=1).to_dict()
    whole = net.verify(x, y, max_rows=None, max_entries=None)
    assert (whole.rows, whole.parameters) == (500, net.n_parameters)
    assert passed(whole)
    few = net.verify(x, y, max_rows=1, max_entries=2)
    assert (few.rows, few.parameters) == (1, 8)


def test_one_sample_counts_where_nearly_all_weights_are_0() -> None:
    x, y = regression(n=1000)
    weight = np.zeros(1000)
    weight[567] = 1.0
    report = dr.MLP([3, 2], seed=0).verify(x, y, weight)
    assert passed(report)
    line = next(line for line in report.lines if line.tensor == "L_i")
    assert (line.entries, line.at) == (1, (567,))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_of_weight_0_changes_nothing(dtype: str) -> None:
    """Whatever it overflows to."""
    huge = float(np.finfo(dtype).max) / 2
    net = dr.MLP([1, 2, 1], hidden="tanh", dtype=dtype, init="torch", seed=0)
    net.theta = net.theta * 100
    report = net.verify([[huge], [0.0], [1.0]], [1.0, 1.0, 2.0], [0.0, 1.0, 2.0])
    assert passed(report)
    left_out = {line.tensor: line.left_out for line in report.lines if line.left_out}
    assert left_out == {"z[1]": 2, "a[1]": 2}


def test_row_numbers_are_those_of_the_given_data() -> None:
    class WrongRow(planted.NumPyCore):
        def affine(self, layer: int, a: Any, W: Any, b: Any) -> Any:
            z = super().affine(layer, a, W, b)
            if layer == 1:
                z[a[:, 0] == 321.0, 2] += 1.0
            return z

    x, y = regression(n=400)
    x[:, 0] = np.arange(400)
    net = planted.plant(dr.MLP([3, 4, 2], dtype="float64", seed=0), WrongRow)
    (line,) = net.verify(x, y, max_rows=390).broken
    assert (line.tensor, line.at) == ("z[1]", (321, 2))
    assert line.error == pytest.approx(1.0)


@pytest.mark.parametrize("threads", THREADS)
def test_the_same_report_on_any_number_of_threads(threads: int) -> None:
    x, y = classification(n=200)
    net = dr.MLP([3, 40, 3], output="softmax", seed=0)
    assert net.verify(x, y, threads=threads).to_dict() == net.verify(x, y, threads=1).to_dict()


def test_tables_and_lists_are_taken() -> None:
    x, y = classification()
    net = dr.MLP([3, 4, 3], output="softmax", seed=0)
    want = net.verify(x, y).to_dict()
    assert net.verify(x.tolist(), y.tolist()).to_dict() == want
    sparse = pytest.importorskip("scipy.sparse")
    assert net.verify(sparse.csr_array(x), y).to_dict() == want


def test_some_rows_of_a_mapped_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deltarule.data.rows.WHOLE_BYTES", 1000)
    x, y = regression(n=300)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    net = dr.MLP([3, 4, 2], seed=0)
    assert net.verify(mapped, y).to_dict() == net.verify(x, y).to_dict()


# What it leaves alone, and what it says


def test_nothing_of_the_network_or_the_data_changes() -> None:
    x, y = classification(n=150)
    weight = np.linspace(0.5, 1.5, 150)
    net = dr.MLP([3, 8, 3], output="softmax", seed=0)
    net.fit(x, y, epochs=2, optimizer=dr.Adam())
    before, given = fingerprint(net), (x.copy(), y.copy(), weight.copy())
    for optimizer in OPTIMIZERS:
        net.verify(x, y, weight, optimizer=optimizer)
    assert fingerprint(net) == before
    assert all((a == b).all() for a, b in zip((x, y, weight), given, strict=True))


def test_strict_raises_naming_the_worst_tensor() -> None:
    net = planted.plant(dr.MLP([3, 4, 4, 2], seed=0), planted.MissingBiasGradient)
    with pytest.raises(dr.VerificationError, match=r"^gradient: dL/db\[2\] at \[\d\] is off") as e:
        net.verify(*regression(), strict=True)
    assert isinstance(e.value, AssertionError)
    assert planted.names(e.value.report.broken) == ["dL/db[2]"]
    again = pickle.loads(pickle.dumps(e.value))
    assert (str(again), again.report) == (str(e.value), e.value.report)
    assert dr.MLP([3, 2], seed=0).verify(*regression(), strict=True).ok


def test_the_worst_is_named_before_the_others() -> None:
    class Two(planted.LostSample):
        def bias_gradient(self, layer: int, delta: Any) -> Any:
            return super().bias_gradient(layer, delta) + 100.0 * (layer == 2)

    net = planted.plant(dr.MLP([3, 4, 4, 2], hidden="tanh", seed=0), Two)
    message = r"dL/db\[2\] .*; beyond their bounds as well: dL/dW\[1\], dL/dW\[2\], dL/dW\[3\]$"
    with pytest.raises(dr.VerificationError, match=message):
        net.verify(*regression(), strict=True)


BAD = [
    ({"seed": -1}, ValueError, r"seed must be 0 or more, not -1"),
    ({"seed": 0.5}, TypeError, r"seed must be a whole number, not 0\.5"),
    ({"max_rows": 0}, ValueError, r"max_rows must be 1 or more, not 0"),
    ({"max_entries": "all"}, TypeError, r"max_entries must be a whole number, not 'all'"),
    ({"strict": 1}, TypeError, r"strict must be True or False, not 1"),
    ({"optimizer": "sgd"}, TypeError, r"optimizer must be a deltarule\.SGD, .* not 'sgd'"),
    ({"threads": 0}, ValueError, r"threads must be 1 or more, not 0"),
    ({"sample_weight": [1.0]}, ValueError, r"sample_weight must have shape \(40,\), .* \(1,\)"),
    ({"x": np.ones((40, 4))}, ValueError, r"x has 4 features, the network takes 3"),
    ({"y": np.ones((39, 2))}, ValueError, r"y has 39 samples, x has 40"),
    ({"optimizer": dr.SGD(lr=1e300)}, ValueError, r"lr must be finite in float32, not 1e\+300"),
]


@pytest.mark.parametrize(("arguments", "error", "rule"), BAD)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], rule: str) -> None:
    x, y = regression()
    net = dr.MLP([3, 4, 2], seed=0)
    given = {"x": x, "y": y, **arguments}
    refused(net, lambda: net.verify(**given), error, rule)


def test_a_loss_that_is_not_finite() -> None:
    net = dr.MLP([1, 1], init=([[[1e30]]], [[0.0]]))
    rule = "the loss is not finite; there is nothing to verify"
    with pytest.raises(dr.DivergenceError, match=rule):
        net.verify([[1e30]], [[0.0]])


def test_a_first_step_that_is_too_long_for_a_second() -> None:
    net = dr.MLP([1, 1], output="exp", init=([[[1.0]]], [[0.0]]))
    rule = r"not finite after a step of SGD\(lr=100\.0, momentum=0\.5\); there is nothing"
    with pytest.raises(dr.DivergenceError, match=rule):
        net.verify([[1.0]], [9.0], optimizer=dr.SGD(lr=100.0, momentum=0.5))


def test_a_step_that_overflows() -> None:
    net = dr.MLP([3, 2], seed=0)
    with pytest.raises(dr.DivergenceError, match="the update overflows"):
        net.verify(*regression(), optimizer=dr.SGD(lr=1e38, weight_decay=1e10))


def test_the_report_of_a_line_is_immutable_and_complete() -> None:
    (line, *_) = dr.MLP([3, 2], seed=0).verify(*regression()).lines
    assert set(line.to_dict()) == {*inspect.signature(Line).parameters, "ok"}
    with pytest.raises(AttributeError):
        line.used = 0.0  # type: ignore[misc]
