"""One fit, from the call to the history.

`options`: every option, checked -> `fit_data`: the samples -> `fit` -> `loop`: `progress`, epoch by
epoch -> `epochs`: arrays in memory, `epochs_out_of_core`: blocks of rows and streams ->
`core_call`.
They use `learning_rate` and `sampling`, which change from epoch to epoch. The `observers` of an
epoch are `metrics`, `early_stopping`, callbacks and `display`; `advice` follows the fit.
"""
