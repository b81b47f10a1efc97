"""``python -m deltarule``: the command line, see `deltarule.command`."""

from __future__ import annotations

import sys

from deltarule.command import run

if __name__ == "__main__":
    sys.exit(run())
