"""Code lines of the package and of the core, by room: no blank lines, comments or docstrings.

python tools/code_lines.py
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_IDLE = (
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER,
)  # fmt: skip


def python_lines(text: str) -> int:
    """Return the lines that have a token of code, docstrings left out."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _IDLE:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                lines -= set(range(value.lineno, (value.end_lineno or value.lineno) + 1))
    return len(lines)


def cpp_lines(text: str) -> int:
    """Return the lines with more than a comment; no string of the core has a slash."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
    return sum(1 for line in text.splitlines() if line.strip())


def main() -> None:
    package, core = ROOT / "python" / "deltarule", ROOT / "csrc"
    counts: Counter[str] = Counter()
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).parts
        room = parts[0] if len(parts) > 1 else "the top"
        counts[f"deltarule/{room}"] += python_lines(path.read_text("utf-8"))
    for path in core.rglob("*.?pp"):
        counts[f"csrc/{path.relative_to(core).parts[0]}"] += cpp_lines(path.read_text("utf-8"))
    for room, lines in sorted(counts.items()):
        print(f"{room:26}{lines:7}")
    for kind, start in (("Python", "deltarule/"), ("C++", "csrc/")):
        lines = sum(lines for room, lines in counts.items() if room.startswith(start))
        print(f"{kind + ', in all':26}{lines:7}")


if __name__ == "__main__":
    main()
