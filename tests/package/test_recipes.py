"""CONTRIBUTING's recipes: what is added to a copy of the tree, by them alone, is found and passes.

They are in tests/support/recipes.py.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from xml.etree import ElementTree

import pytest

from core_build import ROOT, CoreBuild, copy_sources
from recipes import ACTIVATION, ISA, LOSS, OPTIMIZER, PUBLIC_API, RECIPES

# Where tests with the newcomer's name in their identifiers have passed: the case list, the
# gradient checks, `verify`.
FOUND = {
    "mish": (
        "test_outputs_loss_and_gradients", "test_five_steps", "test_verify_passes",
        "test_gradients_are_the_slopes_of_the_loss", "test_second_derivatives_are_the_references",
        "test_gradients_against_central_differences", "test_derivative_of_an_activation",
    ),
    "log_cosh": (
        "test_outputs_loss_and_gradients", "test_five_steps", "test_verify_passes",
        "test_gradients_are_the_slopes_of_the_loss", "test_second_derivatives_are_the_references",
        "test_gradients_against_central_differences", "test_gradient_of_a_loss",
    ),
    "DampedSGD": (
        "test_steps_are_the_references", "test_verify_passes_an_optimizer",
        "test_the_same_bits_on_any_threads_and_instruction_set",
    ),
    "fma3": (
        "test_outputs_loss_and_gradients", "test_the_bits_are_those_written_down",
        "test_second_derivatives_are_the_references",
    ),
}  # fmt: skip

TESTS = (
    "core/test_function_table.py", "core/test_core_against_reference.py",
    "core/test_recorded_bits.py", "core/test_optimizers.py", "core/test_central_differences.py",
    "reference/test_reference_formulas.py", "reference/test_reference_training.py",
    "verification/test_trace_formulas.py", "verification/test_verify_report.py",
    "package/test_public_api.py", "package/test_docs.py",
)  # fmt: skip


def listed(kind: str) -> set[str]:
    """Return the files of a row of CONTRIBUTING's table."""
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## What do I touch to add")[2]
    (row,) = re.findall(rf"^\| {kind} \| (.*) \|$", text, re.MULTILINE)
    return {file for file in re.findall(r"`([^`]+)`", row) if "." in file}


@pytest.mark.parametrize("kind", RECIPES)
def test_contributing_lists_the_files_of_a_recipe(kind: str) -> None:
    recipe, patterns = RECIPES[kind], listed(kind)
    assert len(patterns) == len(recipe.files) <= recipe.limit
    for file in recipe.files:
        assert any(fnmatch(file, pattern) for pattern in patterns), file


@pytest.mark.parametrize("kind", RECIPES)
def test_a_recipe_fits_the_sources(kind: str, tmp_path: Path) -> None:
    for file in RECIPES[kind].files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / file).exists():
            shutil.copy(ROOT / file, tmp_path / file)
    RECIPES[kind].apply(tmp_path)


@pytest.mark.full
def test_new_functions_are_found_and_pass(tmp_path: Path) -> None:
    recipes = [ACTIVATION, LOSS, OPTIMIZER]
    if platform.machine() in ("x86_64", "AMD64"):
        recipes.append(ISA)
    tree = tmp_path / "tree"
    copy_sources(tree)
    for name in ("docs", "examples", "benchmarks"):
        shutil.copytree(ROOT / name, tree / name)
    for page in ROOT.glob("*.md"):
        shutil.copy(page, tree)
    for recipe in recipes:
        recipe.apply(tree)
    build = CoreBuild(tree, tmp_path / "build")
    build.configure("Release")
    build.compile(os.cpu_count() or 1)
    environment = build.environment()
    golden = subprocess.check_output(
        [sys.executable, "tests/package/test_public_api.py"], env=environment, cwd=tree, text=True
    )
    (tree / PUBLIC_API).write_text(golden)
    passed = run_tests(tree, environment)
    for recipe in recipes:
        for test in FOUND[recipe.name]:
            there = [name for name in passed if test in name and recipe.name in name]
            assert there, f"no {test} of {recipe.name}"


def run_tests(tree: Path, environment: dict[str, str]) -> list[str]:
    """Run the tests of the functions, and return the identifiers of those that passed."""
    report = tree / "report.xml"
    run = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
            f"--junitxml={report}", *(f"tests/{test}" for test in TESTS),
        ],
        env=environment, cwd=tree, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    return [
        str(case.get("name"))
        for case in ElementTree.parse(report).iter("testcase")
        if case.find("skipped") is None
    ]
