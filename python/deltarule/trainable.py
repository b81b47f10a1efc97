"""`MLP.fit`: its arguments, checked before anything changes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping

from numpy.typing import ArrayLike

from deltarule import advice
from deltarule.arguments import (
    check_callbacks,
    check_flag,
    check_optimizer,
    check_seconds,
    check_verbose,
    whole_number,
)
from deltarule.config import resolve_threads
from deltarule.data.samples import Samples
from deltarule.data.streams import Stream
from deltarule.fitting import Callback, Fit
from deltarule.history import History
from deltarule.metrics import Kind, Measure, Metric, check_metrics
from deltarule.optimizers import SGD
from deltarule.parameters import Parameterized
from deltarule.passes import Training, pass_over
from deltarule.preparation import Given
from deltarule.progress import epoch_lines, progress_bar
from deltarule.stopping import EarlyStopping, Follower

Batches = Iterable[tuple[ArrayLike, ...]] | Callable[[], Iterable[tuple[ArrayLike, ...]]]
Metrics = str | Metric | Iterable[str | Metric] | Mapping[str, str | Metric]

# The seeds of validation_split are below that.
_SEEDS = 2**63


class Trainable(Parameterized):
    """The part of `MLP` that trains it for epochs."""

    def fit(
        self,
        x: ArrayLike | Batches,
        y: ArrayLike | None = None,
        *,
        epochs: int = 10,
        batch_size: int | None = 32,
        optimizer: SGD | None = None,
        validation_data: tuple[ArrayLike, ...] | None = None,
        validation_split: float | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | str | None = None,
        label_smoothing: float = 0.0,
        shuffle: bool = True,
        early_stopping: EarlyStopping | None = None,
        metrics: Metrics = (),
        callbacks: Callback | Iterable[Callback] = (),
        max_seconds: float | None = None,
        verbose: int = 0,
        progress: bool = False,
        threads: int | None = None,
    ) -> History:
        """Train for some epochs of mini-batches.

        Parameters
        ----------
        x, y, sample_weight, threads
            As for `evaluate`. The data are not copied where they already are C-ordered arrays of
            the network's dtype. Of a large memory-mapped file or sparse matrix a block of rows is
            ready at a time. Or x alone, a stream of batches (x, y) or (x, y, sample_weight), a
            step each: an iterable for each epoch anew, a callable that returns an iterator for
            each epoch, or an iterator for one epoch. `batch_size` and `shuffle` say nothing then.
        epochs : int, default 10
            Passes over the data, 0 or more.
        batch_size : int or None, default 32
            Samples a step; the last batch of an epoch may be smaller. None: all at once, plain
            gradient descent.
        optimizer : SGD, optional
            By default ``SGD()``. Its velocity stays with the network from call to call.
        validation_data : (x, y) or (x, y, sample_weight), optional
            Evaluated after each epoch.
        validation_split : float in (0, 1), optional
            In place of validation_data: hold out m = round(validation_split * n) samples, the last
            m of a permutation, and train on the others in their order in x. The permutation is
            ``np.random.default_rng(seed).permutation(n)``, the seed drawn once from the network's
            random generator: each fit of a network to n samples holds out the same.
        class_weight : {class: weight} or "balanced", optional
            Multiplies the weights of the training samples; a class not named has 1. "balanced"
            is n / (classes present * samples of the class). For class indices, one-hot rows, and
            0 and 1 with one output.
        label_smoothing : float in [0, 1), default 0
            Train on (1 - s) y + s / K for cross_entropy, (1 - s) y + s / 2 for
            binary_cross_entropy, K outputs; of class indices an array (n, K) is made, once.
            Validation and metrics take y as it is.
        shuffle : bool, default True
            A fresh order every epoch, from the network's random generator.
        early_stopping : EarlyStopping, optional
            When to stop, and whether to leave the parameters of the best epoch.
        metrics : name, callable, or several, or {name: either}
            Evaluated after each epoch on the validation data, recorded as "validation_<name>";
            without them on the training data. "accuracy" (largest output for softmax and
            cross_entropy, else y_hat on y's side of 1/2, of 0 for tanh), "r2", "mae", "rmse", or
            f(y, y_hat) -> float, y being (n,) class indices or (n, n_L). None is weighted.
        callbacks : callable or iterable of callables
            Each is called after every epoch with a dict: epoch (from 1), epochs, loss,
            validation_loss (None without validation data), metrics (a dict), learning_rate,
            seconds, samples_per_second. One that returns True ends the training. They may use the
            network.
        max_seconds : float, optional
            No new epochs after that time.
        verbose : {0, 1}, default 0
            1: a line an epoch on stderr.
        progress : bool, default False
            Show a bar in a terminal (on stderr) or a notebook, nothing in a pipe (extra
            `progress`).

        Returns
        -------
        History

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit or is not finite; nothing has changed. A later batch of a
            stream may be wrong: then the network is as the batch before left it.
        DivergenceError
            If the loss or a parameter is not finite any more; the parameters are those of the
            last finite epoch.
        KeyboardInterrupt
            On Ctrl-C; the network is at a whole mini-batch.

        Warns
        -----
        TrainingAdvice
            After a fit of 50 ms and more: see `set_advice`.

        Notes
        -----
        Fits continue each other: 5 epochs twice are 10 epochs, bit for bit. Blocks of rows and
        streams give the parameters of the same batches in memory, bit for bit, and the losses to
        rounding. Without callbacks, early stopping, metrics, verbose and progress many epochs are
        one call of the core.

        Examples
        --------
        >>> import numpy as np
        >>> import deltarule as dr
        >>> x = np.linspace(-1, 1, 64).reshape(-1, 1)
        >>> net = dr.MLP([1, 16, 1], hidden="tanh", seed=0)
        >>> history = net.fit(x, x**2, epochs=200, optimizer=dr.SGD(lr=0.1, momentum=0.9))
        >>> history.loss[-1] < 0.01
        True

        Batches that are made as they are needed:

        >>> def batches():
        ...     for i in range(0, 64, 16):
        ...         yield x[i : i + 16], x[i : i + 16] ** 2
        >>> len(net.fit(batches, epochs=3))
        3
        """
        n_epochs = whole_number(epochs, "epochs", 0)
        size = None if batch_size is None else whole_number(batch_size, "batch_size", 1)
        sgd = check_optimizer(optimizer)
        settings = sgd._settings_in(self.dtype)
        looking_on = check_callbacks(callbacks)
        limit = check_seconds(max_seconds)
        team = resolve_threads(threads)
        rng = self._rng if check_flag(shuffle, "shuffle") else None
        watchers = [epoch_lines()] if check_verbose(verbose) else []
        if check_flag(progress, "progress"):
            watchers.append(progress_bar(n_epochs))
        given = Given(
            x, y, sample_weight, validation_data, validation_split, class_weight, label_smoothing
        )
        data, validation = given.prepared(self._architecture, n_epochs, self._next_split_seed)
        training = Training(self._core, settings, size, team, self.reduction)
        passes = pass_over(data, training, validation, rng)
        measure, measured = self._measure(check_metrics(metrics), data, validation)
        fit = Fit(
            training=training,
            data=passes,
            epochs=n_epochs,
            optimizer=sgd,
            callbacks=looking_on,
            max_seconds=limit,
            measure=measure,
            measured=measured,
            follower=_follower(early_stopping, measure, validation),
        )
        if validation_split is not None and self._split_seed is None:
            self._split_seed = self._next_split_seed()
            self._rng.integers(_SEEDS)
        history = fit.run(watchers)
        advice.after_fit(self, history, passes, float(sgd.lr), n_epochs, stacklevel=3)
        return history

    def _next_split_seed(self) -> int:
        """Return the seed of `validation_split`: the one in use, or the one to be drawn."""
        if self._split_seed is not None:
            return self._split_seed
        return int(copy.deepcopy(self._rng).integers(_SEEDS))

    def _measure(
        self,
        metrics: dict[str, Metric | str],
        data: Samples | Stream,
        validation: Samples | None,
    ) -> tuple[Measure | None, Samples | None]:
        """Return what evaluates the metrics, and what they are of."""
        if not metrics:
            return None, None
        measured = validation or data
        if isinstance(measured, Stream):
            raise ValueError(
                f"metrics need validation_data where x is a stream of batches, not {list(metrics)}"
            )
        kind = Kind(self.output, self.loss, self.sizes[-1], measured.y.shape[1:] == ())
        return Measure(metrics, kind, "" if validation is None else "validation_"), measured


def _follower(
    early_stopping: object, measure: Measure | None, validation: Samples | None
) -> Follower | None:
    if early_stopping is None:
        return None
    if not isinstance(early_stopping, EarlyStopping):
        raise TypeError(f"early_stopping must be a deltarule.EarlyStopping, not {early_stopping!r}")
    losses = ["loss"] if validation is None else ["loss", "validation_loss"]
    return Follower(early_stopping, [*losses, *(() if measure is None else measure.names)])
