"""The commands, each a function whose parameters are its options.

running   submit, show, cancel, resume
working   worker
graphs    graph, lint
"""
