"""Queue and run state in one database of this machine.

database   the primitives that a backend provides: rows in, rows out, no rules
store      the ports over them; a whole transition is one step
adapter    the adapter that `memory` and `sqlite` share
"""
