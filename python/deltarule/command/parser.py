"""The words of the command line. Numbers that the package itself checks are left to it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import deltarule
from deltarule.command import bench, checkpoint_options, fit_options, kinds, options, trace, verify
from deltarule.command.console import CommandError
from deltarule.command.targets import TASKS

DATA_HELP = "CSV, TSV or Parquet, or npz"


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are `CommandError`: one line, no usage text."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see {self.prog} --help)")


def parse(argv: Sequence[str] | None) -> argparse.Namespace | None:
    """Return the parsed words, or None where help or the version was asked for and printed.

    Parameters
    ----------
    argv : sequence of str or None
        The words after ``deltarule``; None takes those of the process.

    Returns
    -------
    argparse.Namespace or None
        Its attribute ``run`` is the function of the command, taking the namespace.

    Raises
    ------
    CommandError
        The words are not a command.
    """
    try:
        arguments = _build().parse_args(argv)
    except SystemExit:
        return None
    if arguments.run == "train":
        arguments.given = _given(argv, list(vars(arguments)))
    return arguments


def _given(argv: Sequence[str] | None, names: Sequence[str]) -> dict[str, Any]:
    """Return the words of ``train`` that are there, not those that it would have by default."""
    absent = object()
    words = _build(dict.fromkeys(names, absent)).parse_args(argv)
    return {name: value for name, value in vars(words).items() if value is not absent}


def _build(defaults_of_train: Mapping[str, Any] | None = None) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="deltarule",
        description="Train and run multilayer perceptrons on the CPU.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=deltarule.__version__)
    commands = parser.add_subparsers(
        required=True, metavar="{train,predict,info,trace,verify,bench}"
    )
    training = commands.add_parser(
        "train",
        help="train a network on a table, or on the digits in the package",
        description="Train on DATA, hold a part out, report on it, save the model and its "
        "loss curves. Without DATA: the 8 x 8 handwritten digits in the package.",
        allow_abbrev=False,
    )
    _add_train(training)
    training.set_defaults(**(defaults_of_train or {}))
    _add_predict(
        commands.add_parser(
            "predict",
            help="predict the rows of a table with a saved model",
            description="Print the predictions for the rows of DATA as CSV.",
            allow_abbrev=False,
        )
    )
    _add_info(
        commands.add_parser(
            "info",
            help="show a saved model, or how the package runs here",
            description="Show what MODEL is; without MODEL, how the package runs here.",
            allow_abbrev=False,
        )
    )
    _add_trace(
        commands.add_parser(
            "trace",
            help="show every quantity of the forward and backward pass on a few rows",
            description="Print the equations of MODEL's forward pass, loss, backward pass and "
            "gradient on the first rows of DATA, with their numbers. Without DATA: the digits in "
            "the package, where they fit.",
            allow_abbrev=False,
        )
    )
    _add_verify(
        commands.add_parser(
            "verify",
            help="prove what a saved model computes, tensor by tensor",
            description="Compare MODEL's forward pass, loss, backward pass, gradient and one "
            "update on rows of DATA with the NumPy reference, and the gradient with slopes of the "
            "loss; print the errors and their bounds. Exit status 1 if a bound is broken. Without "
            "DATA: the digits in the package, where they fit.",
            allow_abbrev=False,
        )
    )
    _add_bench(
        commands.add_parser(
            "bench",
            help="time the package here, beside NumPy and what else is installed",
            description="Time training steps, predictions and a whole training on this machine, "
            "beside NumPy and those of PyTorch, JAX, scikit-learn and ONNX Runtime that are "
            "installed, each verified first; draw how small a network must be to be all "
            "overhead. Half a minute; close other programs.",
            allow_abbrev=False,
        )
    )
    return parser


def _add_train(parser: argparse.ArgumentParser) -> None:
    digits, table = options.DIGITS, options.TABLE
    parser.set_defaults(run="train")
    add = parser.add_argument
    add("data", metavar="DATA", nargs="?", type=Path, help=f"{DATA_HELP} with arrays x and y")
    add("--target", metavar="NAME", help="the column to predict; all others are features")
    _add_header(parser)
    add(
        "--task",
        choices=TASKS,
        help="what the target holds (default: from its values. Text, booleans and few whole "
        "numbers, up to 20 with 5 rows each, are classes. Where half or more of a text file's "
        "values or distinct values are numbers, all have to be, but for words beside few whole "
        "numbers)",
    )
    add(
        "--hidden",
        metavar="N[,N...]",
        type=kinds.hidden,
        help="units of the hidden layers, or 'none' "
        f"(default {_join(table.hidden)}; digits {_join(digits.hidden)})",
    )
    add(
        "--activation",
        metavar="NAME[,NAME...]",
        default="relu",
        help="of the hidden layers, one for all or one a layer (default relu)",
    )
    add(
        "--output",
        metavar="NAME",
        help="output activation (default: softmax; sigmoid for two classes; identity for numbers)",
    )
    add("--loss", metavar="NAME", help="loss (default: the output's canonical one)")
    add(
        "--epochs",
        metavar="N",
        type=kinds.whole(1),
        help=f"default {table.epochs}; digits {digits.epochs}",
    )
    add(
        "--batch-size",
        metavar="N",
        type=kinds.batch_size,
        help=f"samples a step, or 'full' (default {table.batch_size}; digits {digits.batch_size})",
    )
    _add_recipe(parser)
    add(
        "--seed",
        metavar="N",
        type=kinds.whole(0),
        default=0,
        help="of every random number (default 0)",
    )
    add("--threads", metavar="N", type=kinds.whole(1), help="never changes a result")
    add("--dtype", choices=("float32", "float64"), default="float32", help="default float32")
    add(
        "--validation",
        metavar="FRACTION",
        type=kinds.fraction,
        default=0.2,
        help="part of the rows held out, each class alike (default 0.2)",
    )
    add(
        "--save",
        metavar="PATH",
        type=Path,
        help="the model (default: named after DATA, .safetensors, in the current folder)",
    )
    curves = parser.add_mutually_exclusive_group()
    curves.add_argument(
        "--plot", metavar="PATH", type=Path, help="the loss curves (default: .png beside the model)"
    )
    curves.add_argument("--no-plot", action="store_true", help="draw no loss curves")
    add(
        "--folds",
        metavar="K",
        type=kinds.whole(2),
        help="cross-validate: train K times, each time with another part held out, and report "
        "in a table; no model is kept",
    )
    checkpoint_options.add_options(parser)
    add("--json", action="store_true", help="print one JSON object and nothing else")


def _add_header(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether the first line of a CSV or TSV file has the columns' names; without, the "
        "columns are 1, 2, ... and are taken in their order (default: it has, and names that are "
        "all numbers are refused)",
    )


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--optimizer",
        choices=fit_options.OPTIMIZERS,
        default="sgd",
        help="default sgd, with momentum",
    )
    digits, table = options.DIGITS.lr, options.TABLE.lr
    add(
        "--lr",
        metavar="RATE",
        type=float,
        help=f"default {table['sgd']}, Adam {table['adam']}; "
        f"digits {digits['sgd']}, {digits['adam']}",
    )
    add("--momentum", metavar="M", type=float, help=f"of sgd (default {fit_options.MOMENTUM})")
    add("--nesterov", action="store_true", help="Nesterov's form of the momentum")
    add(
        "--weight-decay",
        metavar="D",
        type=float,
        help=f"default 0; adamw {fit_options.ADAM_DECAY}, apart from the gradient",
    )
    add("--l1", metavar="D", type=float, default=0.0, help="the same for the weights' signs")
    add("--max-norm", metavar="N", type=float, help="clip the gradient to that norm")
    add(
        "--schedule",
        choices=tuple(fit_options.SCHEDULES),
        default="constant",
        help="of the rate: cosine to 0; exponential to a hundredth; step, a tenth after each third "
        "of the epochs; inverse-scaling, by the root of the epochs; plateau, a tenth whenever "
        "the loss does not fall (default constant)",
    )
    add(
        "--warm-up",
        metavar="EPOCHS",
        type=float,
        default=0.0,
        help="let the rate rise from 0 at first (default 0)",
    )
    add(
        "--early-stopping",
        metavar="PATIENCE",
        type=kinds.whole(1),
        nargs="?",
        const=fit_options.PATIENCE,
        help="stop after so many epochs without a better loss on the held-out part, and keep the "
        f"best epoch's parameters (PATIENCE {fit_options.PATIENCE} where none is given); the "
        "part's figures then are those it was chosen by. With --folds a fifth of the training rows "
        "decides",
    )
    add("--class-weight", choices=("balanced",), help="weigh each class by what it is short of")
    add(
        "--dropout",
        metavar="P",
        type=kinds.fraction,
        default=0.0,
        help="part of the hidden units that a step leaves out (default 0)",
    )


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="predict")
    parser.add_argument("model", metavar="MODEL", type=Path, help="a file written by train")
    parser.add_argument("data", metavar="DATA", type=Path, help=f"{DATA_HELP} with an array x")
    _add_header(parser)
    parser.add_argument(
        "--out", metavar="FILE.csv", type=Path, help="write the CSV here (default: stdout)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="info")
    parser.add_argument("model", metavar="MODEL", nargs="?", type=Path, help="a model file")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")


def _add_trace(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="trace")
    add = parser.add_argument
    add("model", metavar="MODEL", type=Path, help="a model file")
    add("data", metavar="DATA", nargs="?", type=Path, help=f"{DATA_HELP} with arrays x and y")
    add("--target", metavar="NAME", help="the column of the targets (default: the model's)")
    _add_header(parser)
    add(
        "--rows",
        metavar="N",
        type=kinds.whole(1),
        default=trace.ROWS,
        help=f"how many, from the first (default {trace.ROWS})",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--markdown",
        metavar="FILE.md",
        nargs="?",
        type=Path,
        const=trace.STDOUT,
        help="write Markdown with the formulas in LaTeX; without FILE.md, print it",
    )
    form.add_argument("--json", action="store_true", help="print one JSON object instead")


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="verify")
    add = parser.add_argument
    add("model", metavar="MODEL", type=Path, help="a model file")
    add("data", metavar="DATA", nargs="?", type=Path, help=f"{DATA_HELP} with arrays x and y")
    add("--target", metavar="NAME", help="the column of the targets (default: the model's)")
    _add_header(parser)
    add(
        "--rows",
        metavar="N",
        type=kinds.whole(1),
        default=verify.ROWS,
        help=f"how many to look at, chosen by the seed (default {verify.ROWS})",
    )
    add(
        "--seed",
        metavar="N",
        type=kinds.whole(0),
        default=0,
        help="of what is looked at (default 0)",
    )
    add("--json", action="store_true", help="print one JSON object instead")


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="bench")
    add = parser.add_argument
    add("--cases", metavar="NAME[,...]", type=kinds.names, help="some; a wrong name lists them")
    add("--peers", metavar="NAME[,...]", type=kinds.names, help=f"default {','.join(bench.PEERS)}")
    add(
        "--threads", metavar="N", type=kinds.whole(1), help="for each (default: see deltarule info)"
    )
    add(
        "--rounds",
        metavar="N",
        type=kinds.whole(1),
        default=bench.ROUNDS,
        help=f"turns of each on a case (default {bench.ROUNDS})",
    )
    add(
        "--seconds",
        metavar="S",
        type=float,
        default=bench.SECONDS,
        help=f"how long a turn takes (default {bench.SECONDS})",
    )
    drawing = parser.add_mutually_exclusive_group()
    drawing.add_argument(
        "--plot",
        metavar="PATH",
        type=Path,
        default=bench.PLOT,
        help=f"time against width and batch (default {bench.PLOT})",
    )
    drawing.add_argument("--no-plot", action="store_true", help="leave that part out")
    add("--json", action="store_true", help="print one JSON object and nothing else")


def _join(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))
