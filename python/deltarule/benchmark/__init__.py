"""Speed beside other packages: what ``deltarule bench`` and the scripts in ``benchmarks/`` share.

The modules follow the data: `cases` (what is done), `inputs` (its numbers), `peers` (who does
it, one module a package), `verify` (whether they did the same), `worker` (the process of a peer),
`runner` (all of them, in turns), `machine` (where), `report` and `plot`; `script` is the command
line of the scripts. Nothing here is imported by ``import deltarule``.
"""
