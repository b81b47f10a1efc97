"""The shared part of the scripts in ``benchmarks/``: their options, and where their results go."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from deltarule.benchmark import cases, peers, report
from deltarule.benchmark.runner import PeerError
from deltarule.config import get_isa, get_num_threads

ROUNDS, SECONDS = 7, 0.15


def make_parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser of the common options; `doc` is the script's docstring."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--cases", metavar="NAME[,...]", help="some of the cases; a wrong name lists them")
    add("--peers", metavar="NAME[,...]", help=f"instead of {','.join(peers.USUAL)}; or none")
    add("--isa", metavar="NAME[,...]", help="this package on these instruction sets too")
    add("--threads", metavar="N", type=int, help="for each (default: as the package chooses)")
    add("--rounds", metavar="N", type=int, default=ROUNDS, help=f"default {ROUNDS}")
    add("--seconds", metavar="S", type=float, default=SECONDS,
        help=f"how long a peer works in a round (default {SECONDS})")  # fmt: skip
    add("--json", metavar="FILE", type=Path, help="write everything that was measured")
    add("--markdown", action="store_true", help="print Markdown, and the lines to stderr")
    return parser


def compare(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace, all_cases: Sequence[cases.Case]
) -> report.Report:
    """Run the chosen cases as the options say; print and write the results.

    A wrong argument, and a failure of this package's own process, end the script with a message.
    """
    try:
        others = peers.select(_split(arguments.peers))
        for isa in _split(arguments.isa) or ():
            if isa != get_isa():
                others.append(peers.on_isa(isa))
        result = report.conduct(
            cases.select(all_cases, _split(arguments.cases)),
            others,
            threads=get_num_threads() if arguments.threads is None else arguments.threads,
            rounds=arguments.rounds,
            seconds=arguments.seconds,
            stream=sys.stderr if arguments.markdown else sys.stdout,
        )
    except ValueError as error:
        parser.error(str(error))
    except PeerError as error:
        sys.exit(f"{parser.prog}: deltarule: {error}")
    if arguments.markdown:
        print(report.markdown(result))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report.as_json(result), indent=1) + "\n")
    return result


def _split(text: str | None) -> list[str] | None:
    return None if text is None else text.split(",")
