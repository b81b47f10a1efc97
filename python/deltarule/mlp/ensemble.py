"""Many trained networks: what `fit_many` returns, and their mean as one network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deltarule.arguments import check_flag
from deltarule.layers import Array
from deltarule.mlp.network import MLP
from deltarule.training.history import History


@dataclass
class ManyFits:
    """What `fit_many` returns.

    Attributes
    ----------
    networks : list of MLP
        In the order of the configurations.
    histories : list of History
    table : list of dict
        One row a network: the configuration as given, then `epochs` done, `loss` of the last
        epoch, `held_out_loss` over the rows left out (None where none has weight), `diverged`. For
        ``polars.DataFrame(fits.table)`` or ``pandas.DataFrame(fits.table)``.
    """

    networks: list[MLP]
    histories: list[History]
    table: list[dict[str, Any]]

    def __len__(self) -> int:
        """Return the number of networks."""
        return len(self.networks)

    def __iter__(self) -> Iterator[MLP]:
        """Iterate over the networks."""
        return iter(self.networks)


class MLPEnsemble:
    """Networks whose predictions are averaged.

    Parameters
    ----------
    networks : sequence of MLP
        With as many inputs and outputs each.

    Raises
    ------
    TypeError, ValueError
        If they are no networks, or do not fit together.

    Examples
    --------
    >>> import deltarule as dr
    >>> ensemble = dr.MLPEnsemble([dr.MLP([2, 3, 1], seed=s) for s in range(3)])
    >>> ensemble.predict([[0.0, 1.0]]).shape
    (1, 1)
    """

    def __init__(self, networks: Sequence[MLP]) -> None:
        if not isinstance(networks, Iterable):
            raise TypeError(f"networks must be a sequence of MLP, not {networks!r}")
        self.networks = tuple(networks)
        if not self.networks:
            raise ValueError("networks must hold at least one network")
        for i, net in enumerate(self.networks):
            if not isinstance(net, MLP):
                raise TypeError(f"networks[{i}] must be a deltarule.MLP, not {net!r}")
            ends, first = (net.sizes[0], net.sizes[-1]), self.networks[0].sizes
            if ends != (first[0], first[-1]):
                raise ValueError(
                    f"networks[{i}] has {ends[0]} inputs and {ends[1]} outputs, "
                    f"networks[0] has {first[0]} and {first[-1]}"
                )

    def predict(
        self, x: ArrayLike, *, return_std: bool = False, threads: int | None = None
    ) -> Array | tuple[Array, Array]:
        """Compute the mean of the networks' predictions, and how far they are apart.

        Parameters
        ----------
        x : array_like of shape (n_samples, n_0)
        return_std : bool, default False
        threads : int, optional

        Returns
        -------
        mean : ndarray of shape (n_samples, n_L), float64
        std : ndarray of the same shape
            The standard deviation over the networks (that of a population); with `return_std`.

        Raises
        ------
        TypeError, ValueError
            If x does not fit or is not finite.
        """
        outputs = [net.predict(x, threads=threads).astype(np.float64) for net in self.networks]
        mean: Array = np.mean(outputs, axis=0)
        if not check_flag(return_std, "return_std"):
            return mean
        return mean, np.std(outputs, axis=0)
