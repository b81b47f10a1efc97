"""What is to be predicted: classes or numbers, and which rows are held out."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from deltarule.command.console import CommandError
from deltarule.command.tables import Label, Values

CLASSIFICATION = "classification"
REGRESSION = "regression"
TASKS = (CLASSIFICATION, REGRESSION)

# Whole numbers are taken as classes when they are few, each of them frequent on average.
MOST_WHOLE_CLASSES = 20
FEWEST_ROWS_A_WHOLE_CLASS = 5


def choose_task(y: Values) -> tuple[str, str | None]:
    """Return the task that the values of a target suggest, and why where that is a guess.

    Parameters
    ----------
    y : list
        All str, all bool, all int or all float.

    Returns
    -------
    task : str
        `CLASSIFICATION` for text, booleans, and at most 20 distinct whole numbers with at least
        5 rows each on average; else `REGRESSION`.
    reason : str or None
        A few words for the user on whole numbers, which could be either.
    """
    if isinstance(y[0], str | bool):
        return CLASSIFICATION, None
    if isinstance(y[0], float):
        return REGRESSION, None
    distinct = len(set(y))
    few = distinct <= MOST_WHOLE_CLASSES and distinct * FEWEST_ROWS_A_WHOLE_CLASS <= len(y)
    return CLASSIFICATION if few else REGRESSION, f"whole numbers, {distinct} distinct"


def encode_classes(y: Values, where: str) -> tuple[tuple[Label, ...], NDArray[np.int64]]:
    """Return the sorted classes and each row's class index.

    Parameters
    ----------
    y : list of length n
        The targets; floats must be whole numbers.
    where : str
        File and target, for the errors.

    Returns
    -------
    classes : tuple of str, bool or int
        Sorted, at least two.
    indices : ndarray of shape (n,), int64
        ``classes[indices[i]]`` is ``y[i]``.

    Raises
    ------
    CommandError
        There is one class only, most classes have a single row, or a float has a fraction.
    """
    labels: list[Label] = []
    for value in y:
        if not isinstance(value, float):
            labels.append(value)
        elif value.is_integer():
            labels.append(int(value))
        else:
            raise CommandError(f"{where}: {value} cannot be a class, use --task regression")
    counts = Counter(labels)
    if len(counts) < 2:
        raise CommandError(f"{where}: one class only ({labels[0]!r}), at least two are needed")
    if 2 * len(counts) > len(labels):
        raise CommandError(
            f"{where}: {len(counts)} classes in {len(labels)} rows, at least two rows a class "
            "are needed on average"
        )
    classes = tuple(sorted(counts))
    position = {label: index for index, label in enumerate(classes)}
    return classes, np.array([position[label] for label in labels], dtype=np.int64)


def numbers(y: Values, where: str) -> NDArray[np.float64]:
    """Return the targets of a regression as an array.

    Raises
    ------
    CommandError
        They are text, or all the same.
    """
    if isinstance(y[0], str):
        raise CommandError(f"{where}: holds text ({y[0]!r}), --task regression needs numbers")
    values = np.array(y, dtype=np.float64)
    if values.min() == values.max():
        raise CommandError(f"{where}: one value only ({y[0]}), there is nothing to learn")
    return values


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
