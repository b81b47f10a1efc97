"""The network that the user holds: `network` has the class, the others a group of its methods each.

`parameters` get, set and show them; `fit` trains; `derivatives` are those beyond the gradient;
`verification` traces and verifies; `initializers` draw the first parameters; `ensemble` is about
many networks at once.
"""
