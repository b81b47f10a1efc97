"""The documents' examples: what README.md and docs/ say between ```python and ``` is run."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# A page that lost its examples would pass: those of the theory are its proof.
MOST_OF_ITS_EXAMPLES = {"theory.md": 90, "derivatives.md": 70, "rounding.md": 75}


class MarkdownParser(doctest.DocTestParser):
    """Takes a fence for the blank line that ends an expected output; the line numbers stay."""

    def parse(self, string: str, name: str = "<string>") -> list[str | doctest.Example]:
        return super().parse(re.sub(r"^```.*$", "", string, flags=re.MULTILINE), name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed, attempted = doctest.testfile(
        str(page), module_relative=False, parser=MarkdownParser(), encoding="utf-8"
    )
    assert failed == 0, capsys.readouterr().out
    assert attempted >= MOST_OF_ITS_EXAMPLES.get(page.name, 0)
