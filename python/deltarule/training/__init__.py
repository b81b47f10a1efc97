"""One fit, from the call to the history.

`fit` checks every argument -> `prepare`: the samples -> `loop`: the fit's `progress`, epoch by
epoch -> `epochs`: arrays in memory, `epochs_out_of_core`: blocks of rows and streams ->
`core_call`.
Beside them: `learning_rate` and `sampling`, which change from epoch to epoch; `history`, `metrics`,
`early_stopping` and `advice`, which look at what came out; `display`.
"""
