"""Alone or as a team: the choice follows the times it is told, and never changes a bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import deltarule as dr
from deltarule import _core as core


def spend(
    choice: core.TeamChoice, calls: int, seconds: Callable[[bool], float]
) -> tuple[float, int]:
    """Let calls go by; return their time over the faster choice's, and how many were together."""
    spent, together = 0.0, 0
    for _ in range(calls):
        together += choice.together
        took = seconds(choice.together)
        spent += took
        choice.took(took)
    return spent / (calls * min(seconds(False), seconds(True))), together


def test_a_team_that_pays_is_kept() -> None:
    ratio, together = spend(core.TeamChoice(), 10_000, lambda team: 1e-3 if team else 2e-3)
    assert together > 9_800
    assert ratio < 1.02


def test_a_team_that_costs_is_left() -> None:
    ratio, together = spend(core.TeamChoice(), 10_000, lambda team: 4e-3 if team else 1e-3)
    assert together < 200
    assert ratio < 1.03


def test_the_choice_follows_the_measured_times() -> None:
    choice = core.TeamChoice()
    for fast in (True, False, True, False):
        spend(choice, 2_000, lambda team, fast=fast: 1e-3 if team is fast else 1.5e-3)  # type: ignore[misc]
        assert choice.together is fast


def test_one_late_call_is_worth_a_trial_and_no_more() -> None:
    choice = core.TeamChoice()
    spend(choice, 100, lambda team: 1e-3 if team else 2e-3)
    choice.took(10.0)
    _, together = spend(choice, 100, lambda team: 1e-3 if team else 2e-3)
    assert together >= 96


def test_a_fit_that_regroups_gives_the_same_bits() -> None:
    x, y = dr.load_digits()
    nets = [dr.MLP([64, 128, 10], output="softmax", seed=3) for _ in range(2)]
    settings = {"epochs": 15, "batch_size": 48, "optimizer": dr.SGD(lr=0.1, momentum=0.9)}
    histories = [
        net.fit(x, y, threads=threads, **settings)
        for net, threads in zip(nets, (1, 4), strict=True)
    ]
    assert histories[0].loss == histories[1].loss
    assert nets[0].theta.tobytes() == nets[1].theta.tobytes()


def test_steps_and_predictions_that_regroup_give_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((256, 32)).astype(np.float32)
    y = rng.standard_normal((256, 8)).astype(np.float32)
    nets = [dr.MLP([32, 96, 8], hidden="tanh", seed=3) for _ in range(2)]
    for _ in range(120):  # some of them are trials
        losses = [net.train_step(x, y, threads=t) for net, t in zip(nets, (1, 4), strict=True)]
        outputs = [net.predict(x, threads=t) for net, t in zip(nets, (1, 4), strict=True)]
        assert losses[0] == losses[1]
        assert outputs[0].tobytes() == outputs[1].tobytes()
