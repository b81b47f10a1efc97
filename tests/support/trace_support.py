"""Two networks worked by hand, whose traces the tests read, print and write."""

from __future__ import annotations

import deltarule as dr
from deltarule.trace.trace import Trace


def by_hand() -> Trace:
    """Notes 002, (12) to (20), one example. h = ReLU(W1 x + b1), f = W2 h + b2.

    x = (2, 1), W1 = (1 2; 3 -4), b1 = (1, -4): z[1] = (2 + 2 + 1, 6 - 4 - 4) = (5, -2), h = (5, 0).
    W2 = (5 6), b2 = -8: f = 25 - 8 = 17. y = 15: L = 1/2 (17 - 15)^2 = 2, dL/df = 17 - 15 = 2.
    dL/dh = W2^T 2 = (10, 12), delta[1] = 1(h > 0) dL/dh = (10, 0).
    dL/dW2 = 2 h^T = (10 0), dL/db2 = 2, dL/dW1 = delta[1] x^T = (20 10; 0 0), dL/db1 = (10, 0).
    """
    net = dr.MLP([2, 2, 1], init=([[[1, 2], [3, -4]], [[5, 6]]], [[1, -4], [-8]]))
    return net.trace([2.0, 1.0], 15.0)


def weighted() -> Trace:
    """Two samples of weights 1 and 3, f = 2 x.

    f = (2, 4), y = (1, 8), errors (1, -4), L_i = (1/2, 8).
    L = (1/2 + 24) / 4 = 6.125; delta = (1 * 1, 3 * -4) / 4 = (0.25, -3); dL/dW = 0.25 - 6 = -5.75.
    """
    net = dr.MLP([1, 1], init=([[[2.0]]], [[0.0]]))
    return net.trace([[1.0], [2.0]], [1.0, 8.0], [1.0, 3.0])
