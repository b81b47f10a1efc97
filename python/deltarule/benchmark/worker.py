"""The process of one peer: it takes a case, shows its evidence, and is timed when told to.

It reads an object of JSON a line and answers with one a line; ``"error"`` says what went wrong.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from deltarule.benchmark.cases import WORKS
from deltarule.benchmark.verify import evidence

MOST_CALLS = 1_000_000


def main() -> None:
    """Answer until stdin ends; the arguments are a module of `peers` and what it imports."""
    module, *imports = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a peer prints is no answer
    peer = importlib.import_module(module)
    desk = Desk(peer)
    versions = {name: str(sys.modules[name].__version__) for name in imports}
    works = [work for work, kind in WORKS.items() if hasattr(peer, kind.__name__)]
    print(json.dumps({"versions": versions, "works": works}), file=answers, flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        try:
            answer = getattr(desk, message.pop("do"))(**message)
        except Exception as error:  # the peer's, whatever it is: the others go on without it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


class Desk:
    """What a peer's process can be told to do; a method a message.

    Parameters
    ----------
    peer : module
        One of `peers`.
    """

    def __init__(self, peer: ModuleType) -> None:
        self._peer = peer
        self._run: Callable[[], object] = lambda: None
        self._calls = 1

    def peak(self, **arguments: Any) -> dict[str, Any]:
        """Measure fused multiply-adds alone; of this package only."""
        return {"peak": self._peer.peak(**arguments)}

    def load(self, work: str, fields: dict[str, Any]) -> dict[str, Any]:
        """Make the case ready and show evidence."""
        kind = WORKS[work]
        case = kind(**fields | {"sizes": tuple(fields["sizes"])})
        job = getattr(self._peer, kind.__name__)(case)
        self._run = job.run
        return {"evidence": evidence(case, job)}

    def prepare(self, seconds: float) -> dict[str, Any]:
        """Choose how many calls take about so many seconds; it warms up on the way."""
        calls, taken = 1, self._timed(1)
        while taken < seconds / 2 and calls < MOST_CALLS:
            calls = min(2 * calls, MOST_CALLS)
            taken = self._timed(calls)
        self._calls = max(1, round(calls * min(1.0, seconds / taken)))
        return {"calls": self._calls}

    def time(self) -> dict[str, Any]:
        """Return the seconds of a call, the mean over those chosen."""
        return {"seconds": self._timed(self._calls) / self._calls}

    def _timed(self, calls: int) -> float:
        run = self._run
        start = time.perf_counter()
        for _ in range(calls):
            run()
        return time.perf_counter() - start
