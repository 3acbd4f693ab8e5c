"""Queue and run state in one database of this machine.

database      the primitives that a backend provides: rows in, rows out, no rules
steps         what is done in one piece: commit, propagate, a whole transition
store         the run store over them
queue         the job queue
coordination  the coordination store
waker         wakes the loops of a worker when there is news
adapter       the adapter that `memory` and `sqlite` share
"""
