"""The data set inside the package: 1797 images of handwritten digits, 8 x 8 pixels.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
Learning Repository, 1998, DOI 10.24432/C50P49, licensed under CC BY 4.0
(https://creativecommons.org/licenses/by/4.0/). These are the 1797 images of its test set, in
their order; a pixel counts the inked points of a 4 x 4 block, 0 to 16. Changes: stored as
unsigned bytes in an npz file.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

PIXEL_MAXIMUM = 16


def load_digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the handwritten digits as inputs and class indices.

    Returns
    -------
    images : ndarray of shape (1797, 64), float32
        One image a row, its 8 x 8 pixels row by row, from 0 (paper) to 1 (ink). Every value is
        a multiple of 1/16, hence exact.
    labels : ndarray of shape (1797,), int64
        The digit drawn, 0 to 9; 174 to 183 images of each.

    Notes
    -----
    The source and the license are named in the module's docstring.

    Examples
    --------
    >>> import deltarule as dr
    >>> images, labels = dr.load_digits()
    >>> images.shape, str(images.dtype), float(images.min()), float(images.max())
    ((1797, 64), 'float32', 0.0, 1.0)
    >>> labels[:10].tolist()
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    with (files("deltarule") / "data" / "digits.npz").open("rb") as file:
        with np.load(file, allow_pickle=False) as archive:
            images, labels = archive["images"], archive["labels"]
    pixels = images.reshape(len(images), -1).astype(np.float32) / np.float32(PIXEL_MAXIMUM)
    return pixels, labels.astype(np.int64)
