"""Prediction, of one row and of batches, NumPy arrays in and out, beside other packages.

python benchmarks/prediction.py [--threads N] [--help]
"""

from deltarule.benchmark.cases import PREDICTIONS
from deltarule.benchmark.script import compare, make_parser

parser = make_parser(__doc__)
compare(parser, parser.parse_args(), PREDICTIONS)
