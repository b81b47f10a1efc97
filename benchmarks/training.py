"""Whole training: a classifier of digits from NumPy arrays to the end, beside other packages.

    python benchmarks/training.py [--mnist FILE.npz] [--threads N] [--help]

Shuffling, slicing and updates are inside; start-up and compilation are outside. All use plain SGD
from the same initial weights, scikit-learn from its own.
"""

from deltarule.benchmark.cases import TRAININGS, mnist
from deltarule.benchmark.script import compare, make_parser

parser = make_parser(__doc__)
parser.add_argument("--mnist", metavar="FILE.npz", help="10 000 images and labels, further cases")
arguments = parser.parse_args()
more = mnist(arguments.mnist) if arguments.mnist else ()
compare(parser, arguments, (*TRAININGS, *more))
