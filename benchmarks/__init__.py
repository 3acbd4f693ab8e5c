"""Benchmarks: `./dev bench -- [--adapter NAME] [--json FILE]`.

workloads    the graphs and functions that are run everywhere
standard     the figures that every part gives: W1 to W4, and the hop of a lone chain
in_process   the in-process runtime, with its floors and a peer
measure      samples, taken in turn so that a ratio holds while the machine's speed drifts
machine      what it ran on
peer         another library, in an interpreter of its own

A figure stands beside its floor (the least that anyone would have to do) or a peer, measured in
the same run. No figure is ever a test: what a node costs is counted in packages/core/tests.
"""
