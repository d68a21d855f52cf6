"""Hostile bytes into everything that reads what others wrote: no crash, no hang, no memory without a bound.

A target of :mod:`tests.fuzzing.targets` takes any bytes and raises where something is not as promised. A campaign
feeds it its corpus, then seeded mutations of that and sentences of its own words; a guided one goes on from what
reached code that nothing before it reached. ``python -m tests.fuzzing --help``.
"""
