"""How small is small: the time of a training step against width and batch. Needs matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from deltarule.benchmark.peers import OURS
from deltarule.benchmark.runner import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def image(results: Sequence[Result], title: str, kind: str = "png") -> bytes:
    """Return the drawing as a file's bytes.

    Parameters
    ----------
    results : sequence of Result
        Of the cases of `cases.small`, batch by batch.
    title : str
    kind : str
        The format, as ``"png"``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [list(group) for _, group in groupby(results, key=lambda r: r.case.rows)]
    figure = Figure(figsize=(2.4 + 3.2 * len(panels), 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(all_axes, panels, strict=True):
        _draw(axes, panel)
    all_axes[0].set_ylabel("microseconds a training step")
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside right upper")
    figure.suptitle(title, fontsize="medium")
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=150)
    return buffer.getvalue()


def _draw(axes: Axes, panel: Sequence[Result]) -> None:
    """Draw one line per peer, from its medians, and one for the products at the peak."""
    for name in (OURS.name, *panel[0].peers):
        timed = [result for result in panel if name in result.seconds]
        widths = [result.case.sizes[0] for result in timed]
        times = [result.median(name) * 1e6 for result in timed]
        ours = name == OURS.name
        style: dict[str, Any] = {"linewidth": 2.5, "zorder": 3} if ours else {"linewidth": 1.2}
        axes.plot(widths, times, marker="o", markersize=4, label=name, **style)
    widths = [result.case.sizes[0] for result in panel]
    bound = [result.case.flop / result.peak * 1e6 for result in panel]
    axes.plot(widths, bound, "k--", linewidth=1, label="its products at the peak")
    rows = panel[0].case.rows
    axes.set_title(f"{rows} row{'s' if rows > 1 else ''}", fontsize="medium")
    axes.set_xlabel("width of each layer")
    axes.set_xscale("log")
    axes.set_xticks(widths, map(str, widths), minor=False)
    axes.minorticks_off()
    axes.set_yscale("log")
    axes.grid(alpha=0.3)
