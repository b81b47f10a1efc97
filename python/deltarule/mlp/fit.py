"""`MLP.fit`: its signature and documentation; the training room is imported with the first fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

from numpy.typing import ArrayLike

from deltarule.arguments import whole_number
from deltarule.mlp.parameters import Parameterized

if TYPE_CHECKING:
    from deltarule.backend import MLPLike
    from deltarule.checkpoint.settings import Checkpoint
    from deltarule.optimizers import Optimizer
    from deltarule.reference import Descent
    from deltarule.schedules import Plateau, Schedule
    from deltarule.second_order import SecondOrder
    from deltarule.training.early_stopping import EarlyStopping
    from deltarule.training.history import EpochRecord, History
    from deltarule.training.metrics import Metrics

Batches = Iterable[tuple[ArrayLike, ...]] | Callable[[], Iterable[tuple[ArrayLike, ...]]]
Callback: TypeAlias = "Callable[[EpochRecord], object]"


class Trainable(Parameterized):
    """The part of `MLP` that trains it for epochs."""

    _history: History | None = None

    def fit(
        self,
        x: ArrayLike | Batches,
        y: ArrayLike | None = None,
        *,
        epochs: int = 10,
        batch_size: int | str | None = "auto",
        optimizer: Optimizer | SecondOrder | None = None,
        schedule: Schedule | Plateau | None = None,
        dropout: float | Sequence[float] = 0.0,
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
        checkpoint: Checkpoint | str | os.PathLike[str] | None = None,
    ) -> History:
        """Train for some epochs of mini-batches.

        Parameters
        ----------
        x, y, sample_weight, threads
            As for `evaluate`. C-ordered arrays of the network's dtype are not copied. A
            memory-mapped file or sparse matrix of more than 64 MiB is read in blocks of rows of
            16 MiB or one mini-batch. Or x alone, a stream of batches (x, y) or
            (x, y, sample_weight), one step per batch: an iterable that can be iterated over again,
            a callable that returns an iterator for each epoch, or an iterator for one epoch.
            `batch_size` and `shuffle` then have no effect.
        epochs : int, default 10
            Passes over the data, 0 or more.
        batch_size : int, None or "auto", default "auto"
            Samples per step; the last batch of an epoch may be smaller. None: all samples, plain
            gradient descent. "auto": 32, or all for the second-order optimizers.
        optimizer : SGD, Adam, AdamW, LevenbergMarquardt or LBFGS, optional
            By default ``SGD()``. The optimizer state stays with the network from call to call. The
            last two take all samples at once; an epoch is one iteration.
        schedule : schedule or callable, optional
            Learning rates in place of the optimizer's: one of `deltarule.schedules`, or any
            f(epoch) -> rate, called before each epoch; epochs count from 0 over all fits of the
            network. A stream has one rate per epoch.
        dropout : float in [0, 1), or one per hidden layer, default 0
            The share of the hidden units, drawn for each sample, that a step leaves out; the others
            are divided by 1 - dropout (Srivastava et al., JMLR 2014). `History.loss` is with
            dropout, everything else without.
        validation_data : (x, y) or (x, y, sample_weight), optional
            Evaluated after each epoch.
        validation_split : float in (0, 1), optional
            In place of validation_data: hold out m = round(validation_split * n) samples, the last
            m of a permutation, and train on the others in their order in x. The permutation is
            ``np.random.default_rng(seed).permutation(n)``, the seed drawn once from the network's
            random generator: each fit of a network to n samples holds out the same.
        class_weight : {class: weight} or "balanced", optional
            Multiplies the weights of the training samples; a class without an entry has weight 1.
            "balanced" is n / (classes present * samples of the class). For class indices, one-hot
            rows, and 0 and 1 with one output.
        label_smoothing : float in [0, 1), default 0
            Train on (1 - s) y + s / K for cross_entropy, (1 - s) y + s / 2 for
            binary_cross_entropy, K outputs; class indices become an array (n, K), once.
            Validation and metrics use y unchanged.
        shuffle : bool, default True
            A fresh order every epoch, from the network's random generator.
        early_stopping : EarlyStopping, optional
            When to stop, and whether to restore the parameters of the best epoch.
        metrics : name, callable, or several, or {name: either}
            Evaluated after each epoch on the validation data, recorded as "validation_<name>";
            without them on the training data. "accuracy" (largest output for softmax and
            cross_entropy, else y_hat on y's side of 1/2, of 0 for tanh), "r2", "mae", "rmse", or
            f(y, y_hat) -> float, y being (n,) class indices or (n, n_L). Sample weights do not
            enter.
        callbacks : callable or iterable of callables
            Each is called after every epoch with a dict: epoch (from 1), epochs, loss,
            validation_loss (None without validation data), metrics (a dict), learning_rate,
            seconds, samples_per_second. One that returns True ends the training. They may use
            the network.
        max_seconds : float, optional
            No epoch begins after that time.
        verbose : {0, 1}, default 0
            1: one line per epoch on stderr.
        progress : bool, default False
            Show a bar in a terminal (on stderr) or a notebook, nothing in a pipe (extra
            `progress`).
        checkpoint : Checkpoint or path, optional
            Where to save the state of the training, so that `deltarule.resume` can continue it
            after any interruption, to the same bits.

        Returns
        -------
        History

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit or is not finite; nothing has changed. Where a later batch
            of a stream is wrong, the network is as the batch before left it.
        DivergenceError
            If the loss or a parameter is not finite any more; the parameters are those of the
            last finite epoch.
        KeyboardInterrupt
            On Ctrl-C; the network is at a whole mini-batch, `history` has the complete epochs.
        OSError
            If the first checkpoint cannot be written; nothing has changed.

        Warns
        -----
        TrainingAdvice
            After a fit of 50 ms or more: see `set_advice`. Not with LevenbergMarquardt and LBFGS.

        Notes
        -----
        Fits continue each other: 5 epochs twice are 10 epochs, bit for bit, except that the
        patience of early stopping restarts, as do LevenbergMarquardt and LBFGS. Blocks of rows and
        streams give the same parameters as the same batches in memory, bit for bit (with the
        second-order optimizers up to rounding), and the same losses up to rounding. Without
        callbacks, early stopping, metrics, verbose and progress, many epochs are one call of the
        core.

        Examples
        --------
        >>> import numpy as np
        >>> import deltarule as dr
        >>> x = np.linspace(-1, 1, 64).reshape(-1, 1)
        >>> net = dr.MLP([1, 16, 1], hidden="tanh", seed=0)
        >>> history = net.fit(x, x**2, epochs=200, optimizer=dr.SGD(lr=0.1, momentum=0.9))
        >>> history.loss[-1] < 0.01
        True

        Batches made on demand:

        >>> def batches():
        ...     for i in range(0, 64, 16):
        ...         yield x[i : i + 16], x[i : i + 16] ** 2
        >>> len(net.fit(batches, epochs=3))
        3
        """
        from deltarule.training.fit import fit
        from deltarule.training.fit_data import FitData
        from deltarule.training.options import FitOptions

        options = FitOptions.checked(
            self._architecture,
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            schedule=schedule,
            dropout=dropout,
            validation_split=validation_split,
            class_weight=class_weight,
            label_smoothing=label_smoothing,
            shuffle=shuffle,
            early_stopping=early_stopping,
            metrics=metrics,
            callbacks=callbacks,
            max_seconds=max_seconds,
            verbose=verbose,
            progress=progress,
            threads=threads,
            checkpoint=checkpoint,
        )
        data = FitData(x, y, sample_weight, validation_data)
        return fit(cast("MLPLike", self), data, options)

    def gradient_descent(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        lr: float,
        max_iterations: int = 1000,
        sample_weight: ArrayLike | None = None,
        threads: int | None = None,
    ) -> Descent:
        """Descend along the gradient over all samples: the lecture notes' algorithm of that name.

        t = 0 .. max_iterations - 1: theta_{t+1} = theta_t - lr dL/dtheta_t (notes 003). It is
        ``fit(x, y, epochs=max_iterations, batch_size=None, shuffle=False, optimizer=SGD(lr))``;
        `fit` has everything else: mini-batches, momentum, schedules, validation.

        Parameters
        ----------
        x, y, sample_weight, threads
            As for `evaluate`.
        lr : float
            eta, above 0.
        max_iterations : int, default 1000
            0 or more.

        Returns
        -------
        deltarule.reference.Descent
            `weights` and `biases`, copies of the network's after the last step, and `losses`,
            L(theta_t) for every t.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit or is not finite; nothing has changed.
        DivergenceError
            As for `fit`.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([1, 1], dtype="float64", init=([[[0.0]]], [[0.0]]))
        >>> descent = net.gradient_descent([[1.0], [2.0]], [3.0, 5.0], lr=0.2)
        >>> net.W[1].round(3).item(), net.b[1].round(3).item(), len(descent.losses)  # y = 2 x + 1
        (2.0, 1.0, 1000)
        """
        from deltarule.optimizers import SGD
        from deltarule.reference import Descent

        history = self.fit(
            x,
            y,
            epochs=whole_number(max_iterations, "max_iterations", 0),
            batch_size=None,
            optimizer=SGD(lr=lr),
            shuffle=False,
            sample_weight=sample_weight,
            threads=threads,
        )
        weights, biases = ([p.copy() for p in part] for part in (self.weights, self.biases))
        return Descent(weights, biases, list(history.loss))

    @property
    def history(self) -> History | None:
        """The history of the last fit, also if it was interrupted; None before the first fit."""
        return self._history
