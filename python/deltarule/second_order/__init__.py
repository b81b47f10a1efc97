"""Second-order training of small networks: Levenberg-Marquardt and L-BFGS, all samples at once.

`settings` (what the user chooses, the only module that is imported with the package), `call` (the
arguments of a fit) -> `loop` (what happens after each iteration); `objective` (the loss as a
function of theta) -> `levenberg_marquardt` and `lbfgs` (the iterations).
"""

from __future__ import annotations

from deltarule.second_order.settings import LBFGS, LevenbergMarquardt, SecondOrder

__all__ = ["LBFGS", "LevenbergMarquardt", "SecondOrder"]
