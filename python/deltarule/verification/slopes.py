"""The loss of some rows in float64 as a function of one parameter at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from deltarule import reference
from deltarule.layers import Array
from deltarule.verification import analytic
from deltarule.verification.reference_model import Model

# The largest step of z in a central difference; the imaginary step, whose square underflows.
STEP, IMAGINARY_STEP = 1e-5, 1e-30

# Numbers computed at a time.
_NUMBERS = 2**20


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
        """Return these entries of tensors shaped as W[l] and b[l], at l - 1, or of the only one."""
        tensors = biases if self.columns is None else weights
        tensor = tensors[self.layer - 1 if len(tensors) > 1 else 0]
        place = (self.units,) if self.columns is None else (self.units, self.columns)
        chosen: Array = tensor[place]
        return chosen

    @property
    def places(self) -> Array:
        """The indices of the entries, one row per entry."""
        return np.stack([a for a in (self.units, self.columns) if a is not None], axis=1)

    def parts(self, size: int) -> Iterator[Entries]:
        """Yield the entries, `size` at a time."""
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
class LossFunction:
    """The loss around a network's parameters.

    Parameters
    ----------
    model : Model
    weights, biases : list of ndarray, float64
    y : ndarray of shape (n, n_L), float64
    c : ndarray of shape (n,)
        Of L = sum_i c_i L_i.
    forward : reference.Forward
        At the parameters.
    """

    model: Model
    weights: list[Array]
    biases: list[Array]
    y: Array
    c: Array
    forward: reference.Forward

    def slopes(self, entries: Entries, loss_rounding: float) -> Slopes:
        """Return dL/dtheta of some entries: by the complex step, or by central differences.

        The latter where a function is custom.

        Parameters
        ----------
        entries : Entries
        loss_rounding : float
            How far a loss may be off.
        """
        widest = max(self.model.architecture.sizes[entries.layer :])
        size = max(1, _NUMBERS // (widest * len(self.c)))
        parts = [
            self._central_differences(part, loss_rounding)
            if self.model.has_own
            else self._complex_step(part)
            for part in entries.parts(size)
        ]
        return Slopes(*map(np.concatenate, zip(*parts, strict=True)))

    def _complex_step(self, entries: Entries) -> Slopes:
        losses, _ = self._losses(entries, 1j * IMAGINARY_STEP * self._moves(entries))
        values = losses.imag @ self.c / IMAGINARY_STEP
        return Slopes(values, np.zeros(len(values)), np.zeros(len(values), bool))

    def _central_differences(self, entries: Entries, loss_rounding: float) -> Slopes:
        moves = self._moves(entries)
        steps = STEP / np.maximum(1.0, np.abs(moves).max(axis=0))
        values, at_kink = [], np.zeros(len(steps), bool)
        for step in (steps, 2.0 * steps):
            up, slopes_up = self._losses(entries, step * moves)
            down, slopes_down = self._losses(entries, -step * moves)
            values.append((up - down) @ self.c / (2.0 * step))
            for s, t in zip(slopes_up, slopes_down, strict=True):
                jumps = np.abs(s - t) > 0.01 * (1.0 + np.abs(s))
                at_kink |= jumps.reshape(len(steps), -1).any(axis=1)
        # the error of h^2 is a third of what 2 h changes
        bounds = np.abs(values[1] - values[0]) + loss_rounding / steps
        return Slopes(values[0], bounds, at_kink)

    def _moves(self, entries: Entries) -> Array:
        """Return how far z[l] of an entry's unit moves with the entry, (n, entries)."""
        if entries.columns is None:
            return np.ones((len(self.c), len(entries.units)))
        moves: Array = self.forward.a[entries.layer - 1][:, entries.columns]
        return moves

    def _losses(self, entries: Entries, moved: Array) -> tuple[Array, list[Array]]:
        """Return L_i with each entry moved, (entries, n), and the slopes of own functions there.

        moved: how far that moves z[l] of its unit, (n, entries).
        """
        layer, last, slopes = entries.layer, self.model.architecture.n_layers, list[Array]()
        column = (self.forward.z[layer][:, entries.units] + moved).T
        if layer == last:
            z = np.repeat(self.forward.z.last[np.newaxis].astype(column.dtype), len(column), axis=0)
            z[np.arange(len(column)), :, entries.units] = column
        else:
            a = self._activated(layer, column, slopes)
            change = self._change(a, self.forward.a[layer][:, entries.units].T)
            W = self.weights[layer][:, entries.units].T
            z = self._moved_z(layer, change[:, :, np.newaxis] * W[:, np.newaxis, :])
        for k in range(layer + 1, last):
            a = self._activated(k, z, slopes)
            z = self._moved_z(k, self._change(a, self.forward.a[k]) @ self.weights[k].T)
        z, y = z.reshape(-1, z.shape[-1]), np.tile(self.y, (len(column), 1))
        if self.model.has_own and self.model.pair is None:
            y_hat = self.model.output.value(z)
            slopes.append(np.asarray(self.model.loss.gradient(y_hat, y)))
        return self._functions[1](z, y).reshape(len(column), -1), slopes

    def _activated(self, layer: int, z: Array, slopes: list[Array]) -> Array:
        """Return a[l] of (entries, n, n_l) or of one unit each; append g' of custom functions."""
        flat = z.reshape(len(z) * len(self.c), -1)
        a = np.asarray(self._functions[0][layer - 1](flat))
        if self.model.has_own:
            slopes.append(np.asarray(self.model.activations[layer - 1].derivative(flat, a)))
        return a.reshape(z.shape)

    def _change(self, a: Array, here: Array) -> Array:
        """Return how far a[l] has moved: along the imaginary axis in a complex step."""
        change: Array = a - here if self.model.has_own else a.imag
        return change

    def _moved_z(self, layer: int, change: Array) -> Array:
        """Return z[l + 1] with that."""
        z: Array = self.forward.z[layer + 1]
        if self.model.has_own:
            return z + change
        moved = np.empty(np.broadcast_shapes(z.shape, change.shape), np.complex128)
        moved.real, moved.imag = z, change
        return moved

    @cached_property
    def _functions(self) -> tuple[list[analytic.Of1], analytic.Of2]:
        """The g of each hidden layer, and L_i from z[L] and y."""
        return analytic.functions(self.model.architecture)
