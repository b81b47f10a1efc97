"""The loss of some rows in float64 as a function of one parameter at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule import reference
from deltarule.proof import analytic
from deltarule.proof.model import Model

Array = NDArray[Any]

# How far z may move in a central difference, and the imaginary step, whose square is nothing.
STEP, IMAGINARY_STEP = 1e-5, 1e-30

# Numbers that are at work at a time.
_CHUNK = 2**20


class Entries(NamedTuple):
    """Some parameters of a layer: W[units, columns], or b[units] where columns is None."""

    layer: int
    units: Array
    columns: Array | None

    @property
    def kind(self) -> str:
        """W or b."""
        return "b" if self.columns is None else "W"

    @property
    def name(self) -> str:
        """The tensor of their derivatives."""
        return f"dL/d{self.kind}[{self.layer}]"

    def of(self, weights: Sequence[Array], biases: Sequence[Array]) -> Array:
        """Return these entries of tensors shaped as W[l] and b[l], at l - 1, or of one a kind."""
        tensors = weights if self.columns is not None else biases
        tensor = tensors[self.layer - 1 if len(tensors) > 1 else 0]
        chosen: Array = tensor[
            (self.units,) if self.columns is None else (self.units, self.columns)
        ]
        return chosen

    @property
    def places(self) -> Array:
        """The index of each, a row."""
        return np.stack([a for a in (self.units, self.columns) if a is not None], axis=1)

    def parts(self, size: int) -> Iterator[Entries]:
        """Yield so many at a time."""
        for first in range(0, len(self.units), size):
            part = slice(first, first + size)
            columns = None if self.columns is None else self.columns[part]
            yield Entries(self.layer, self.units[part], columns)


class Slopes(NamedTuple):
    """Derivatives by the differences, how far they may be off, and where there is a kink."""

    values: Array
    bounds: Array
    at_kink: Array


@dataclass(frozen=True, eq=False)
class Landscape:
    """The loss around a network's parameters.

    Parameters
    ----------
    model : Model
    weights, biases : list of ndarray, float64
    x, y : ndarray, float64
        (n, n_0) and (n, n_L).
    c : ndarray of shape (n,)
        Of L = sum_i c_i L_i.
    forward : reference.Forward
    """

    model: Model
    weights: list[Array]
    biases: list[Array]
    y: Array
    c: Array
    forward: reference.Forward

    @property
    def is_analytic(self) -> bool:
        """Whether a complex step can be taken."""
        return not self.model.has_own

    def slopes(self, entries: Entries, loss_rounding: float) -> Slopes:
        """Return dL/dtheta of some entries.

        Parameters
        ----------
        entries : Entries
        loss_rounding : float
            How far a loss may be off.
        """
        widest = max(self.model.architecture.sizes[entries.layer :])
        size = max(1, _CHUNK // (widest * len(self.c)))
        slopes = self._by_complex_step if self.is_analytic else self._by_central_differences
        parts = [slopes(part, loss_rounding) for part in entries.parts(size)]
        return Slopes(*map(np.concatenate, zip(*parts, strict=True)))

    def _by_complex_step(self, entries: Entries, loss_rounding: float) -> Slopes:
        moved = self._moves(entries) * (1j * IMAGINARY_STEP)
        values = self._losses(entries, moved)[0].imag @ self.c / IMAGINARY_STEP
        return Slopes(values, np.zeros(len(values)), np.zeros(len(values), bool))

    def _by_central_differences(self, entries: Entries, loss_rounding: float) -> Slopes:
        moves = self._moves(entries)
        steps = STEP / np.maximum(1.0, np.abs(moves).max(axis=0))
        values, at_kink = [], np.zeros(len(steps), bool)
        for step in (steps, 2 * steps):
            (up, slopes_up), (down, slopes_down) = (
                self._losses(entries, moves * s) for s in (step, -step)
            )
            values.append((up - down) @ self.c / (2 * step))
            for s, t in zip(slopes_up, slopes_down, strict=True):
                jumps = np.abs(s - t) > 0.01 * (1.0 + np.abs(s))
                at_kink |= jumps.reshape(len(steps), -1).any(axis=1)
        # the error of h^2 is a third of what 2 h changes
        bounds = np.abs(values[1] - values[0]) + loss_rounding / steps
        return Slopes(values[0], bounds, at_kink)

    def _moves(self, entries: Entries) -> Array:
        """Return how much z[l] of each entry's unit moves by a step of 1, (n, entries)."""
        if entries.columns is None:
            return np.ones((len(self.c), len(entries.units)))
        return self.forward.a[entries.layer - 1][:, entries.columns]

    def _losses(self, entries: Entries, moved: Array) -> tuple[Array, list[Array]]:
        """Return L_i of each entry moved, (entries, n); of own functions their slopes as well."""
        count, n, l = len(entries.units), len(self.c), entries.layer  # noqa: E741
        L, z, slopes = self.model.architecture.n_layers, self.forward.z, list[Array]()
        values, losses = self._functions()
        z_l = z[l - 1][:, entries.units] + moved  # (n, entries)
        if l < L:
            a_l = values[l - 1](z_l)
            slopes += self._slopes(l, z_l.T, a_l.T)
            change = (a_l - self.forward.a[l][:, entries.units]).T[:, :, np.newaxis]
            if self.is_analytic:  # the real part stays
                change = 1j * change.imag
            z_l = z[l] + change * self.weights[l][:, entries.units].T[:, np.newaxis, :]
        else:
            column, z_l = z_l, np.repeat(z[-1][np.newaxis].astype(z_l.dtype), count, axis=0)
            z_l[np.arange(count), :, entries.units] = column.T
        z_l = z_l.reshape(count * n, -1)
        for k in range(l + 1, L):
            a = values[k - 1](z_l)
            slopes += self._slopes(k, z_l, a)
            if self.is_analytic:
                z_l = (a.imag @ self.weights[k].T).reshape(count, n, -1) * 1j + z[k]
                z_l = z_l.reshape(count * n, -1)
            else:
                z_l = a @ self.weights[k].T + self.biases[k]
        y = np.tile(self.y, (count, 1))
        if not self.is_analytic:
            y_hat = reference.OUTPUTS[self.model.architecture.output].value(z_l)
            if self.model.pair is None:
                slopes.append(np.asarray(self.model.loss.gradient(y_hat, y)))
        return losses(z_l, y).reshape(count, n), slopes

    def _slopes(self, layer: int, z: Array, a: Array) -> list[Array]:
        if self.is_analytic:
            return []
        return [np.asarray(self.model.activations[layer - 1].derivative(z, a))]

    def _functions(self) -> tuple[list[Callable[[Array], Array]], Callable[[Array, Array], Array]]:
        """Return g of each hidden layer, and L_i from z[L] and y."""
        if self.is_analytic:
            return analytic.activations(self.model.architecture), analytic.sample_losses(
                self.model.architecture
            )
        output, pair = reference.OUTPUTS[self.model.architecture.output], self.model.pair

        def losses(z: Array, y: Array) -> Array:
            if pair is not None:
                return pair.value(z, y).sum(axis=1)
            return np.asarray(self.model.loss.value(output.value(z), y))

        return [g.value for g in self.model.activations], losses
