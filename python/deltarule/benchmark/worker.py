"""The process of one peer: it takes a case, shows its evidence, and is timed on request.

Requests and answers are JSON objects, one per line; ``"error"`` in an answer has the message.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from functools import partial
from types import ModuleType
from typing import Any

from deltarule.benchmark.cases import WORKS
from deltarule.benchmark.peers.model import Job
from deltarule.benchmark.verify import evidence

MOST_CALLS = 1_000_000


def main() -> None:
    """Answer until stdin ends; the arguments are a module of `peers` and its imports."""
    module, *imports = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a peer's own output must not mix with the answers
    send = partial(print, file=answers, flush=True)
    peer = importlib.import_module(module)
    worker = Worker(peer)
    versions = {name: str(sys.modules[name].__version__) for name in imports}
    send(json.dumps({"versions": versions, "works": getattr(peer, "WORKS", list(WORKS))}))
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:  # any error of the peer: the others continue without it
            answer = {"error": f"{type(error).__name__}: {error}"}
        send(json.dumps(answer))


class Worker:
    """The requests that a peer's process answers, one method each.

    Parameters
    ----------
    peer : module
        One of `peers`.
    """

    def __init__(self, peer: ModuleType) -> None:
        self._peer = peer
        self._calls = 1

    def peak(self, **arguments: Any) -> dict[str, Any]:
        """Measure fused multiply-adds alone; of this package only."""
        return {"peak": self._peer.peak(**arguments)}

    def load(self, work: str, fields: dict[str, Any]) -> dict[str, Any]:
        """Make the case ready and return its evidence."""
        case = WORKS[work](**fields | {"sizes": tuple(fields["sizes"])})
        self._job = Job(case, self._peer.Model)
        return {"evidence": evidence(case, self._job)}

    def prepare(self, seconds: float) -> dict[str, Any]:
        """Choose how many calls take about so many seconds, which also warms up."""
        calls, taken = 1, self._timed(1)
        while taken < seconds / 2 and calls < MOST_CALLS:
            calls = min(2 * calls, MOST_CALLS)
            taken = self._timed(calls)
        self._calls = max(1, round(calls * min(1.0, seconds / taken)))
        return {"calls": self._calls}

    def time(self) -> dict[str, Any]:
        """Return the mean seconds of a call, over the chosen number of calls."""
        return {"seconds": self._timed(self._calls) / self._calls}

    def _timed(self, calls: int) -> float:
        run = self._job.run
        start = time.perf_counter()
        for _ in range(calls):
            run()
        return time.perf_counter() - start
