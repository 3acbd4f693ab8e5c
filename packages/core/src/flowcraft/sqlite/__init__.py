"""The SQLite adapter: one machine, many processes, no server.

adapter    the adapter, and the file that adapters of one process share
settings   options; which files are refused
writer     the thread that runs the steps, many to a transaction
tables     the primitives, in SQL
headers    headers of runs, decoded once
schema     tables and migrations
diagnosis  what `doctor` says of a file
presence   notices that the file was taken away
waker      wakes the other processes of the file
spec       what the registry knows
"""

from flowcraft.sqlite.adapter import SqliteAdapter, SqliteBackend
from flowcraft.sqlite.settings import SqliteSettings

__all__ = ["SqliteAdapter", "SqliteBackend", "SqliteSettings"]
