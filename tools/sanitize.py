"""The suite on a core that is watched, by sanitizers or by valgrind.

    python tools/sanitize.py asan|tsan|valgrind [--jobs N] [--build FOLDER] [pytest's ...]

Builds a copy of the sources in build/watched/<tool> and runs the tests there: the tool's own
selection, or what is named instead. The whole selection begins with a bug that is planted in the
core, and that the tool has to report, or it would see nothing else either. Exit status 1 where it
does not, where a test fails, or where a report has the core in its stack: the interpreter's and
NumPy's own are not ours.

`asan` is GCC's address and undefined-behaviour sanitizer; `tsan` needs clang-19 with libomp, its
archer and compiler-rt, as GCC's does not see through libgomp's barriers. A tool that is not
installed is skipped, and said to be.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from core_build import ROOT, CoreBuild, copy_sources, workers
from seeded_bugs.table import BUGS, OUT_OF_BOUNDS, Bug

IN_CORE = re.compile(r"\b_core\.[\w.-]*so\b|/csrc/")

# What pits the process against a limit of memory measures the tool's own, and the size of the core
# is that of a watched one; what builds anew is not watched, and a tool does not run in an emulator.
WITHOUT = [
    "process/test_memory.py", "files/test_files_memory.py", "package/test_bugs.py",
    "package/test_packaging.py", "core/test_portability.py",
]  # fmt: skip
NOT = (
    "not too_little_memory and not falling_limit and not never_in_memory "
    "and not data_are_in_the_package"
)
WATCHED = (*(f"--ignore={ROOT / 'tests' / name}" for name in WITHOUT), str(ROOT / "tests"))
# What the core does in every way, in minutes where each instruction takes 30 times as long.
SHORT = [
    "mlp/test_network.py",
    "fit/test_fit.py",
    "mlp/test_bad_arrays.py",
    "core/test_optimizers.py",
]
SHORT = [str(ROOT / "tests" / name) for name in SHORT]


@dataclass(frozen=True)
class Tool:
    """How the core is built, and what the tests run under; {reports} is a folder for them."""

    bug: Bug  # one that it reports
    flags: str = ""
    build: dict[str, str] = field(default_factory=dict)
    under: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    tests: tuple[str, ...] = (*WATCHED, "-k", NOT)
    hides: tuple[str, ...] = ()  # packages that do not run under it; what needs them is skipped


def library(compiler: str, name: str) -> str | None:
    """Return the path of a compiler's library, or None where the compiler or it is not there."""
    if not shutil.which(compiler):
        return None
    found = subprocess.check_output([compiler, f"-print-file-name={name}"], text=True).strip()
    return found if os.path.isabs(found) else None


def asan() -> Tool | str:
    """Return GCC's address and undefined-behaviour sanitizers, or what is missing for them."""
    libraries = [library("g++", name) for name in ("libasan.so", "libstdc++.so")]
    if None in libraries:
        return "g++ with libasan"
    return Tool(
        bug=OUT_OF_BOUNDS,
        flags="-fsanitize=address,undefined -fno-sanitize-recover=undefined "
        "-fno-omit-frame-pointer",
        environment={
            "LD_PRELOAD": " ".join(map(str, libraries)),
            # leaks: the interpreter's; a null pointer is what std::bad_alloc is made of
            "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:log_path={reports}/asan",
            "UBSAN_OPTIONS": "print_stacktrace=1:log_path={reports}/ubsan",
        },
    )


def tsan() -> Tool | str:
    """Return Clang's thread sanitizer, or what is missing for it."""
    runtime = library("clang++-19", "libclang_rt.tsan-x86_64.so")
    archer = library("clang++-19", "libarcher.so")
    if not runtime or not archer:
        return "clang++-19 with libomp-19-dev (and its libarcher.so) and libclang-rt-19-dev"
    return Tool(
        bug=next(bug for bug in BUGS if bug.name == "barrier"),
        flags="-fsanitize=thread -fno-omit-frame-pointer",
        build={"CMAKE_CXX_COMPILER": "clang++-19"},
        environment={
            "LD_PRELOAD": runtime,
            "OMP_TOOL_LIBRARIES": archer,
            # leaks: the threads that OpenMP keeps until the process ends
            "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:allocator_may_return_null=1:"
            "report_thread_leaks=0:log_path={reports}/tsan",
        },
        tests=(*WATCHED, "-k", f"{NOT} and not so_many_threads"),  # it has a thread of its own
        hides=("polars",),  # its allocator ends in a segmentation fault at the import
    )


def valgrind() -> Tool | str:
    """Return memcheck, which knows AVX2 and no more, or what is missing for it."""
    if not shutil.which("valgrind"):
        return "valgrind"
    log = "--log-file={reports}/valgrind.%p"
    return Tool(
        bug=OUT_OF_BOUNDS,
        under=("valgrind", "--num-callers=30", "--fullpath-after=", log),
        environment={"PYTHONMALLOC": "malloc", "DELTARULE_ISA": "avx2"},
        tests=tuple(SHORT),
    )


TOOLS = {tool.__name__: tool for tool in (asan, tsan, valgrind)}


def reports_of_the_core(folder: Path) -> list[str]:
    """Return the reports, parted by blank lines and headings, that have the core in a stack."""
    texts = [path.read_text(errors="replace") for path in sorted(folder.iterdir())]
    blocks = [
        block for text in texts for block in re.split(r"\n(?:={10,}|==\d+== )\n", text)
    ]  # fmt: skip
    return [block for block in blocks if IN_CORE.search(block)]


def from_anywhere(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Return pytest's arguments with absolute paths, and whether any of them names tests."""
    absolute, named = [], False
    for argument in arguments:
        path, *node = argument.split("::", 1)
        is_path = not argument.startswith("-") and Path(path).exists()
        absolute.append("::".join([str(Path(path).resolve()), *node]) if is_path else argument)
        named |= is_path
    return absolute, named


def outcomes(results: Path) -> str:
    """Return how many tests passed, failed (and which) and were skipped, by pytest's JUnit file."""
    if not results.exists():
        return "pytest did not end"
    cases = list(ElementTree.parse(results).getroot().iter("testcase"))
    failed = [c for c in cases if c.find("failure") is not None or c.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    names = ", ".join(f"{case.get('classname')}::{case.get('name')}" for case in failed)
    which = f" ({names})" if failed else ""
    passed = len(cases) - len(failed) - skipped
    return f"{passed} tests passed, {len(failed)} failed{which}, {skipped} skipped"


def run_tests(tool: Tool, core: CoreBuild, arguments: Sequence[str], jobs: int) -> int:
    """Run pytest on the build under the tool; return its exit status."""
    reports = core.folder / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    fill = {key: v.replace("{reports}", str(reports)) for key, v in tool.environment.items()}
    under = [part.replace("{reports}", str(reports)) for part in tool.under]
    results = core.folder / "results.xml"
    results.unlink(missing_ok=True)
    arguments, named = from_anywhere(arguments)
    command = [
        *under, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
        *([] if under else workers(jobs)), f"--junitxml={results}",
        *arguments, *(() if named else tool.tests),
    ]  # fmt: skip
    print("+", *command, flush=True)
    return subprocess.run(command, cwd=core.folder, env=core.environment(fill)).returncode


def sees_its_bug(tool: Tool, core: CoreBuild, jobs: int) -> bool:
    """Plant the tool's bug, run the tests that notice it, and take it out again."""
    bug = tool.bug
    sound = (core.source / bug.file).read_text()
    bug.plant(core.source)
    try:
        core.compile(jobs)
        run_tests(tool, core, [str(ROOT / "tests" / name) for name in bug.tests], jobs)
    finally:
        (core.source / bug.file).write_text(sound)
    found = reports_of_the_core(core.folder / "reports")
    print("\n".join([*found[:1], f"planted {bug.name!r} ({bug.what}): {len(found)} reports"]))
    return bool(found)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the suite on a core that is watched.")
    parser.add_argument("tool", choices=TOOLS)
    parser.add_argument("--jobs", type=int, default=1, help="compilers and tests at a time")
    parser.add_argument("--build", type=Path, help="the folder to build in; build/watched/<tool>")
    options, arguments = parser.parse_known_args()
    tool = TOOLS[options.tool]()
    if isinstance(tool, str):
        print(f"{options.tool}: skipped, this machine has no {tool}")
        return 0
    work = (options.build or ROOT / "build" / "watched" / options.tool).resolve()
    core = CoreBuild(work / "source", work / "build")
    copy_sources(core.source)
    core.configure(
        "RelWithDebInfo", tool.flags, CMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1", **tool.build
    )
    for package in tool.hides:
        error = f'raise ModuleNotFoundError("does not run here", name="{package}")\n'
        (core.python / f"{package}.py").write_text(error)
    watches = from_anywhere(arguments)[1] or sees_its_bug(tool, core, options.jobs)
    core.compile(options.jobs)
    status = run_tests(tool, core, arguments, options.jobs)
    found = reports_of_the_core(core.folder / "reports")
    for report in found:
        print(report)
    blind = "" if watches else f"does not see {tool.bug.name!r}, "
    print(
        f"{options.tool}: {blind}{outcomes(core.folder / 'results.xml')}, "
        f"{len(found)} reports with the core in a stack, pytest's status {status}"
    )
    return int(not watches or bool(found) or status != 0)


if __name__ == "__main__":
    sys.exit(main())
