"""The command line: `flowcraft worker`, `submit`, `show`, `cancel`, `resume`.

program    the commands and their options
locate     finds the application that `module:app` names
runs       what the commands do with runs
show       how a run is shown to a person
log        one plain line for each thing that a worker says
"""

from flowcraft.cli.program import main

__all__ = ["main"]
