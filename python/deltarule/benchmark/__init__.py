"""Speed beside other packages: what ``deltarule bench`` and the scripts in ``benchmarks/`` share.

The modules follow the data: `cases` (what is done), `material` (its numbers), `peers` (who does
it, one module a package), `verify` (whether they did the same), `worker` (the process of a peer),
`race` (all of them, in turns), `machine` (where), `report` and `plot`; `script` is the command
line of the scripts. Nothing here is imported by ``import deltarule``.
"""
