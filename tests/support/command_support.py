"""What the tests of the command share: running it, and tables to train on.

Each test runs in an empty folder of its own, see `in_empty_folder` in the test modules.
"""

from __future__ import annotations

import csv
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule.command import main


class Result(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The report of a command that succeeded with --json and printed nothing else."""
        assert self.status == 0, self.err
        assert self.err == ""
        assert self.out.count("\n") == 1
        report: dict[str, Any] = json.loads(self.out)
        return report


def command(*arguments: object) -> Result:
    """Run the command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main([str(argument) for argument in arguments])
    return Result(status, out.getvalue(), err.getvalue())


def listing() -> dict[str, bytes]:
    """Return every file below the current folder, with its bytes."""
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def refused(*arguments: object, fragment: str, status: int = 2) -> None:
    """Check the exit status, the one line on stderr, and that no file has changed."""
    before = listing()
    result = command(*arguments)
    assert result.status == status, result
    assert result.err.startswith("deltarule: ")
    assert result.err.endswith("\n")
    assert result.err.count("\n") == 1
    assert fragment in result.err
    assert listing() == before


def write_csv(path: str, x: NDArray[Any], y: Any, target: str = "y") -> None:
    """Write a table with the features f0, f1, ... and the target."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"f{j}" for j in range(x.shape[1])), target])
        writer.writerows([*row, label] for row, label in zip(x.tolist(), y, strict=True))


def blobs(n: int = 240, k: int = 3) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return n points around k centers that stand apart, and whose center each is."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % k
    return rng.normal(0.0, 0.5, (n, 4)) + 4.0 * np.eye(4)[y], y


def line(n: int = 200) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return inputs on unlike scales, one of them constant, and a linear target far from 0."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 3)) * [1.0, 1000.0, 0.0] + [0.0, 5e4, 0.1]
    return x, 3000.0 + 20.0 * x[:, 0] - 0.05 * x[:, 1]
