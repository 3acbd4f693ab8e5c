"""The engine: pure functions over plain data. No I/O, no clock, no chance.

activation     names of execution slots
record         what is written down about one
cells          names of all that is noted about one
program        a blueprint made ready to run
names          what a name in an expression or mapping stands for
routing        which edges an outcome takes
consequences   what follows from a record
inputs         what an activation gets
attempts       whether and when it is tried again
waits          which node and scope a resume may name
"""
