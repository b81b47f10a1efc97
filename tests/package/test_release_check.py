"""The release check: the table of points, and that what was not shown never passes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import deltarule as dr
from release_check import PROGRAMME, Runner, main, read_programme
from release_report import Outcome, Point, Report, verdict

FILES = {
    "conftest.py": """
        def pytest_addoption(parser):
            parser.addoption("--full", action="store_true")
        """,
    "test_some.py": """
        import pytest

        def test_good(record_property, pytestconfig):
            record_property("full", pytestconfig.getoption("--full"))

        def test_bad():
            assert 1 == 2

        def test_skipped():
            pytest.skip("no such machine")

        @pytest.fixture
        def broken():
            raise OSError("no place")

        def test_without_a_fixture(broken):
            pass
        """,
    "good.py": "print('working'); print('12 of 12')",
    "bad.py": "raise SystemExit('3 were missed')",
    "lacking.py": "print('clang: skipped, this machine has none')",
    "silent.py": "",
    "slow.py": "import time; time.sleep(60)",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of tests and scripts."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name, text in FILES.items():
        (tmp_path / name).write_text(dedent(text))
    return tmp_path


def point(**lists: object) -> Point:
    return Point(1, "Title", "at most | 1", **lists)  # type: ignore[arg-type]


def test_outcomes_of_tests(folder: Path) -> None:
    outcome = Runner(folder, minutes=2).run(point(tests=["test_some.py", "test_none.py"]))
    assert outcome.passed == 1
    assert outcome.failed == [
        "test_some.py::test_bad: assert 1 == 2",
        'test_some.py::test_without_a_fixture: failed on setup with "OSError: no place"',
    ]
    assert outcome.skipped == ["test_some.py::test_skipped: no such machine"]
    assert outcome.missing == ["test_none.py"]
    assert outcome.measured == {"full": ["True"]}
    assert outcome.seconds > 0


def test_a_test_that_its_file_does_not_have(folder: Path) -> None:
    """pytest then runs none of them."""
    tests = ["test_some.py::test_good", "test_some.py::test_none"]
    outcome = Runner(folder, minutes=2).run(point(tests=tests))
    assert outcome.missing == ["test_some.py::test_none"]
    assert (outcome.passed, outcome.failed) == (0, [])


def test_outcomes_of_scripts(folder: Path) -> None:
    scripts = ["good.py", "bad.py", "lacking.py --now", "none.py", "silent.py"]
    outcome = Runner(folder, minutes=2).run(point(scripts=scripts))
    assert outcome.passed == 2
    assert outcome.measured == {"good.py": ["12 of 12"], "silent.py": [""]}
    assert outcome.failed == ["bad.py, exit status 1: 3 were missed"]
    assert outcome.skipped == ["lacking.py --now: clang: skipped, this machine has none"]
    assert outcome.missing == ["none.py"]


def test_a_test_that_times_out_has_failed(folder: Path) -> None:
    outcome = Runner(folder, minutes=0.002).run(point(scripts=["slow.py"]))
    assert outcome.failed == ["slow.py, exit status none within 0.002 minutes: "]


@pytest.mark.parametrize(
    ("outcome", "lacks", "wanted"),
    [
        (Outcome(passed=3), "", "passed"),
        (Outcome(passed=3), "the count of 300", "partly covered"),
        (Outcome(passed=3, skipped=["a"]), "", "partly covered"),
        (Outcome(passed=3, missing=["a"]), "", "partly covered"),
        (Outcome(passed=3, failed=["a"]), "", "failed"),
        (Outcome(failed=["a"], missing=["b"]), "", "failed"),
        (Outcome(skipped=["a"]), "", "not covered"),
        (Outcome(missing=["a"]), "", "not covered"),
        (Outcome(), "", "not covered"),
    ],
)
def test_only_a_complete_run_has_passed(outcome: Outcome, lacks: str, wanted: str) -> None:
    assert verdict(point(lacks=lacks), outcome) == wanted


def test_the_report_in_markdown() -> None:
    machine = {"processor": "P", "cpus": 2, "isa": "avx2", "platform": "S", "versions": {"v": "1"}}
    outcome = Outcome(2, [], ["a: why"], ["b"], {"kills": ["300", "300"]}, 1.25)
    report = Report("abc", "today", machine, [(point(lacks="c"), outcome)])
    assert report.markdown() == dedent(
        """\
        # Release check of abc

        today, P, 2 CPUs, avx2, S. v 1.

        | point | limit | verdict | passed / failed / skipped | measured | seconds |
        | --- | --- | --- | --: | --- | --: |
        | 1. Title | at most \\| 1 | partly covered | 2 / 0 / 1 | kills: 300, 300 | 1.2 |

        ## 1. Title

        - not there: b
        - skipped: a: why
        - not shown yet: c
        """
    )


VERDICTS = {1: "passed", 2: "failed", 3: "partly covered", 4: "partly covered", 5: "not covered"}
SCRIPTS = [["good.py"], ["bad.py"], ["good.py", "lacking.py"], ["good.py", "gone.py"], ["gone.py"]]


@pytest.mark.parametrize(
    ("numbers", "status"),
    [([1], 0), ([1, 2], 1), ([2], 1), ([1, 3], 0), ([4], 1), ([1, 5], 1), ([], 2)],
)
def test_the_command(
    numbers: list[int], status: int, folder: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    programme = [
        f'[[point]]\nnumber = {i}\ntitle = "T"\nlimit = "none"\nscripts = {scripts}\n'
        for i, scripts in enumerate(SCRIPTS, 1)
    ]
    (folder / "programme.toml").write_text("\n".join(programme))
    points = ["--points", *map(str, numbers or [99])]
    places = ["--programme", "programme.toml", "--out", "report"]
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["release_check.py", "--root", ".", *places, *points])
    if status == 2:
        with pytest.raises(SystemExit, match="2"):
            main()
        return
    assert main() == status
    report = json.loads((folder / "report" / "release-check.json").read_text("utf-8"))
    assert [p["verdict"] for p in report["points"]] == [VERDICTS[n] for n in numbers]
    assert report["machine"]["versions"]["deltarule"] == dr.__version__
    assert report["machine"]["versions"]["pytest"] == pytest.__version__
    markdown = (folder / "report" / "release-check.md").read_text("utf-8")
    assert ("good.py: 12 of 12" in markdown) == bool({1, 3, 4} & set(numbers))


def test_the_release_check_names_existing_files() -> None:
    points = read_programme(PROGRAMME)
    assert [point.number for point in points] == list(range(1, 18))
    root = PROGRAMME.parents[1]
    assert all((root / name.split()[0].partition("::")[0]).is_file()
               for p in points for name in (*p.tests, *p.scripts))  # fmt: skip
