"""What shows that the mathematics is right, by name: every quantity, and what it should be.

`trace` shows them. `verify` compares: `passes` and `update` step by step with the reference, within
the bounds of `arithmetic` and `magnitudes`; `differences` with slopes of the loss (`landscape`),
within those of `rounding`; a `report` is made of the `ledger`'s lines. `check` takes differences of
the network's own loss.
"""
