"""The benchmark: who is timed and who is not, and what is said of it. No test looks at a time."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from command_support import command, listing, refused
from deltarule._load import core
from deltarule.benchmark import cases, inputs, peers, report, runner, verify
from deltarule.benchmark.peers import with_numpy
from deltarule.benchmark.peers.model import BaseModel, Job
from deltarule.command import bench
from process_support import run_python

ROOT = Path(__file__).resolve().parents[2]
STEP = cases.TrainingStep((3, 5, 2), 4, "tanh")
CASES = (
    STEP,
    cases.TrainingStep((3, 4, 4, 3), 6, "sigmoid", "softmax", "float64"),
    cases.TrainingStep((3, 4, 1), 6, "relu", "sigmoid"),
    cases.Prediction((3, 20, 12), 7, "relu", "softmax"),
    cases.Prediction((3, 20, 1), 1),
    cases.Training((64, 16, 10), 16, output="softmax", epochs=4),
)
LOSSES = {
    "softmax": "cross_entropy",
    "sigmoid": "binary_cross_entropy",
    "identity": "squared_error",
}
NUMPY = peers.select(["numpy"])
QUICK: dict[str, Any] = {"threads": 1, "rounds": 2, "seconds": 1e-4}
BRIEF = ("--rounds", 2, "--seconds", 1e-4, "--threads", 1)
# A peer in a file of its own: NumPy's, and something wrong with it.
PLANT = """
from deltarule.benchmark.peers import with_numpy

class Model(with_numpy.Model):
    {body}
"""


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def few_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SHORT", CASES)
    monkeypatch.setattr(bench, "WIDTHS", (2, 4))


@pytest.fixture(scope="module")
def beside_numpy() -> report.Report:
    """The cases of this module, run once."""
    return report.conduct(CASES, NUMPY, stream=None, **QUICK)


def planted(
    name: str, body: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[runner.Result, str]:
    """Return the result of `STEP` with a peer of this body, and the lines that were shown."""
    (folder / f"{name}.py").write_text(PLANT.format(body=body))
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    stream = io.StringIO()
    others = [peers.Peer("planted", name), *NUMPY]
    (result,) = report.conduct([STEP], others, stream=stream, **QUICK).results
    return result, stream.getvalue()


# The race


def test_every_peer_that_agrees_is_timed_in_every_round(beside_numpy: report.Report) -> None:
    assert beside_numpy.agrees
    for result in beside_numpy.results:
        assert result.problems == {}
        assert list(result.seconds) == ["deltarule", "numpy"]
        assert all(len(times) == 2 and min(times) > 0 for times in result.seconds.values())
        ratio = result.ratio("numpy")
        assert ratio is not None
        assert ratio.least <= ratio.median <= ratio.most


def test_the_fastest_peer_is_found_round_by_round() -> None:
    times = {"deltarule": [1.0, 2.0, 1.0], "a": [2.0, 2.0, 9.0], "b": [3.0, 8.0, 4.0]}
    result = runner.Result(STEP, 1e9, ["a", "b"], times)
    assert result.ratio("a", "b") == (2.0, 1.0, 4.0)
    assert result.ratio("b") == (4.0, 3.0, 4.0)
    assert result.ratio("c") is None


@pytest.mark.parametrize(
    "body",
    [
        "def parameters(self):\n        return self.weights, [-b for b in self.biases]",
        "def step(self, x, y):\n        super().step(x, y); super().step(x, y)",
        "def step(self, x, y):\n        self.weights[0] *= float('nan')",
        "def step(self, x, y):\n        pass",
    ],
    ids=["another bias", "two steps", "nan", "nothing done"],
)
def test_a_peer_whose_results_differ_is_reported_and_not_timed(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, shown = planted("wrong", body, tmp_path, monkeypatch)
    assert list(result.seconds) == ["deltarule", "numpy"]
    assert result.problems["planted"].startswith("its results differ")
    assert "planted not timed: its results differ" in shown


def test_a_peer_that_fails_is_reported_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raising = "def step(self, x, y):\n        raise ArithmeticError('a\\nb')"
    result, _ = planted("raising", raising, tmp_path, monkeypatch)
    assert result.problems == {"planted": "ArithmeticError: a b"}
    ending = "def step(self, x, y):\n        raise SystemExit('gone')"
    result, _ = planted("ending", ending, tmp_path, monkeypatch)
    assert result.problems == {"planted": "its process ended: gone"}
    assert list(result.seconds) == ["deltarule", "numpy"]


def test_peers_that_are_missing_or_do_not_start_are_left_out() -> None:
    missing = peers.Peer("missing", "no_module", ("no_such_package",))
    broken = peers.Peer("broken", "no_module")
    stream = io.StringIO()
    result = report.conduct([STEP], [missing, broken], stream=stream, **QUICK)
    assert result.left_out["missing"] == "no_such_package not installed"
    assert result.left_out["broken"].startswith("its process ended: ModuleNotFoundError")
    assert "missing left out: no_such_package not installed" in stream.getvalue()
    assert list(result.results[0].seconds) == ["deltarule"]


def test_output_of_a_peer_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "def step(self, x, y):\n        print('noise'); super().step(x, y)"
    result, _ = planted("noisy", body, tmp_path, monkeypatch)
    assert result.problems == {}


@pytest.mark.parametrize("name", peers.USUAL)
@pytest.mark.full
def test_every_installed_peer_agrees(name: str) -> None:
    others = peers.select([name])
    if others[0].missing:
        pytest.skip(f"{name} is not installed")
    result = report.conduct([*CASES, *cases.SHORT], others, stream=None, **QUICK)
    assert result.left_out == {}
    assert all(r.problems == {} for r in result.results)


def test_the_package_on_another_instruction_set_is_no_peer() -> None:
    result = report.conduct([STEP], [peers.on_isa("oracle")], stream=None, **QUICK)
    assert list(result.results[0].seconds) == ["deltarule", "deltarule-oracle"]
    assert result.rivals == []
    with pytest.raises(ValueError, match=r"isa must be of .*oracle; not 'sse'"):
        peers.on_isa("sse")


# The cases


def test_flop_are_those_of_the_products() -> None:
    assert cases.TrainingStep((3, 5, 2), 4).flop == 2 * 4 * (2 * 25 + 10)
    assert cases.Prediction((3, 5, 2), 4).flop == 2 * 4 * 25
    one_epoch = cases.Training((3, 5, 2), 4, epochs=1, samples=100).flop
    assert one_epoch == 25 * cases.TrainingStep((3, 5, 2), 4).flop


def test_names_are_unique() -> None:
    for group in (cases.STEPS, cases.PREDICTIONS, cases.TRAININGS, cases.SHORT, cases.mnist("")):
        assert len({case.name for case in group}) == len(group)


@pytest.mark.parametrize("case", CASES[:3], ids=lambda case: case.name)
def test_expected_results_are_the_references(case: cases.TrainingStep) -> None:
    class Reference(BaseModel):
        theta = inputs.parameters(replace(case, dtype="float64"))

        def step(self, x: inputs.Array, y: inputs.Array) -> None:
            network = dr.reference.Network(case.hidden, case.output, LOSSES[case.output])
            descent = dr.reference.gradient_descent(
                *self.theta, x, y, network, lr=self.rate, max_iterations=1
            )
            self.theta = (descent.weights, descent.biases)

        def parameters(self) -> inputs.Parameters:
            return self.theta

    exact = replace(case, dtype="float64")
    shown = verify.evidence(exact, Job(exact, Reference))
    for a, b in zip(shown, verify.truth(case).groups, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_evidence_is_compared_group_by_group() -> None:
    want = verify.Truth([[100.0, 1.0], [1e-3]], [1.0, 1e-4])
    assert verify.disagreement(want.groups, want) is None
    assert verify.disagreement([[101.0, 1.0], [1e-3]], want) is None
    wrong = [[100.0, 1.0], [2e-3]], [[100.0, 1.0], [np.nan]], [[100.0, 1.0]], [[100.0], [1e-3]]
    for got in wrong:
        problem = verify.disagreement(got, want)
        assert problem is not None
        assert problem.startswith("its results differ")


def test_a_step_that_hardly_moves_is_not_taken_for_a_wrong_one() -> None:
    for case in cases.small(range(1, 17), [1]):
        shown = verify.evidence(case, Job(case, with_numpy.Model))
        assert verify.disagreement(shown, verify.truth(case)) is None, case


def test_the_package_does_not_import_the_benchmark() -> None:
    script = "import sys, deltarule; print([name for name in sys.modules if 'benchmark' in name])"
    assert run_python(script) == "[]\n"


# The command


@pytest.mark.usefixtures("few_cases")
def test_the_command_prints_and_draws() -> None:
    pytest.importorskip("matplotlib", reason="needs the extra: pip install 'deltarule[cli]'")
    result = command("bench", "--peers", "numpy", *BRIEF)
    assert (result.status, result.err) == (0, "")
    for case in CASES:
        assert case.label in result.out
    assert "Peak, fused multiply-adds alone" in result.out
    assert sorted(listing()) == ["deltarule-bench.png"]
    assert Path("deltarule-bench.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert "deltarule-bench.png" in result.out


@pytest.mark.usefixtures("few_cases")
def test_the_command_in_json() -> None:
    names = f"{CASES[0].name},{CASES[3].name}"
    arguments = ("--json", "--no-plot", "--peers", "numpy", "--cases", names)
    found = command("bench", *arguments, *BRIEF).json
    assert set(found) == {"machine", "rounds", "left_out", "peaks", "cases", "plot"}
    assert found["plot"] is None
    assert found["rounds"] == 2
    assert found["left_out"] == {}
    assert found["peaks"]["float32"] > 0
    assert found["machine"]["threads"] == 1
    assert found["machine"]["isa"] == dr.get_isa()
    assert found["machine"]["versions"]["numpy"] == np.__version__
    assert [case["name"] for case in found["cases"]] == names.split(",")
    for case in found["cases"]:
        assert case["flop"] > 0
        assert case["problems"] == {}
        assert case["part_of_peak"] > 0
        assert [len(times) for times in case["seconds"].values()] == [2, 2]
        assert set(case["ratios"]["numpy"]) == {"median", "least", "most"}
    assert listing() == {}


@pytest.mark.usefixtures("few_cases")
def test_the_command_fails_where_the_package_itself_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "truth", lambda case: verify.Truth([[1.0]], [0.1]))
    arguments = ("--no-plot", "--peers", "none", "--cases", CASES[0].name)
    result = command("bench", *arguments, *BRIEF)
    assert result.status == 1
    assert "deltarule not timed: its results differ" in result.out


BAD_ARGUMENTS = {
    "case": (["--cases", "step-1"], "cases must be of step-3-5-2-b4, "),
    "peer": (["--peers", "numpy,tensorflow"], "not 'tensorflow'"),
    "no peer": (["--peers", ""], "not ''"),
    "threads": (["--threads", 1000], "threads must be from 1 to "),
    "no threads": (["--threads", 0], "must be a whole number of at least 1, got '0'"),
    "rounds": (["--rounds", "few"], "must be a whole number of at least 1, got 'few'"),
    "seconds": (["--seconds", "-1"], "seconds must be above 0 and finite, not -1.0"),
    "folder": (["--plot", "no/such.png"], "there is no folder no"),
    "format": (["--plot", "drawing.doc"], "unknown extension '.doc'"),
}


@pytest.mark.usefixtures("few_cases")
@pytest.mark.parametrize("name", BAD_ARGUMENTS)
def test_bad_arguments_of_bench_are_refused(name: str) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra: pip install 'deltarule[cli]'")
    arguments, fragment = BAD_ARGUMENTS[name]
    refused("bench", *arguments, fragment=fragment)


# The scripts


def test_markdown_has_one_table_per_kind_of_work(beside_numpy: report.Report) -> None:
    text = report.markdown(beside_numpy)
    tables = [part for part in text.split("\n\n") if part.startswith("|")]
    titles = [table.split("|")[1].strip() for table in tables]
    assert titles == ["training step", "prediction", "whole training"]
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert sum(len(table.splitlines()) - 2 for table in tables) == len(CASES)
    assert f"numpy {np.__version__}" in text


@pytest.mark.skipif(not (ROOT / "benchmarks").exists(), reason="the scripts are in the checkout")
def test_a_script_runs() -> None:
    arguments = "--cases predict-4-64-64-2-b1 --peers numpy --threads 1 --rounds 1 --seconds 1e-4"
    script = [sys.executable, str(ROOT / "benchmarks" / "prediction.py"), *arguments.split()]
    done = subprocess.run(
        [*script, "--markdown", "--json", "out.json"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("| prediction |")
    assert json.loads(Path("out.json").read_text())["cases"][0]["problems"] == {}
    done = subprocess.run([*script, "--cases", "x"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        "prediction.py: error: cases must be of predict-"
    )


# The peak


@pytest.mark.parametrize("isa", core.isas())
@pytest.mark.usefixtures("keep_isa")
def test_the_peak_is_measured_on_every_instruction_set(isa: str) -> None:
    dr.set_isa(isa)
    for measure in (core.fma_peak_f32, core.fma_peak_f64):
        for threads in (1, 2):
            assert 1e6 < measure(threads=threads, seconds=0.0) < 1e15
