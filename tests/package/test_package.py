"""The package as it is installed: stubs, docstrings, exported names, versions, size, real data."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import pydoc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from cases import NEW
from deltarule._load import core

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(dr.__path__, "deltarule.")
    if not name.endswith(("_core", "__main__")) and ".peers.with_" not in name
]


# Modules whose examples, or whose import, need a package of an extra.
EXTRAS = {
    "deltarule.second_order": ("scipy", "second-order"),
    "deltarule.sklearn": ("sklearn", "sklearn"),
    "deltarule.training.history": ("matplotlib", "plot"),
}


@pytest.mark.parametrize("name", ["deltarule", *MODULES])
def test_docstring_examples(name: str) -> None:
    for module, (package, extra) in EXTRAS.items():
        if name.startswith(module):
            reason = f"needs the extra: pip install 'deltarule[{extra}]'"
            pytest.importorskip(package, reason=reason)
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_public_names_have_docstrings_with_examples() -> None:
    public = [getattr(dr, name) for name in dr.__all__ if name != "__version__"]
    methods = [
        f
        for _, f in inspect.getmembers(dr.MLP, lambda f: inspect.isfunction(inspect.unwrap(f)))
        if not f.__name__[0] == "_"
    ]
    assert len(methods) >= 8
    for thing in [*public, *methods]:
        assert inspect.getdoc(thing), thing
    for thing in [dr.MLP, dr.SGD, dr.History, dr.load, dr.set_num_threads, *methods]:
        assert "Examples" in str(inspect.getdoc(thing)), thing


def test_modules_that_predict_does_not_need_are_imported_on_first_use() -> None:
    later = (
        "checkpoint data.digits io.model_file mlp.ensemble reference schedules second_order trace "
        "training verification"
    )
    script = (
        "import sys, numpy; before = set(sys.modules)\n"
        "import deltarule as dr; dr.MLP([2, 1]).predict([[1.0, 2.0]])\n"
        f"print([name for name in {later.split()} if f'deltarule.{{name}}' in sys.modules],"
        "    sorted({'safetensors', 'json', 'pathlib', 'difflib'} & (set(sys.modules) - before)))\n"
        "assert set(dr.__all__) <= set(dir(dr))\n"
        "from deltarule import *\n"
        "assert resume is dr.resume is sys.modules['deltarule.mlp.resume'].resume"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (shown.stdout, shown.stderr) == ("[] []\n", "")
    with pytest.raises(AttributeError, match="module 'deltarule' has no attribute 'SDG'"):
        dr.SDG  # noqa: B018


def test_pickles_of_the_first_release_find_their_classes() -> None:
    script = """
import pickle, sys
for module, name in [
    ("network", "MLP"), ("history", "History"), ("stopping", "EarlyStopping"),
    ("many", "MLPEnsemble"), ("optimizers", "SGD"), ("schedules", "Cosine"),
    ("checkpoint", "Checkpoint"), ("second_order.settings", "LBFGS"),
    ("custom.functions", "CustomLoss"),
]:
    found = pickle.loads(f"cdeltarule.{module}\\n{name}\\n.".encode())
    import deltarule as dr
    assert found is getattr(dr, name, None) or found is getattr(dr.schedules, name), name
import deltarule.mlp.network
assert deltarule.mlp.network.__spec__.name == "deltarule.mlp.network"
"""
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (shown.stdout, shown.stderr) == ("", "")


def test_the_reference_depends_on_numpy_alone() -> None:
    """And on two modules, of a table and of a class, that import nothing of the package."""
    package = Path(str(dr.__file__)).parent
    shared = {"deltarule.defaults", "deltarule.layers"}
    for file in (package / "reference").glob("*.py"):
        found = {name for name in imports(file) if not name.startswith("deltarule.reference")}
        assert {name for name in found if name.startswith("deltarule")} <= shared, file
    for name in shared:
        assert not {i for i in imports(package / f"{name[10:]}.py") if i.startswith("deltarule")}


def imports(file: Path) -> set[str]:
    """The modules that a module of the package imports, in full."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            is_package = node.module == "deltarule"
            names |= (
                {f"deltarule.{a.name}" for a in node.names} if is_package else {str(node.module)}
            )
    return names


@pytest.mark.parametrize("name", ["predict", "train_step"])
def test_a_method_that_is_tried_in_the_core_looks_like_its_function(name: str) -> None:
    method = getattr(dr.MLP, name)
    function = inspect.unwrap(method)
    assert inspect.isfunction(function)
    assert inspect.signature(method) == inspect.signature(function)
    assert inspect.getdoc(method) == inspect.getdoc(function)
    assert (method.__name__, method.__qualname__) == (name, f"MLP.{name}")
    net = dr.MLP([2, 1], seed=0)
    assert getattr(net, name).__self__ is net
    assert f"{name}(self" in pydoc.render_doc(dr.MLP, renderer=pydoc.plaintext)


def test_stub_says_what_the_core_has(tmp_path: Path) -> None:
    """Of the rows of the kernels' tables, it need not list those added since the first release."""
    pytest.importorskip("mypy", reason="needs the extra: pip install 'deltarule[test]'")
    new = NEW | {*core.OptimizerKind.__members__} - {"sgd", "adam"}
    enums, rows = "Activation|Output|Loss|OptimizerKind", "|".join(sorted(new))
    allowlist = tmp_path / "allowlist.txt"
    allowlist.write_text(
        Path(__file__).with_name("stubtest_allowlist.txt").read_text()
        + rf"deltarule\._core\.({enums})\.({rows})" * bool(new)
    )
    run = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "deltarule._core", "--allowlist", allowlist],
        capture_output=True, text=True, timeout=300, cwd=ROOT / "tests",
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


def test_versions_agree() -> None:
    assert dr.__version__ == core.__version__
    assert f'version = "{dr.__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_the_command_and_the_data_are_in_the_package() -> None:
    package = Path(str(dr.__file__)).parent
    assert (package / "py.typed").exists()
    assert (package / "_core.pyi").exists()
    assert sum(f.stat().st_size for f in package.rglob("*") if f.suffix != ".pyc") < 4.5e6


def test_digits_are_learned() -> None:
    x, y = dr.load_digits()
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:1437], order[1437:]
    net = dr.MLP([64, 32, 10], output="softmax", seed=0)
    net.fit(x[train], y[train], epochs=30, optimizer=dr.SGD(lr=0.1, momentum=0.9))
    assert (net.predict(x[test]).argmax(axis=1) == y[test]).mean() > 0.95


def test_mnist_is_learned(mnist: tuple[np.ndarray, np.ndarray]) -> None:
    """784-128-10, plain SGD: scikit-learn reaches 0.954 in 20 epochs."""
    x, y = mnist
    net = dr.MLP([784, 128, 10], output="softmax", seed=0)
    net.fit(x[:8000], y[:8000], epochs=20, batch_size=32, optimizer=dr.SGD(lr=0.1))
    accuracy = (net.predict(x[8000:]).argmax(axis=1) == y[8000:]).mean()
    assert accuracy >= 0.945
