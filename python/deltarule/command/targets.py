"""The targets, classes or numbers, and the held-out rows."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from deltarule.command import cells, columns, double_double
from deltarule.command.console import CommandError
from deltarule.command.double_double import DoubleDouble
from deltarule.command.tables import Label, Samples

CLASSIFICATION = "classification"
REGRESSION = "regression"
TASKS = (CLASSIFICATION, REGRESSION)

# Whole numbers are taken as classes when they are few, each of them frequent on average.
MOST_WHOLE_CLASSES = 20
FEWEST_ROWS_A_WHOLE_CLASS = 5


def choose_task(samples: Samples, where: str) -> tuple[str, str | None]:
    """Return the task that the values of a target suggest, and why where that is a guess.

    Parameters
    ----------
    samples : Samples
        Their target's values decide. The cells of a text file are numbers where at least half of
        them, or of the distinct ones, are; the others are then refused. Words beside whole
        numbers that would be classes themselves are classes, too.
    where : str
        File and target, for the errors.

    Returns
    -------
    task : str
        `CLASSIFICATION` for text, booleans, and at most 20 distinct whole numbers with at least
        5 rows each on average; else `REGRESSION`.
    reason : str or None
        A note for the user on whole numbers, which could be either.

    Raises
    ------
    CommandError
        A cell is no number, although others are.
    """
    y = samples.y
    if samples.text:
        return _choose_of_cells([str(cell) for cell in y], where)
    if isinstance(y[0], str | bool):
        return CLASSIFICATION, None
    distinct = len(set(y))
    if isinstance(y[0], int):
        task = CLASSIFICATION if _are_few(distinct, len(y)) else REGRESSION
        return task, f"whole numbers, {distinct} distinct"
    whole = all(float(value).is_integer() for value in y)
    return REGRESSION, f"whole numbers, {distinct} distinct" if whole else None


def _are_few(distinct: int, rows: int) -> bool:
    return distinct <= MOST_WHOLE_CLASSES and distinct * FEWEST_ROWS_A_WHOLE_CLASS <= rows


def _choose_of_cells(y: list[str], where: str) -> tuple[str, str | None]:
    rows = Counter(y)
    numbers = {cell for cell in rows if cells.is_number(cell)}
    commas = {cell for cell in rows if cells.has_commas(cell)}
    of_rows = sum(rows[cell] for cell in numbers | commas)
    if 2 * len(numbers | commas) < len(rows) and 2 * of_rows < len(y):
        return CLASSIFICATION, None
    whole = not commas and all(map(cells.is_whole, numbers))
    few = whole and _are_few(len(numbers), sum(rows[cell] for cell in numbers))
    bad = {cell for cell in rows.keys() - numbers if not (few and _is_class(cell, rows))}
    if bad:
        row = next(row for row, cell in enumerate(y, start=1) if cell in bad)
        form = " (decimals have a point, thousands no separator)" * cells.has_commas(y[row - 1])
        raise CommandError(
            f"{where}, row {row}: {_describe(y[row - 1])}, most values are numbers{form}; --task "
            f"classification makes a class of each of the {len(rows)} distinct values"
        )
    if len(numbers) < len(rows):
        return CLASSIFICATION, None
    whole = all(float(cell).is_integer() for cell in numbers)
    reason = f"whole numbers, {len(numbers)} distinct" if whole else None
    return CLASSIFICATION if few else REGRESSION, reason


def _is_class(cell: str, rows: Counter[str]) -> bool:
    """Return whether a cell beside whole numbers that are classes is one, no damaged number."""
    if cells.is_no_value(cell):
        return False
    damaged = any(map(str.isdigit, cell)) and rows[cell] < FEWEST_ROWS_A_WHOLE_CLASS
    return not damaged


def _describe(cell: str) -> str:
    """Return the kind of a cell that is no finite number."""
    try:
        number = float(cell)
    except ValueError:
        number = 0.0
    if np.isfinite(number):
        return f"holds text ({cells.shown(cell)})"
    return f"{'an infinite' if np.isinf(number) else 'a missing'} value ({cell!r})"


def encode_classes(samples: Samples, where: str) -> tuple[tuple[Label, ...], NDArray[np.int64]]:
    """Return the sorted classes and each row's class index.

    Parameters
    ----------
    samples : Samples
        With n targets: a class is the text of its cell where the file is text, else the value
        that the file has; floats must be whole numbers.
    where : str
        File and target, for the errors.

    Returns
    -------
    classes : tuple of str, bool or int
        Sorted, numbers by value and before text; at least two.
    indices : ndarray of shape (n,), int64
        ``classes[indices[i]]`` is ``y[i]``.

    Raises
    ------
    CommandError
        There is one class only, most classes have a single row, or a number has a fraction.
    """
    labels: list[Label] = []
    for value in samples.y:
        if not isinstance(value, float):
            labels.append(value)
        elif value.is_integer():
            labels.append(int(value))
        else:
            raise CommandError(f"{where}: {value} cannot be a class, use --task regression")
    counts = Counter(labels)
    if samples.text and all(cells.is_number(str(label)) for label in counts):
        for label in counts:
            if not float(label).is_integer():
                raise CommandError(f"{where}: {label} cannot be a class, use --task regression")
    if len(counts) < 2:
        raise CommandError(
            f"{where}: one class only ({cells.shown(labels[0])}), at least two are needed"
        )
    if 2 * len(counts) > len(labels):
        raise CommandError(
            f"{where}: {len(counts)} classes in {len(labels)} rows, at least two rows a class "
            "are needed on average"
        )
    by_value = isinstance(labels[0], str)
    classes = tuple(
        sorted(counts, key=lambda label: cells.order(str(label)) if by_value else label)
    )
    position = {label: index for index, label in enumerate(classes)}
    return classes, np.array([position[label] for label in labels], dtype=np.int64)


def numbers(samples: Samples, where: str, needs: str) -> DoubleDouble:
    """Return the targets as numbers (n,).

    Parameters
    ----------
    samples : Samples
    where : str
        File and target, for the errors.
    needs : str
        What takes numbers alone, for the errors.

    Raises
    ------
    CommandError
        A target is text; in a text file, one that is no finite number.
    """
    y = samples.y
    if isinstance(y[0], str):
        text = [str(cell) for cell in y]
        for row, cell in enumerate(text, start=1):
            if not samples.text or not cells.is_number(cell):
                raise CommandError(f"{where}, row {row}: {_describe(cell)}, {needs}")
        high = np.array(text, dtype=np.float64)
        values = double_double.of_integers([cells.whole(cell) for cell in text], high)
        columns.check_finite(values.high, lambda at: f"{where}, row {at[0] + 1}")
        return values
    if isinstance(y[0], int):
        return double_double.of_integers(y, np.array(y, dtype=np.float64))
    return DoubleDouble(np.array(y, dtype=np.float64))


def split(
    n: int, fraction: float, seed: int, classes: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the rows that are held out.

    Parameters
    ----------
    n : int
        How many rows there are.
    fraction : float
        The part to hold out, from 0 to below 1.
    seed : int
        Of the draw; its random numbers are not those of the network's own seed.
    classes : ndarray of shape (n,), int64, or None
        Class indices: each class gives its share, rounded so that the total is right, and
        keeps at least one row. None: any rows.

    Returns
    -------
    training, held_out : ndarray of int64
        Row numbers from 0, each ascending, together all rows. `held_out` is empty for 0.

    Raises
    ------
    CommandError
        The fraction leaves fewer than two rows to train on, or holds none out.
    """
    strata = np.zeros(n, dtype=np.int64) if classes is None else classes
    counts = np.bincount(strata)
    share = fraction * counts
    taken = np.floor(share).astype(np.int64)
    # The rows that rounding down left over go to the largest remainders.
    left_over = max(0, round(fraction * n) - int(taken.sum()))
    taken[np.argsort(taken - share, kind="stable")[:left_over]] += 1
    taken = np.minimum(taken, np.maximum(counts - 1, 0))
    if n - taken.sum() < 2 or (fraction > 0 and taken.sum() == 0):
        raise CommandError(
            f"--validation {fraction:g} holds out {taken.sum()} of {n} rows; at least one row "
            "to hold out and two to train on are needed"
        )
    order = np.random.default_rng([seed, 1]).permutation(n)
    order = order[np.argsort(strata[order], kind="stable")]
    rank_in_class = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    held = rank_in_class < np.repeat(taken, counts)
    return np.sort(order[~held]), np.sort(order[held])


def folds(
    n: int, k: int, seed: int, classes: NDArray[np.int64] | None
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Cut the rows into k parts, each of which is held out once.

    Parameters
    ----------
    n, seed, classes
        As for `split`: each class is spread evenly over the parts.
    k : int
        At least 2.

    Returns
    -------
    list of (training, held_out)
        As `split` returns them.

    Raises
    ------
    CommandError
        There are fewer rows than parts.
    """
    if k > n:
        raise CommandError(f"--folds {k}: more than the {n} rows")
    strata = np.zeros(n, dtype=np.int64) if classes is None else classes
    order = np.random.default_rng([seed, 2]).permutation(n)
    order = order[np.argsort(strata[order], kind="stable")]
    fold = np.empty(n, dtype=np.int64)
    fold[order] = np.arange(n) % k
    return [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(k)]
