"""The options of the command line. Numbers that the package itself checks are left to it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import deltarule
from deltarule.command import bench, checkpoint_options, fit_options, options, trace, verify
from deltarule.command.console import CommandError
from deltarule.command.kinds import batch_size, fraction, hidden, names, whole
from deltarule.command.targets import TASKS


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are `CommandError`: one line, no usage text."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see {self.prog} --help)")


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes
    ----------
    help, description : str
        In the list of the commands; in its own help.
    arguments : list
        Functions that add an argument to a parser; of a tuple of them, one may be given.
    """

    help: str
    description: str
    arguments: list[Callable[[Any], Any] | tuple[Callable[[Any], Any], ...]]


def _argument(
    form: str, help: str, type: Any = None, default: Any = None, **settings: Any
) -> Callable[[Any], Any]:
    """Return a function that adds an argument to a parser.

    Parameters
    ----------
    form : str
        A positional argument ``DATA``, an option with a value ``--seed N``, a switch ``--json``.
    help : str
        To which the default is added.
    type, default, **settings
        Of `argparse.ArgumentParser.add_argument`.
    """
    name, _, metavar = form.partition(" ")
    if default is not None:
        shown = f"{default:g}" if isinstance(default, float) else default
        help, settings["default"] = f"{help} (default {shown})", default
    if metavar or not name.startswith("-"):
        settings |= {"metavar": metavar or name, "type": type}
        name = name if metavar else name.lower()
    elif not settings:
        settings["action"] = "store_true"
    return lambda parser: parser.add_argument(name, help=help, **settings)


def _data(arrays: str, **settings: Any) -> Callable[[Any], Any]:
    """Return the argument DATA; `arrays` are those of an npz file."""
    help = f"CSV, TSV or Parquet, or npz with {arrays}"
    return _argument("DATA", help, Path, **settings)


def _join(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


_TABLE, _DIGITS = options.TABLE, options.DIGITS
_TARGET = _argument("--target NAME", "the column of the targets (default: the model's)")
_HEADER = _argument(
    "--header",
    "whether the first line of a CSV or TSV file has the columns' names; without, the columns are "
    "1, 2, ... and are taken in their order (default: it has, and names that are all numbers are "
    "refused)",
    action=argparse.BooleanOptionalAction,
)
_MODEL_AND_SAMPLES = [
    _argument("MODEL", "a model file", Path),
    _data("arrays x and y", nargs="?"),
    _TARGET,
    _HEADER,
]
_JSON = _argument("--json", "print one JSON object instead")
_JSON_ONLY = _argument("--json", "print one JSON object and nothing else")

COMMANDS = {
    "train": Command(
        "train a network on a table, or on the digits in the package",
        "Train on DATA, hold a part out, report on it, save the model and its loss curves. "
        "Without DATA: the 8 x 8 handwritten digits in the package.",
        [
            _data("arrays x and y", nargs="?"),
            _argument("--target NAME", "the column to predict; all others are features"),
            _HEADER,
            _argument(
                "--task",
                "what the target holds (default: from its values. Text, booleans and few whole "
                "numbers, up to 20 with 5 rows each, are classes. Where half or more of a text "
                "file's values or distinct values are numbers, all have to be, but for text "
                "beside few whole numbers)",
                choices=TASKS,
            ),
            _argument(
                "--hidden N[,N...]",
                "units of the hidden layers, or 'none' "
                f"(default {_join(_TABLE.hidden)}; digits {_join(_DIGITS.hidden)})",
                hidden,
            ),
            _argument(
                "--activation NAME[,NAME...]",
                "of the hidden layers, one for all or one a layer",
                default="relu",
            ),
            _argument(
                "--output NAME",
                "output activation (default: softmax; sigmoid for two classes; identity for "
                "numbers)",
            ),
            _argument("--loss NAME", "loss (default: the output's canonical one)"),
            _argument("--epochs N", f"default {_TABLE.epochs}; digits {_DIGITS.epochs}", whole(1)),
            _argument(
                "--batch-size N",
                "samples a step, or 'full' "
                f"(default {_TABLE.batch_size}; digits {_DIGITS.batch_size})",
                batch_size,
            ),
            _argument(
                "--optimizer",
                "sgd has momentum",
                choices=fit_options.OPTIMIZERS,
                default="sgd",
            ),
            _argument(
                "--lr RATE",
                f"default {_TABLE.lr['sgd']}, Adam {_TABLE.lr['adam']}; "
                f"digits {_DIGITS.lr['sgd']}, {_DIGITS.lr['adam']}",
                float,
            ),
            _argument("--momentum M", f"of sgd (default {fit_options.MOMENTUM})", float),
            _argument("--nesterov", "Nesterov's form of the momentum"),
            _argument(
                "--weight-decay D",
                f"default 0; adamw {fit_options.ADAM_DECAY}, apart from the gradient",
                float,
            ),
            _argument("--l1 D", "the same for the weights' signs", float, 0.0),
            _argument("--max-norm N", "clip the gradient to that norm", float),
            _argument(
                "--schedule",
                "of the rate: cosine to 0; exponential to a hundredth; step, a tenth after each "
                "third of the epochs; inverse-scaling, by the root of the epochs; plateau, a "
                "tenth whenever the loss does not fall",
                choices=tuple(fit_options.SCHEDULES),
                default="constant",
            ),
            _argument("--warm-up EPOCHS", "let the rate rise from 0 at first", float, 0.0),
            _argument(
                "--early-stopping PATIENCE",
                "stop after so many epochs without a better loss on the held-out part, and keep "
                f"the best epoch's parameters (PATIENCE {fit_options.PATIENCE} where none is "
                "given); the part's figures then are those it was chosen by. With --folds a fifth "
                "of the training rows decides",
                whole(1),
                nargs="?",
                const=fit_options.PATIENCE,
            ),
            _argument(
                "--class-weight", "weigh each class by what it is short of", choices=("balanced",)
            ),
            _argument(
                "--dropout P", "part of the hidden units that a step leaves out", fraction, 0.0
            ),
            _argument("--seed N", "of every random number", whole(0), 0),
            _argument("--threads N", "never changes a result", whole(1)),
            _argument(
                "--dtype", "of the network", choices=("float32", "float64"), default="float32"
            ),
            _argument(
                "--validation FRACTION",
                "part of the rows held out, each class alike",
                fraction,
                0.2,
            ),
            _argument(
                "--save PATH",
                "the model (default: named after DATA, .safetensors, in the current folder)",
                Path,
            ),
            (
                _argument("--plot PATH", "the loss curves (default: .png beside the model)", Path),
                _argument("--no-plot", "draw no loss curves"),
            ),
            _argument(
                "--folds K",
                "cross-validate: train K times, each time with another part held out, and report "
                "in a table; no model is kept",
                whole(2),
            ),
            checkpoint_options.add_options,
            _JSON_ONLY,
        ],
    ),
    "predict": Command(
        "predict the rows of a table with a saved model",
        "Print the predictions for the rows of DATA as CSV.",
        [
            _argument("MODEL", "a file written by train", Path),
            _data("an array x"),
            _HEADER,
            _argument("--out FILE.csv", "write the CSV here (default: stdout)", Path),
            _JSON,
        ],
    ),
    "info": Command(
        "show a saved model, or how the package runs here",
        "Show what MODEL is; without MODEL, how the package runs here.",
        [_argument("MODEL", "a model file", Path, nargs="?"), _JSON],
    ),
    "trace": Command(
        "show every quantity of the forward and backward pass on a few rows",
        "Print the equations of MODEL's forward pass, loss, backward pass and gradient on the "
        "first rows of DATA, with their numbers. Without DATA: the digits in the package, where "
        "they fit.",
        [
            *_MODEL_AND_SAMPLES,
            _argument("--rows N", "how many, from the first", whole(1), trace.ROWS),
            (
                _argument(
                    "--markdown FILE.md",
                    "write Markdown with the formulas in LaTeX; without FILE.md, print it",
                    Path,
                    nargs="?",
                    const=trace.STDOUT,
                ),
                _JSON,
            ),
        ],
    ),
    "verify": Command(
        "prove what a saved model computes, tensor by tensor",
        "Compare MODEL's forward pass, loss, backward pass, gradient and one update on rows of "
        "DATA with the NumPy reference, and the gradient with slopes of the loss; print the "
        "errors and their bounds. Exit status 1 if a bound is broken. Without DATA: the digits in "
        "the package, where they fit.",
        [
            *_MODEL_AND_SAMPLES,
            _argument("--rows N", "how many to look at, chosen by the seed", whole(1), verify.ROWS),
            _argument("--seed N", "of what is looked at", whole(0), 0),
            _JSON,
        ],
    ),
    "bench": Command(
        "time the package here, beside NumPy and what else is installed",
        "Time training steps, predictions and a whole training on this machine, beside NumPy and "
        "those of PyTorch, JAX, scikit-learn and ONNX Runtime that are installed, each verified "
        "first; draw how small a network must be to be all overhead. Half a minute; close other "
        "programs.",
        [
            _argument("--cases NAME[,...]", "some; a wrong name lists them", names),
            _argument("--peers NAME[,...]", f"default {','.join(bench.PEERS)}", names),
            _argument("--threads N", "for each (default: see deltarule info)", whole(1)),
            _argument("--rounds N", "turns of each on a case", whole(1), bench.ROUNDS),
            _argument("--seconds S", "how long a turn takes", float, bench.SECONDS),
            (
                _argument("--plot PATH", "time against width and batch", Path, bench.PLOT),
                _argument("--no-plot", "leave that part out"),
            ),
            _JSON_ONLY,
        ],
    ),
}


def parse(argv: Sequence[str] | None) -> argparse.Namespace | None:
    """Return the parsed command line, or None where help or the version was printed.

    Parameters
    ----------
    argv : sequence of str or None
        The arguments after ``deltarule``; None takes those of the process.

    Returns
    -------
    argparse.Namespace or None
        Its attribute ``run`` is the command's name; of ``train``, ``given`` has the options of the
        command line, without defaults.

    Raises
    ------
    CommandError
        The arguments are not those of a command.
    """
    try:
        arguments = _build().parse_args(argv)
    except SystemExit:
        return None
    if arguments.run == "train":
        absent = object()
        options_or_absent = vars(_build(dict.fromkeys(vars(arguments), absent)).parse_args(argv))
        arguments.given = {n: v for n, v in options_or_absent.items() if v is not absent}
    return arguments


def _build(defaults_of_train: dict[str, Any] | None = None) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="deltarule",
        description="Train and run multilayer perceptrons on the CPU.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=deltarule.__version__)
    commands = parser.add_subparsers(required=True, metavar=f"{{{','.join(COMMANDS)}}}")
    for name, command in COMMANDS.items():
        added = commands.add_parser(
            name, help=command.help, description=command.description, allow_abbrev=False
        )
        for argument in command.arguments:
            group = added.add_mutually_exclusive_group() if isinstance(argument, tuple) else added
            for add in argument if isinstance(argument, tuple) else (argument,):
                add(group)
        added.set_defaults(run=name)
        if name == "train":
            added.set_defaults(**(defaults_of_train or {}))
    return parser
