"""The command line of Flowcraft.

program      the program: its commands, and how it ends
commands     the commands and their options
options      what the commands share
locate       finds the application that `module:app` names
output       what they write: for a person, or for a program
runs         what the commands do with a run
listing      ... and with many
show         how a run is shown to a person
blueprints   what they do with blueprints
backend      what they do with adapters, queues and dead letters
doctor       what is used, and what is wrong with it
in_process   a run in this process, followed to its end
follow       follows a run: lines, JSON, or
live         ... a live view, of
progress     ... where each node stands
reload       runs a command again when sources change
supervisor   keeps several worker processes alive
leaving      ends a process although something of a node goes on
log          one line for each thing that a worker says
"""

from flowcraft.cli.program import main

__all__ = ["main"]
