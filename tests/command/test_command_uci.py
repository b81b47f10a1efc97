"""The command on four UCI regression sets, from a CSV, against the published test errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from command_support import command, write_csv

pytest.importorskip("polars", reason="needs the extra: pip install 'deltarule[cli]'")

SHARED = Path(__file__).parents[3] / "shared" / "data"

# Root mean squared error, in the target's units, that one hidden layer of 50 units reaches on
# average over 20 random splits (published logs of a dropout study): yacht 1.23, energy 0.97,
# concrete 5.45, power 4.18, standard errors 0.37, 0.06, 0.19, 0.04. One split of 20 % and a short
# training get more room.
BOUNDS = {
    "yacht": ("--epochs 300 --lr 0.05", 2.0),
    "energy": ("--epochs 200 --lr 0.05", 1.3),
    "concrete": ("--epochs 100", 6.3),
    "power": ("--epochs 30", 4.6),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_held_out_error(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = SHARED / f"uci_{name}.npz"
    if not path.is_file():
        pytest.skip(f"the shared data are not there: {path.name} is missing beside the project")
    with np.load(path, allow_pickle=False) as archive:
        x, y = archive["x"], archive["y"]
    monkeypatch.chdir(tmp_path)
    write_csv("data.csv", x, y)
    arguments, bound = BOUNDS[name]
    report = command(
        "train", "data.csv", "--target", "y", *arguments.split(), "--no-plot", "--json"
    )
    score = report.json["held_out"]
    assert score["rows"] == round(0.2 * len(y))
    assert score["rmse"] < bound
    assert score["r2"] > 0.9
    answer = command("predict", "data.safetensors", "data.csv", "--json").json
    assert len(answer["prediction"]) == len(y)
