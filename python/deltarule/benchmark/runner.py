"""All peers on one case: each in a process of its own, verified, then timed in turns.

One process works at a time and the rounds are interleaved (A B C A B C ...), so that a machine
that slows down slows all alike. A peer whose results differ from the truth is not timed.
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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from deltarule.benchmark.cases import Case
from deltarule.benchmark.machine import cpus
from deltarule.benchmark.peers import OURS, Peer
from deltarule.benchmark.verify import disagreement, truth

# The CPUs are set first, so that every thread that a library starts keeps to them. The peer's
# library comes before this package, whose core sets OpenMP's waiting policy when it is loaded.
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
_EXIT_SECONDS = 5.0
_PEAK_SECONDS = 0.2
# The threads of a BLAS or of OpenMP keep spinning after their work, OpenBLAS's for 2^26 cycles:
# they would take cores from the peer whose turn is next.
_PAUSE_SECONDS = 0.12


class PeerError(Exception):
    """A peer cannot do its work; the message says why."""


class Ratio(NamedTuple):
    """A peer's time over this package's, taken in each round."""

    median: float
    least: float
    most: float


@dataclass
class Result:
    """The times of one case in all rounds.

    Attributes
    ----------
    case : Case
    peak : float
        flop per second of fused multiply-adds alone, for the case's dtype on as many threads.
    peers : list of str
        The names of the peers that took part beside this package.
    seconds : dict
        By peer, the time of one call in each round.
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
        """The flop per second of this package."""
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
    """The process of a peer, whose `worker` answers each request."""

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
            raise PeerError(f"its process ended: {self._last_error()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(" ".join(answer["error"].split()))
        return answer

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for the answer; raises as `answer`."""
        assert self._process.stdin is not None
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            pass  # `answer` finds that the process has ended
        return self.answer()

    def close(self) -> None:
        """Close the pipes and wait for the end of the process; kill it after some seconds."""
        try:
            self._process.communicate(timeout=_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._errors.close()

    def _last_error(self) -> str:
        status = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), f"status {status}")


@dataclass
class Runner:
    """The running processes of this package and its peers.

    Attributes
    ----------
    threads : int
        For each process, which is held to as many CPUs.
    rounds : int
    seconds : float
        How long a peer works in a round.
    peaks : dict
        By dtype, flop per second of fused multiply-adds alone, as far as a case needed it.
    left_out : dict
        By peer, why it takes no part.
    versions : dict
        By module of a peer that takes part.
    works : dict
        By peer that takes part, the kinds of work that it does.
    """

    threads: int
    rounds: int
    seconds: float
    peaks: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    works: dict[str, list[str]] = field(default_factory=dict)
    _processes: dict[str, _Process] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.threads <= len(cpus()):
            raise ValueError(
                f"threads must be from 1 to {len(cpus())}, the CPUs of this process, not "
                f"{self.threads}"
            )
        if self.rounds < 1:
            raise ValueError(f"rounds must be 1 or more, not {self.rounds}")
        if not 0 < self.seconds < math.inf:
            raise ValueError(f"seconds must be above 0 and finite, not {self.seconds}")

    @contextmanager
    def started(self, peers: Sequence[Peer]) -> Iterator[None]:
        """Start all processes, wait until they are ready, and end them on leaving.

        Peers that are not installed or do not start are left out.
        """
        with ExitStack() as stack:
            for peer in (OURS, *peers):
                if peer.missing:
                    self.left_out[peer.name] = f"{' and '.join(peer.missing)} not installed"
                else:
                    process = self._processes[peer.name] = _Process(peer, self.threads)
                    stack.callback(process.close)
            for name, process in self._processes.items():
                try:
                    ready = process.answer()
                except PeerError as error:
                    if name == OURS.name:
                        raise
                    self.left_out[name] = str(error)
                else:
                    self.versions |= ready["versions"]
                    self.works[name] = ready["works"]
            yield

    def run(self, case: Case) -> Result:
        """Verify all peers on the case, then time those whose results agree."""
        peers = [n for n, works in self.works.items() if case.work in works and n != OURS.name]
        result = Result(case, self._peak(case.dtype), peers)
        want = truth(case)
        for name in (OURS.name, *result.peers):
            process = self._processes[name]
            try:
                answer = process.ask(do="load", work=case.work, fields=asdict(case))
                problem = disagreement(answer["evidence"], want)
                if problem is not None:
                    raise PeerError(problem)
                process.ask(do="prepare", seconds=self.seconds)
                result.seconds[name] = []
            except PeerError as error:
                result.problems[name] = str(error)
        for _ in range(self.rounds):
            for name in list(result.seconds):
                time.sleep(_PAUSE_SECONDS)
                try:
                    answer = self._processes[name].ask(do="time")
                    result.seconds[name].append(answer["seconds"])
                except PeerError as error:
                    result.problems[name] = str(error)
                    del result.seconds[name]
        return result

    def _peak(self, dtype: str) -> float:
        if dtype not in self.peaks:
            answer = self._processes[OURS.name].ask(
                do="peak", dtype=dtype, threads=self.threads, seconds=_PEAK_SECONDS
            )
            self.peaks[dtype] = answer["peak"]
        return self.peaks[dtype]
