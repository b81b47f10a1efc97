"""Fixtures: teams on small work, and one instruction set at a time."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule._load import core

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

SMOKE = {"test_layers.py", "test_network.py", "test_rooms.py", "test_schedules.py"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the long versions too")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "full: the long version of a test; runs with --full")
    config.addinivalue_line("markers", "smoke: the heart of the package, in some seconds")
    # A shell lets what it starts in the background ignore Ctrl-C, and the processes of the tests
    # would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect nothing else for ``-m smoke``: that alone takes longer than its tests."""
    is_smoke = config.getoption("markexpr") == "smoke" and collection_path.suffix == ".py"
    return True if is_smoke and collection_path.name not in SMOKE else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name in SMOKE:
            item.add_marker("smoke")
    if not config.getoption("--full"):
        skip = pytest.mark.skip(reason="long; runs with --full")
        for item in items:
            if "full" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def no_advice() -> Iterator[None]:
    """Keep fits from warning where a machine is so slow that they take long enough for it."""
    dr.set_advice(False)
    yield
    dr.set_advice(True)


@pytest.fixture
def small_work_in_teams() -> Iterator[None]:
    """Let the smallest work run on as many threads as asked for."""
    core.set_work_per_thread(1e-3)
    yield
    core.set_work_per_thread(0.0)


@pytest.fixture
def keep_isa() -> Iterator[None]:
    """Go back to the instruction set in use before the test."""
    before = dr.get_isa()
    yield
    dr.set_isa(before)


@pytest.fixture(scope="session")
def mnist() -> tuple[np.ndarray, np.ndarray]:
    """Return 10 000 MNIST images (n, 784) in [0, 1] and labels, where the shared data are."""
    path = SHARED_DATA / "mnist10k.npz"
    if not path.exists():
        pytest.skip("the shared data (mnist10k.npz) are not beside this checkout")
    with np.load(path) as data:
        images = data["images"].reshape(-1, 784).astype(np.float32) / 255
        return images, data["labels"].astype(np.int64)


@pytest.fixture
def without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
