"""Every quantity of the notes' derivation, by name.

`equations` are the formulas, `derivation` their order, `rendering` text and Markdown; `trace` has
the values, `algorithms` are the notes' two passes.
"""
