"""The distributed adapter: all orchestration, over the ports of a backend.

base            the adapter: four methods to write, the rest inherited
options         what the protocol needs to know
event_bus       tells the application what this worker does
parts           what the pieces of a worker share
worker          the loops of a worker
handler         one message, and what it goes on to
mover           one activation: attempts, failures, answers
functions       nodes that run at once
node_context    the context as a node sees it
node_tasks      what their code starts, kept from ending the worker
watchdog        keeps leases while one of them blocks the event loop
suspensions     nodes that wait: sleeps, waits, subflows
signals         what wakes a wait
reader          values of a run: inputs, names, gathered lists, context keys
adoption        what a retried run takes over
outcome         from what a node did to its record
walk            from a record to all that follows from it
runs            the making, the end and the announcement of a run
programs        the blueprints of runs, fetched once
sweeper         repairs, timers
holding         leases, heartbeats
deliveries      counts those that may have followed a death
solo            lets one that did run alone
ports, batcher  batched calls to the backend
formats         what a worker leaves to newer ones
dead_letters    those of a queue that has no place for them
contract_*      the ports of an adapter that has only the four methods
finding         what `doctor` finds
"""
