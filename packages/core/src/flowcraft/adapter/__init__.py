"""The distributed adapter: all orchestration, over the ports of a backend.

base            the adapter: four methods to write, the rest inherited
worker          the loops of a worker
handler         one message, and what it goes on to
mover           one activation: attempts, failures, answers
functions       nodes that run at once
suspensions     nodes that wait: sleeps, waits, subflows
signals         what wakes a wait
walk            from a record to all that follows from it
runs            the making, the end and the announcement of a run
sweeper         repairs, timers
holding         leases, heartbeats
ports, batcher  batched calls to the backend
contract_*      the ports of an adapter that has only the four methods
"""
