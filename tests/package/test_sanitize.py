"""What counts as a report about the core."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanitize import from_anywhere, outcomes, reports_of_the_core

ADDRESS = """=================================================================
==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x60
    #0 0x7f in {frame}
"""
RUNTIME = "{frame}:12:3: runtime error: signed integer overflow\n"
MEMCHECK = """==7== Memcheck, a memory error detector
==7== Command: python -m pytest tests
==7== 
==7== Invalid read of size 8
==7==    at 0x48: step ({frame}:12)
==7== 
==7== Invalid read of size 4
==7==    at 0x49: PyObject_Free (/usr/src/python/obmalloc.c:7)
"""


@pytest.mark.parametrize("report", [ADDRESS, RUNTIME, MEMCHECK])
@pytest.mark.parametrize(
    ("frame", "count"),
    [
        ("/somewhere/csrc/step.cpp", 1),
        ("/packages/deltarule/_core.cpython-312-x86_64-linux-gnu.so", 1),
        ("/packages/numpy/_core/_multiarray_umath.so", 0),
    ],
)
def test_reports(tmp_path: Path, report: str, frame: str, count: int) -> None:
    (tmp_path / "report.7").write_text(report.replace("{frame}", frame))
    found = reports_of_the_core(tmp_path)
    assert len(found) == count
    assert not any("obmalloc" in block for block in found)


def test_named_tests_are_found_from_the_build_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path(__file__)
    monkeypatch.chdir(here.parent)
    assert from_anywhere(["--full", f"{here.name}::a"]) == (["--full", f"{here}::a"], True)
    assert from_anywhere(["--full"]) == (["--full"], False)


def test_outcomes(tmp_path: Path) -> None:
    results = tmp_path / "results.xml"
    assert outcomes(results) == "pytest did not end"
    cases = "".join(
        f'<testcase classname="tests.test_fit" name="{name}">{said}</testcase>'
        for name, said in (("a", ""), ("b", "<skipped/>"), ("c", "<failure/>"), ("d", "<error/>"))
    )
    results.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    failed = "2 failed (tests.test_fit::c, tests.test_fit::d)"
    assert outcomes(results) == f"1 tests passed, {failed}, 1 skipped"
