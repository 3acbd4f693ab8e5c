"""The commands, each a function whose parameters are its options.

working   run, worker
running   submit, runs, show, cancel, retry, resume, reconcile, purge
graphs    graph, lint
backend   adapters, setup, doctor, queue-depth, dead-letters
"""
