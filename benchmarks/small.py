"""How small is small: a training step of square networks against width and batch, drawn.

    python benchmarks/small.py [--plot FILE.png] [--threads N] [--help]

Two layers, as many inputs, hidden units and outputs. The dashed line is what the products alone
would take at the peak: what lies above it is overhead, or memory.
"""

from pathlib import Path

from deltarule.benchmark.cases import small
from deltarule.benchmark.plot import image
from deltarule.benchmark.report import where
from deltarule.benchmark.script import compare, make_parser
from deltarule.errors import require

WIDTHS, BATCHES = (4, 8, 16, 32, 64, 128, 256, 512, 1024), (1, 32, 256)

require("matplotlib", extra="plot")
parser = make_parser(__doc__)
parser.add_argument("--plot", metavar="FILE", type=Path, default=Path("small.png"))
arguments = parser.parse_args()
report = compare(parser, arguments, small(WIDTHS, BATCHES))
drawing = image(report.results, where(report), arguments.plot.suffix[1:])
arguments.plot.write_bytes(drawing)
