"""The network that the user holds: `network` has the class, the others a group of its methods each.

`parameters` get, set and show them; `fit` trains; `derivatives` are those beyond the gradient;
`verification` traces and verifies; `initializers` draw the first parameters; `many` trains
several at once, `ensemble` is what came out. `load` and `resume` read files.
"""
