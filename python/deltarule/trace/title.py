"""The line that says which network a trace or a report is of."""

from __future__ import annotations

from deltarule.architecture import Architecture


def title(network: Architecture) -> str:
    """Return sizes, dtype and functions."""
    functions = network.hidden[:1] if len(set(network.hidden)) == 1 else network.hidden
    hidden = f"hidden {', '.join(map(str, functions))}; " if functions else ""
    return (
        f"MLP {'-'.join(map(str, network.sizes))}, {network.dtype.name}: {hidden}"
        f"output {network.output}; loss {network.loss} ({network.reduction})"
    )
