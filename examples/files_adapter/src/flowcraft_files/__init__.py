"""Flowcraft on plain files in a folder; written step by step in docs/write-an-adapter.md.

adapter       wires the parts
settings      the options
folder        the one place through which every file is read and written
coordination  counters and locks
context       the context of a run
queue         messages with leases
schedule      an index by time
partition     one run as a step sees it
runs          the run store
"""
