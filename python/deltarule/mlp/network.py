"""The network: `MLP`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from deltarule import defaults, names
from deltarule._load import core
from deltarule.architecture import Architecture
from deltarule.backend import loss_of, predict_into
from deltarule.config import resolve_threads
from deltarule.custom.core import make_core
from deltarule.custom.functions import ActivationWord, CustomLoss, Of1, Of2
from deltarule.data import validation
from deltarule.errors import DivergenceError, at_layer
from deltarule.layers import Array, split_theta
from deltarule.mlp.derivatives import Differentiable
from deltarule.mlp.fit import Trainable
from deltarule.mlp.gradients import Gradients
from deltarule.mlp.initializers import NAMES, generator, initial_parameters
from deltarule.mlp.verification import Provable

if TYPE_CHECKING:
    from deltarule.optimizers import Optimizer

Hidden: TypeAlias = ActivationWord | tuple[Of1, Of2]


class MLP(Trainable, Differentiable, Provable):
    """A multilayer perceptron.

    For l = 1..L: z[l] = W[l] a[l-1] + b[l], a[l] = g(z[l]) with a[0] = x, and y_hat = O(z[L]).

    Parameters
    ----------
    sizes : sequence of int
        n_0 .. n_L: inputs, hidden widths, outputs. Two entries are a network without hidden layer
        (linear, logistic or softmax regression).
    hidden : str, CustomActivation, (value, derivative), or a sequence of them, default "relu"
        g, one for all or one per hidden layer: the name of an activation in docs/theory.md, such as
        relu, tanh, sigmoid (logistic), identity (linear) or gelu (tanh form), or a custom function,
        see `CustomActivation`. A tuple of two callables is one such function, for all layers.
    output : str, CustomActivation or (value, derivative), default "identity"
        O: any of the activations above, softmax or exp, or a custom function.
    loss : str, CustomLoss or (value, gradient), optional
        By default the output's own: binary_cross_entropy (sigmoid), cross_entropy (softmax),
        poisson (exp), else squared_error. A custom loss goes with any output, see
        `CustomLoss`. With e_j = y_hat_j - y_j and K outputs:

        - squared_error: 1/2 sum_j e_j^2
        - sum_squared_error: sum_j e_j^2
        - mean_squared_error: 1/K sum_j e_j^2
        - absolute_error: sum_j abs(e_j)
        - huber: sum_j of 1/2 e_j^2 where abs(e_j) <= d, else d (abs(e_j) - d/2)
        - binary_cross_entropy (log_loss for one output):
          -sum_j (y_j log y_hat_j + (1 - y_j) log(1 - y_hat_j)), with sigmoid or softmax
        - cross_entropy: -sum_j y_j log y_hat_j, with softmax or sigmoid
        - poisson: sum_j (y_hat_j - y_j log y_hat_j), with exp, softplus, sigmoid or softmax
    reduction : {"mean", "sum"}, default "mean"
        Over the samples, with weights w: sum_i w_i L_i / sum_i w_i, or sum_i w_i L_i.
    dtype : {"float32", "float64"}
        Of the parameters and of every computation.
    init : str or (weights, biases), default "auto"
        Initial parameters: "auto" (he_normal for relu and its kin, else glorot_uniform),
        "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform",
        "lecun_normal", "notes" (N(0, 1/fan_in)), "torch", or arrays. Biases are 0 except with
        "torch".
    seed : int, numpy Generator or None
        Of the initial parameters and of the shuffling in `fit`. A Generator is used itself, not
        copied.
    leaky_slope : float, default 0.01
        Slope of leaky_relu below 0, in [0, 1].
    huber_delta : float, default 1.0
        The d of the Huber loss, above 0.

    Attributes
    ----------
    sizes, hidden, output, loss, reduction, dtype, leaky_slope, huber_delta
        As given, names in their canonical form.
    weights, biases : tuple of ndarray
        W[l] (n_l, n_{l-1}) and b[l] (n_l,) of layer l at position l - 1: live, read-only views;
        `set_parameters` and `theta` replace them.
    W, b : Layers
        The same by the number of the layer: ``net.W[1]`` is ``net.weights[0]``.
    theta : ndarray
        A copy of all parameters in one vector; set as a whole: ``net.theta = theta``.
    n_parameters : int

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the rule and the value given.
    MemoryError
        If the parameters do not fit.

    Notes
    -----
    Which `loss` and `reduction` are which "squared error", with N samples and K outputs:

    - squared_error, "mean" (the defaults), 1/(2N) sum_ij e_ij^2: of notes 000, 002 and 004 (their
      "Mean Squared Error"), of scikit-learn's MLPRegressor (whose ``loss_`` is that over K)
    - squared_error, "sum", 1/2 sum_ij e_ij^2: of notes 001
    - sum_squared_error, "mean", 1/N sum_ij e_ij^2: of notes 003
    - mean_squared_error, "mean", 1/(NK) sum_ij e_ij^2: of Keras's MeanSquaredError, PyTorch's
      MSELoss()
    - sum_squared_error, "sum", sum_ij e_ij^2: of PyTorch's MSELoss(reduction="sum")

    Quantities of a layer are indexed by l as in the notes, 1 being the first layer: ``net.W[1]``,
    ``grads.dL_dW[1]``, ``net.activations(x)[1]``, ``net.trace(x, y).z[1]``. Plain tuples and lists
    (`weights`, `biases`, ``grads.weights``, `hidden`) have layer l at position l - 1.

    Every result has the same bits for any number of threads, and ``predict(x)[i]`` has those of
    ``predict(x[i:i+1])[0]``. Subnormal numbers are taken as zero.

    Examples
    --------
    The exclusive or, learned by two layers:

    >>> import numpy as np
    >>> import deltarule as dr
    >>> x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    >>> y = np.array([0.0, 1, 1, 0])
    >>> net = dr.MLP([2, 8, 1], hidden="tanh", output="sigmoid", seed=1)
    >>> history = net.fit(x, y, epochs=500, batch_size=None, optimizer=dr.SGD(lr=0.5, momentum=0.9))
    >>> net.predict(x).round(1).ravel().tolist()
    [0.0, 1.0, 1.0, 0.0]
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        hidden: Hidden | Sequence[Hidden] = defaults.HIDDEN,
        output: Hidden = defaults.OUTPUT,
        loss: str | CustomLoss | tuple[Of2, Of2] | None = None,
        reduction: str = defaults.REDUCTION,
        dtype: str | type | np.dtype[Any] = "float32",
        init: str | tuple[Sequence[ArrayLike], Sequence[ArrayLike]] = defaults.INIT,
        seed: int | np.random.Generator | None = None,
        leaky_slope: float = defaults.LEAKY_SLOPE,
        huber_delta: float = defaults.HUBER_DELTA,
    ) -> None:
        self._architecture = Architecture.checked(
            sizes, hidden, output, loss, reduction, dtype, leaky_slope, huber_delta
        )
        if isinstance(init, str):
            names.known_name(init, "init", NAMES)
        self._rng = generator(seed)
        self._core = make_core(self._architecture)
        if isinstance(init, str):
            weights, biases = initial_parameters(self.sizes, self.hidden, init, self._rng)
            self._core.set_theta(self._flatten(weights, biases))
        elif isinstance(init, Sequence) and len(init) == 2:
            self.set_parameters(*init)
        else:
            raise TypeError(f"init must be a name or (weights, biases), not {init!r}")

    @core.fast_predict
    def predict(
        self, x: ArrayLike, *, out: Array | None = None, threads: int | None = None
    ) -> Array:
        """Compute y_hat.

        Parameters
        ----------
        x : array_like of shape (n_samples, n_0) or (n_0,)
            An array, a list, a pandas or polars table, a SciPy sparse matrix or a memory-mapped
            file; the latter two are read in blocks of rows if larger than 64 MiB. One row may be
            1-D.
        out : ndarray of shape (n_samples, n_L), or (n_L,) for 1-D x, optional
            Where to write: of the network's dtype, C-contiguous, not overlapping x.
        threads : int, optional
            At most; by default `get_num_threads`.

        Returns
        -------
        ndarray
            `out`, or a new array of that shape.

        Raises
        ------
        TypeError, ValueError
            If x or out does not fit, or x is not finite.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([3, 2], output="softmax", seed=0)
        >>> net.predict([[1.0, 2.0, 3.0]]).shape
        (1, 2)
        """
        one_row = validation.one_row(x)
        if one_row is not None:
            validation.check_one_row(one_row, self.sizes[0], self.dtype)
            row = self.predict(
                one_row.reshape(1, -1),
                out=None if out is None else validation.output_row(out, self.sizes[-1], self.dtype),
                threads=threads,
            )
            return row[0] if out is None else out
        rows = validation.sample_rows(x, self.sizes[0], self.dtype)
        shape = (len(rows), self.sizes[-1])
        if out is None:
            out = np.empty(shape, self.dtype)
        else:
            out = validation.output_array(out, shape, self.dtype, x)
        return predict_into(self._core, rows, out, resolve_threads(threads))

    __call__ = predict

    def evaluate(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        threads: int | None = None,
    ) -> float:
        """Compute the loss.

        Parameters
        ----------
        x : array_like of shape (n_samples, n_0) or (n_0,)
            As for `predict`.
        y : array_like
            (n_samples, n_L), or (n_samples,) with one output; for cross_entropy also class
            indices (n_samples,), or rows of probabilities that sum to 1. Of one sample, 1-D x,
            (n_L,), a number with one output, or a class index; (n_L,) is then always the row of
            its targets.
        sample_weight : array_like of shape (n_samples,), optional
            0 or more; for one sample a number is enough.
        threads : int, optional

        Returns
        -------
        float
            Reduced over the samples as `reduction` says.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit or is not finite.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([1, 1], init=([[[1.0]]], [[0.0]]))
        >>> net.evaluate([[1.0], [2.0]], [0.0, 0.0])  # (1/2 + 4/2) / 2
        1.25
        >>> net.evaluate([2.0], 0.0)  # one sample
        2.0
        """
        samples = validation.checked_samples(self._architecture, x, y, sample_weight)
        return loss_of(self._core, samples, self.reduction, resolve_threads(threads))

    def value_and_grad(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        threads: int | None = None,
    ) -> tuple[float, Gradients]:
        """Compute the loss and its gradient by backpropagation.

        delta[l] = dL/dz[l], from the output down: delta[l] = (W[l+1]^T delta[l+1]) * g'(z[l]);
        then dL/dW[l] = delta[l] a[l-1]^T and dL/db[l] = delta[l], summed over the samples.

        Parameters
        ----------
        x, y, sample_weight, threads
            As for `evaluate`.

        Returns
        -------
        value : float
            The loss.
        grads : Gradients
            With `weights`, `biases` and `theta`.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit or is not finite.
        DivergenceError
            If the loss is not finite, so that there is no gradient.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([1, 1], init=([[[1.0]]], [[0.0]]))
        >>> value, grads = net.value_and_grad([[2.0]], [[1.0]])
        >>> value, grads.weights[0].item(), grads.dL_dW[1].item(), grads.dL_db[1].item()
        (0.5, 2.0, 2.0, 1.0)
        """
        batch = validation.checked_batch(self._architecture, x, y, sample_weight)
        value, theta = self._core.value_and_gradient(*batch, resolve_threads(threads))
        if not math.isfinite(value):
            layer = self._core.first_not_finite(*batch)
            message = f"the loss is {value}; it has no gradient; {at_layer(layer)}"
            raise DivergenceError(message, 1, 1, layer or None)
        return value, self._gradients(theta)

    def _gradients(self, theta: Array) -> Gradients:
        return Gradients(*split_theta(theta, self._architecture.shapes), theta)

    @core.fast_train_step
    def train_step(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        optimizer: Optimizer | None = None,
        sample_weight: ArrayLike | None = None,
        threads: int | None = None,
    ) -> float:
        """Do one forward pass, backward pass and update on this mini-batch.

        Parameters
        ----------
        x, y, sample_weight, threads
            As for `evaluate`.
        optimizer : SGD, Adam or AdamW, optional
            By default ``SGD()``. The optimizer state stays with the network.

        Returns
        -------
        float
            The loss before the update.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit or is not finite; the network is as it was.
        DivergenceError
            If the loss is not finite, or the update overflows; the network is as it was.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([1, 1], init=([[[1.0]]], [[0.0]]))
        >>> net.train_step([[2.0]], [[1.0]], optimizer=dr.SGD(lr=0.1))
        0.5
        >>> round(net.weights[0].item(), 6)
        0.8
        """
        settings = _check_optimizer()(optimizer)._settings_in(self.dtype)
        batch = validation.checked_batch(self._architecture, x, y, sample_weight)
        trouble = "the loss is not finite"
        try:
            loss = self._core.train_step(*batch, settings, resolve_threads(threads))
            if math.isfinite(loss):
                return loss
        except core.UpdateOverflow as error:
            trouble = str(error)
        layer = self._core.first_not_finite(*batch)
        message = (
            f"{trouble} on this mini-batch; {at_layer(layer)}; nothing was updated. "
            "Try a lower learning rate, or scale the inputs"
        )
        raise DivergenceError(message, 1, 1, layer or None)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write parameters and architecture to a safetensors file, which `deltarule.load` reads.

        The file is replaced as a whole: after a crash it is the old one or the new one.

        Parameters
        ----------
        path : str or path

        Raises
        ------
        ModelFileError
            If the loss or an activation is a custom function, which no file can hold.
        OSError
            If it cannot be written.

        Examples
        --------
        See `deltarule.load`.
        """
        from deltarule.io import model_file

        model_file.write_model(path, self)


@cache
def _check_optimizer() -> Callable[[object], Optimizer]:
    """Import with the first step, not with the package; an import statement takes 0.8 us."""
    from deltarule.optimizers import check_optimizer

    return check_optimizer
