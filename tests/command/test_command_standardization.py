"""Standardized columns: constant ones become 0, large offsets and sizes keep their differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from command_support import command, refused
from deltarule.command import double_double, pipeline, tables
from deltarule.command.double_double import DoubleDouble
from deltarule.command.standardization import Standardization

pl = pytest.importorskip("polars", reason="needs the extra: pip install 'deltarule[cli]'")

N = 1000
NS = 1_700_000_000_123_456_789
LARGEST = np.finfo(np.float64).max


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def separable() -> tuple[list[float], list[int]]:
    rng = np.random.default_rng(0)
    y = np.arange(N) % 2
    return (rng.normal(size=N) + 10 * y).tolist(), y.tolist()


CONSTANT = {
    "ns": [NS] * N,
    "us": [NS // 1000] * N,
    "1e20": ["1e20"] * N,
    "1e20, digits": [10**20] * N,
    "1e300": [1e300] * N,
    "-1e308": [-1e308] * N,
    "largest": [LARGEST] * N,
    "smallest": [5e-324] * N,
    "zero": [0] * N,
    "a third": [1 / 3] * N,
    "two roundings": [0.3, 0.1 + 0.2] * (N // 2),
    "jitter below the spacing": [float(NS), float(NS + 256)] * (N // 2),
    "jitter of 1e300": [1e300, 1e300 * (1 + 2**-52)] * (N // 2),
}
VARYING = {
    "ids": [NS + i for i in range(N)],
    "unsigned ids": [2**64 - 1 - i for i in range(N)],
    "negative ids": [-(2**63) + i for i in range(N)],
    "ids of 25 digits": [10**24 + i for i in range(N)],
    "ids of 16 digits": [2**53 + i for i in range(N)],
    "jitter of whole numbers": [NS + i * 7919 % 101 for i in range(N)],
    "flag at an offset": [NS + i % 3 % 2 for i in range(N)],
    "seconds": [1.7e9 + i / 10 for i in range(N)],
    "1e308": [(-1) ** (i // 2) * 1e308 for i in range(N)],
    "all of the range": [LARGEST * (2 * i / (N - 1) - 1) for i in range(N)],
    "1e-200": [1e-200 * i for i in range(N)],
    "subnormal": [5e-324 * i for i in range(1, N + 1)],
    "an outlier": [1e15, *range(1, N)],
}


def write(column: list[Any]) -> None:
    x, y = separable()
    rows = [f"{a!r},{c},{k}" for a, c, k in zip(x, column, y, strict=True)]
    Path("d.csv").write_text("\n".join(["x,c,y", *rows, ""]))


def standardized() -> np.ndarray:
    samples = tables.read_samples(Path("d.csv"), "y")
    return Standardization.fit(samples.x).apply(samples.x)[:, 1]


@pytest.mark.parametrize("name", CONSTANT)
def test_a_constant_column_becomes_0(name: str) -> None:
    write(CONSTANT[name])
    assert not standardized().any()
    arguments = ("train", "d.csv", "--target", "y", "--no-plot", "--epochs", 20, "--json")
    assert command(*arguments).json["held_out"]["accuracy"] == 1.0
    answers = command("predict", "d.safetensors", "d.csv", "--json").json
    # It says nothing, so that another value changes nothing.
    other = ["0" if value else "1" for value in CONSTANT[name]]
    write(other)
    assert command("predict", "d.safetensors", "d.csv", "--json").json == answers
    assert answers["prediction"] == [str(k) for k in separable()[1]]


@pytest.mark.parametrize("name", VARYING)
def test_another_column_has_mean_0_and_deviation_1(name: str) -> None:
    write(VARYING[name])
    z = standardized()
    bound = 0.01 if name == "subnormal" else 1e-9  # subnormal statistics have few bits
    assert abs(z.mean()) < bound
    assert abs(z.std() - 1) < bound
    arguments = ("train", "d.csv", "--target", "y", "--no-plot", "--epochs", 20, "--json")
    assert command(*arguments).json["held_out"]["accuracy"] > 0.99
    answers = command("predict", "d.safetensors", "d.csv", "--json").json
    assert (
        sum(a == str(k) for a, k in zip(answers["prediction"], separable()[1], strict=True)) > 990
    )
    assert command("verify", "d.safetensors", "d.csv", "--json").json["ok"]


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_every_format_keeps_the_differences_of_ids(dtype: type) -> None:
    ids = np.array([NS + 3 * i for i in range(N)], dtype=dtype)
    y = np.arange(N) % 2
    frame = pl.DataFrame({"c": ids, "y": y})
    frame.write_parquet("d.parquet")
    frame.write_csv("d.csv")
    np.savez("d.npz", x=ids[:, None], y=y)
    wanted = (np.arange(N) - (N - 1) / 2) / np.sqrt((N**2 - 1) / 12)
    for name, target in (("d.parquet", "y"), ("d.csv", "y"), ("d.npz", None)):
        x = tables.read_samples(Path(name), target).x
        assert np.allclose(Standardization.fit(x).apply(x)[:, 0], wanted, rtol=0, atol=1e-12)
        inputs = tables.read_inputs(Path(name), None if target is None else ("c",), 1)
        assert np.array_equal(inputs.x.minus(x), np.zeros((N, 1)))


def test_a_model_keeps_what_its_means_lack() -> None:
    write(VARYING["ids"])
    command("train", "d.csv", "--target", "y", "--no-plot", "--epochs", 1)
    model = pipeline.load(Path("d.safetensors"))
    assert isinstance(model, pipeline.TableModel)
    assert model.x.mean_low is not None
    assert model.x.mean_low[0] == 0.0  # of a column for which a float64 is enough
    samples = tables.read_samples(Path("d.csv"), "y")
    z = model.x.apply(samples.x)[:, 1]
    assert np.allclose(np.diff(z), 1 / model.x.scale[1], rtol=1e-9)


def test_a_target_at_an_offset() -> None:
    x = np.random.default_rng(0).normal(size=N).tolist()
    for offset, slope in ((NS, 1000), (2**53, 100), (-(2**62), 7)):
        t = [offset + int(slope * v) for v in x]
        Path("d.csv").write_text(
            "x,y\n" + "".join(f"{a!r},{b}\n" for a, b in zip(x, t, strict=True))
        )
        arguments = ("train", "d.csv", "--target", "y", "--no-plot", "--epochs", 40, "--json")
        score = command(*arguments).json["held_out"]
        assert score["r2"] > 0.99
        assert score["rmse"] < 0.1 * slope
        prediction = command("predict", "d.safetensors", "d.csv", "--json").json["prediction"]
        assert max(abs(p - b) for p, b in zip(prediction, t, strict=True)) < slope + 512
        assert command("verify", "d.safetensors", "d.csv", "--json").json["ok"]


@pytest.mark.parametrize("size", [1e307, 1e-300])
def test_a_target_of_any_size(size: float) -> None:
    x = np.random.default_rng(0).normal(size=N)
    rows = "".join(f"{a!r},{a * size!r}\n" for a in x.tolist())
    Path("d.csv").write_text("x,y\n" + rows)
    arguments = ("train", "d.csv", "--target", "y", "--no-plot", "--epochs", 40, "--json")
    score = command(*arguments).json["held_out"]
    assert score["r2"] > 0.99
    assert 0 < score["rmse"] < 0.1 * size
    assert len(command("predict", "d.safetensors", "d.csv", "--json").json["prediction"]) == N


@pytest.mark.parametrize("cells", [["0.3", "0.30000000000000004"], ["1e300"], [str(NS)]])
def test_a_target_of_one_value(cells: list[str]) -> None:
    body = "".join(f"{i},{cells[i % len(cells)]}\n" for i in range(20))
    Path("d.csv").write_text("x,y\n" + body)
    arguments = ("train", "d.csv", "--target", "y", "--task", "regression")
    refused(*arguments, fragment="one value only")


def test_a_prediction_beyond_float64_is_the_largest() -> None:
    network = dr.MLP([1, 1], init=([[[1e3]]], [[0.0]]))
    x = Standardization.identity(1)
    y = Standardization(np.array([0.0]), np.array([1e308]))
    pipeline.TableModel(network, ("a",), x, "y", None, y).save(Path("m.st"))
    Path("d.csv").write_text("a\n1\n-1\n0\n")
    answers = command("predict", "m.st", "d.csv", "--json").json
    assert answers["prediction"] == [LARGEST, -LARGEST, 0.0]


def test_numbers_with_a_low_part() -> None:
    pair = double_double.of_array(np.array([[NS, 3], [-NS, 2**53 + 1]]))
    assert pair.low is not None
    parts = zip(pair.high.ravel().tolist(), pair.low.ravel().tolist(), strict=True)
    assert [int(high) + int(low) for high, low in parts] == [NS, 3, -NS, 2**53 + 1]
    assert double_double.of_array(np.array([[2**53 - 1, -5]])).low is None
    assert pair.minus(DoubleDouble(pair.high[:1], pair.low[:1])).tolist()[0] == [0.0, 0.0]
