"""``deltarule bench``: the speed on this machine, beside what else is installed here."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deltarule.benchmark import peers, plot
from deltarule.benchmark.cases import SHORT, select, small
from deltarule.benchmark.report import as_json, conduct, where
from deltarule.benchmark.runner import PeerError
from deltarule.command.console import CommandError, one_line, package_errors, print_json
from deltarule.command.destinations import check_plot
from deltarule.config import get_num_threads
from deltarule.io.regular_files import write_atomically

PEERS = peers.USUAL
PLOT = Path("deltarule-bench.png")
ROUNDS, SECONDS = 3, 0.03
WIDTHS, BATCHES = (8, 32, 128, 512), (1, 32, 256)


def run(arguments: argparse.Namespace) -> int:
    """Verify, time, print and draw; return the exit status, 1 where the package's results differ.

    Raises
    ------
    CommandError
        A name is unknown, a number is out of range, or the drawing cannot be written.
    """
    drawing: Path | None = None if arguments.no_plot else arguments.plot
    if drawing is not None:
        check_plot(drawing)
    to_draw = [] if drawing is None else small(WIDTHS, BATCHES)
    with package_errors():
        chosen = select(SHORT, arguments.cases)
        others = peers.select(arguments.peers)
        try:
            report = conduct(
                [*chosen, *to_draw],
                others,
                threads=arguments.threads or get_num_threads(),
                rounds=arguments.rounds,
                seconds=arguments.seconds,
                stream=None if arguments.json else sys.stdout,
            )
        except PeerError as error:
            raise CommandError(f"the benchmark's own process failed: {error}", status=1) from None
    if drawing is not None:
        results = report.results[len(chosen) :]
        kind = drawing.suffix[1:].lower()
        write_atomically(drawing, plot.image(results, where(report), kind))
    if arguments.json:
        print_json(as_json(report) | {"plot": None if drawing is None else str(drawing)})
    elif drawing is not None:
        print(f"drawing  {one_line(drawing)}")
    return 0 if report.agrees else 1
