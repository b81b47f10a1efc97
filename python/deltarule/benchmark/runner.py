"""All peers on one case: each in a process of its own, verified, then timed in turns.

One process works at a time and the rounds are interleaved (A B C A B C ...), so that a machine
that slows down slows all alike. A peer whose results are not the truth's is not timed.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, NamedTuple

from deltarule.benchmark.cases import Case
from deltarule.benchmark.machine import cpus
from deltarule.benchmark.peers import OURS, Peer
from deltarule.benchmark.verify import disagreement, truth

# First the process gets its CPUs, so that every thread that a library starts keeps to them. Then
# the peer's library, before this package, whose core sets OpenMP's waiting policy at its loading.
_BOOT = """
import os, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {cpus})
for name in sys.argv[2:]:
    __import__(name)
from deltarule.benchmark.worker import main
main()
"""
_THREADS = ("OMP", "OPENBLAS", "MKL", "DELTARULE")
_PATIENCE = 5.0
_PEAK_SECONDS = 0.2
# The threads of a BLAS or of OpenMP go on spinning after their work, OpenBLAS's for 2^26 cycles:
# they would take cores from the peer whose turn is next.
_SETTLING = 0.12


class PeerError(Exception):
    """A peer cannot do its work; the message says why."""


class Ratio(NamedTuple):
    """A peer's time over this package's, taken in each round."""

    median: float
    least: float
    most: float


@dataclass
class Result:
    """What the rounds of one case gave.

    Attributes
    ----------
    case : Case
    peak : float
        flop a second of fused multiply-adds alone, for the case's dtype on as many threads.
    peers : list of str
        Who took part beside this package.
    seconds : dict
        By peer, of one call, one number a round.
    problems : dict
        By peer, why it was not timed.
    """

    case: Case
    peak: float
    peers: list[str]
    seconds: dict[str, list[float]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def median(self, name: str) -> float:
        """Return the median of a peer's seconds; the peer was timed."""
        return statistics.median(self.seconds[name])

    @property
    def ours(self) -> float | None:
        """The median of this package's seconds, None where it was not timed."""
        return self.median(OURS.name) if OURS.name in self.seconds else None

    @property
    def rate(self) -> float | None:
        """This package's flop a second."""
        return self.case.flop / self.ours if self.ours else None

    def ratio(self, *names: str) -> Ratio | None:
        """Return how much longer the fastest of the peers takes, None where none was timed."""
        timed = [self.seconds[name] for name in names if name in self.seconds]
        if self.ours is None or not timed:
            return None
        fastest = map(min, zip(*timed, strict=True))
        ratios = [a / b for a, b in zip(fastest, self.seconds[OURS.name], strict=True)]
        return Ratio(statistics.median(ratios), min(ratios), max(ratios))


class _Process:
    """A peer at work elsewhere."""

    def __init__(self, peer: Peer, threads: int) -> None:
        counts = {f"{library}_NUM_THREADS": str(threads) for library in _THREADS}
        boot = _BOOT.format(cpus=set(cpus()[:threads]))
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", boot, peer.module, *peer.imports],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **counts, **peer.environment},
        )

    def answer(self) -> dict[str, Any]:
        """Wait for the next answer.

        Raises
        ------
        PeerError
            The peer failed, or its process ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(f"its process ended: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(" ".join(answer["error"].split()))
        return answer

    def ask(self, **message: Any) -> dict[str, Any]:
        """Send a message and wait for the answer; raises as `answer`."""
        assert self._process.stdin is not None
        try:
            print(json.dumps(message), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            pass  # it has ended, as `answer` will find
        return self.answer()

    def close(self) -> None:
        """End the process, by force where it does not end by itself."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def _last_words(self) -> str:
        status = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), f"status {status}")


class Race:
    """The processes of this package and its peers; a context manager that ends them.

    Parameters
    ----------
    peers : sequence of Peer
        Those beside this package; what is not installed or does not start is left out.
    threads : int
        For each; a process is held to as many CPUs.
    rounds : int
    seconds : float
        How long a peer works in a round.

    Attributes
    ----------
    peaks : dict
        By dtype, flop a second of fused multiply-adds alone, as far as a case needed it.
    left_out : dict
        By peer, why it takes no part.
    versions : dict
        By module, of those that take part.
    works : dict
        By peer that takes part, the kinds of work that it does.
    """

    def __init__(self, peers: Sequence[Peer], threads: int, rounds: int, seconds: float) -> None:
        if not 1 <= threads <= len(cpus()):
            raise ValueError(
                f"threads must be from 1 to {len(cpus())}, the CPUs of this process, not {threads}"
            )
        if rounds < 1:
            raise ValueError(f"rounds must be 1 or more, not {rounds}")
        if not 0 < seconds < math.inf:
            raise ValueError(f"seconds must be above 0 and finite, not {seconds}")
        self._peers, self._threads = peers, threads
        self._rounds, self._seconds = rounds, seconds
        self._processes: dict[str, _Process] = {}
        self._closing = ExitStack()
        self.peaks: dict[str, float] = {}
        self.left_out: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self.works: dict[str, list[str]] = {}

    def __enter__(self) -> Race:
        """Start all processes, and wait until they are ready."""
        with ExitStack() as closing:
            for peer in (OURS, *self._peers):
                if peer.missing:
                    self.left_out[peer.name] = f"{' and '.join(peer.missing)} not installed"
                    continue
                process = self._processes[peer.name] = _Process(peer, self._threads)
                closing.callback(process.close)
            for name, process in list(self._processes.items()):
                try:
                    hello = process.answer()
                    self.versions |= hello["versions"]
                    self.works[name] = hello["works"]
                except PeerError as error:
                    if name == OURS.name:
                        raise
                    self.left_out[name] = str(error)
                    del self._processes[name]
            self._closing = closing.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all processes."""
        self._closing.close()

    @property
    def rivals(self) -> list[str]:
        """Who takes part and is not this package, in whatever way."""
        others = {peer.name for peer in self._peers if peer.module != OURS.module}
        return [name for name in self.works if name in others]

    def run(self, case: Case) -> Result:
        """Verify all on the case, then time those that did the same."""
        result = Result(case, self._peak(case.dtype), self._names(case.work))
        want = truth(case)
        for name in (OURS.name, *result.peers):
            process = self._processes[name]
            try:
                answer = process.ask(do="load", work=case.work, fields=asdict(case))
                problem = disagreement(answer["evidence"], want)
                if problem is not None:
                    raise PeerError(problem)
                process.ask(do="prepare", seconds=self._seconds)
                result.seconds[name] = []
            except PeerError as error:
                result.problems[name] = str(error)
        for _ in range(self._rounds):
            for name in list(result.seconds):
                time.sleep(_SETTLING)
                try:
                    answer = self._processes[name].ask(do="time")
                    result.seconds[name].append(answer["seconds"])
                except PeerError as error:
                    result.problems[name] = str(error)
                    del result.seconds[name]
        return result

    def _names(self, work: str) -> list[str]:
        """Return who takes part in a kind of work beside this package."""
        return [name for name, works in self.works.items() if work in works and name != OURS.name]

    def _peak(self, dtype: str) -> float:
        if dtype not in self.peaks:
            answer = self._processes[OURS.name].ask(
                do="peak", dtype=dtype, threads=self._threads, seconds=_PEAK_SECONDS
            )
            self.peaks[dtype] = answer["peak"]
        return self.peaks[dtype]
