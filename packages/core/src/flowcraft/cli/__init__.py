"""The command line of Flowcraft.

program      the program: its commands, and how it ends
commands     the commands and their options
options      what the commands share
locate       finds the application that `module:app` names
runs         what the commands do with runs
show         how a run is shown to a person
blueprints   what they do with blueprints
backend      what they do with adapters, queues and dead letters
doctor       what is used, and what is wrong with it
supervisor   keeps several worker processes alive
log          one line for each thing that a worker says
"""

from flowcraft.cli.program import main

__all__ = ["main"]
