"""What the core asks of a backend, in three layers.

contract   the names everybody implements: a job on the wire, a context, a coordination store
store      a run's state: cells, members, context, status, timers
queue      jobs: receive, acknowledge, extend, release, send
transition one step of a run as a whole, for a backend whose queue and store are one
"""
