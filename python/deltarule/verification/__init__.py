"""Checks that the mathematics is right: quantities of the core beside their expected values.

`verify` compares: `compare_passes` and `compare_update` step by step with the reference, within the
bounds of `arithmetic` and `error_terms`; `compare_slopes` with `slopes` of the loss, within those
of `slope_error`; a `report` is made of `comparisons`. `gradcheck` takes differences of the
network's own loss.
"""
