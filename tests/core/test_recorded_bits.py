"""The bits of the case list, as they were written down: predictions, losses, gradients and theta.

    PYTHONPATH=tests/support python tests/core/test_recorded_bits.py

writes them anew, on the oracle: only where the numeric contract itself is to change.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

import deltarule as dr
from bits import results
from cases import ALL, ISAS

RECORDED = Path(__file__).parents[1] / "golden" / "bits.json"


def digests(isa: str) -> dict[str, str]:
    """Return the start of the SHA-256 of what the core computes, by case."""
    return {
        f"{i}: {case}": hashlib.sha256(b"".join(results(case, 1, isa).values())).hexdigest()[:16]
        for i, case in enumerate(ALL)
    }


@pytest.mark.usefixtures("keep_isa")
@pytest.mark.parametrize("isa", ISAS)
def test_the_bits_are_those_written_down(isa: str) -> None:
    found, recorded = digests(isa), json.loads(RECORDED.read_text())
    first = sum(not case.is_new for case in ALL)  # those of new functions follow
    assert list(found)[:first] == list(recorded)
    assert {case for case in recorded if found[case] != recorded[case]} == set()


if __name__ == "__main__":
    dr.set_advice(False)
    RECORDED.write_text(json.dumps(digests("oracle"), indent=0) + "\n")
