"""The table of the README.

python benchmarks/readme.py --markdown [--threads N] [--help]
"""

from deltarule.benchmark.cases import README
from deltarule.benchmark.script import compare, make_parser

parser = make_parser(__doc__)
compare(parser, parser.parse_args(), README)
