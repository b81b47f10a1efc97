"""The documents: the examples of README.md and docs/ are run, and their links lead somewhere."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# A page that lost its examples would pass, and those of the theory are its proofs.
AT_LEAST = {"docs/theory.md": 90, "docs/theory/derivatives.md": 70, "docs/theory/rounding.md": 75}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


class MarkdownParser(doctest.DocTestParser):
    """Takes a fence for the blank line that ends an expected output; the line numbers stay."""

    def parse(self, string: str, name: str = "<string>") -> list[str | doctest.Example]:
        return super().parse(re.sub(r"^```.*$", "", string, flags=re.MULTILINE), name)


def prose(page: Path) -> str:
    """The page without its code."""
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@each_page
def test_examples(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed, attempted = doctest.testfile(
        str(page), module_relative=False, parser=MarkdownParser(), encoding="utf-8"
    )
    assert failed == 0, capsys.readouterr().out
    assert attempted >= AT_LEAST.get(page.relative_to(ROOT).as_posix(), 0)


@each_page
def test_links(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", prose(page)):
        linked = page.parent / target if target else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), f"{target}#{anchor}"
