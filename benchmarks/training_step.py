"""One training step: forward, backward and one update on a mini-batch, beside other packages.

python benchmarks/training_step.py [--isa avx2,oracle] [--threads N] [--help]
"""

from deltarule.benchmark.cases import STEPS
from deltarule.benchmark.script import compare, make_parser

parser = make_parser(__doc__)
compare(parser, parser.parse_args(), STEPS)
