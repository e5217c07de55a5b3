"""A run's problems solved by worker processes, on this machine or wherever Ray puts them, under one exact ledger.

The unit of work is a problem. The driver keeps recipe, ledger, journal and trace and opens no model; a worker opens the
models once and solves whole problems with what it leases from the driver's ledger. Both speak over one authenticated
socket a worker, in order: see `messages` for what they say, `worker` and `desk` for its two ends, `fleet` for who gets
which problem and what becomes of those whose worker dies.
"""
