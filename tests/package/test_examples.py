"""The examples run, and reach what a short training reaches."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", ROOT / f"examples/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the shared data ({name}) are not beside this checkout")
    return path


def test_digits() -> None:
    assert example("digits").main(epochs=40) >= 0.975


def test_mnist() -> None:
    assert example("mnist").main(shared("mnist10k.npz"), epochs=3) >= 0.92


@pytest.mark.full
def test_mnist_in_full() -> None:
    assert example("mnist").main(shared("mnist10k.npz"), epochs=30) >= 0.960


# Published results of a dropout study; a tenth of the epochs reaches them but for two.
SHORT = {"concrete": 5.45, "energy": 0.97, "power": 4.25, "yacht": 1.6}
FULL = {"concrete": 4.80, "energy": 0.48, "power": 4.05, "yacht": 0.60}


@pytest.mark.parametrize(
    ("share", "bounds"), [(0.1, SHORT), pytest.param(1.0, FULL, marks=pytest.mark.full)]
)
def test_uci(share: float, bounds: dict[str, float]) -> None:
    errors = example("uci").main(shared("uci_yacht.npz").parent, share)
    for name, bound in bounds.items():
        assert errors[name] <= bound


@pytest.mark.full
def test_second_order() -> None:
    pytest.importorskip("scipy", reason="needs the extra: pip install 'deltarule[second-order]'")
    for losses in example("second_order").main(shared("uci_yacht.npz").parent).values():
        assert losses["Levenberg-Marquardt"] < losses["Adam"] / 2
