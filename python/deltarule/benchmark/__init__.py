"""Speed beside other packages: what ``deltarule bench`` and the scripts in ``benchmarks/`` share.

The modules follow the data: `cases` (what is done), `material` (its numbers), `peers` (who does
it, one module a package), `worker` (the process of one peer), `verify` (whether it did the same),
`race` (all of them, in turns), then `machine`, `report` and `plot`. Nothing here is imported by
``import deltarule``.
"""
