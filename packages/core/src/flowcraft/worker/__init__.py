"""A worker process: takes jobs until it is told to stop.

worker      its life, from the lifespan to the drain
logged      one log line for each execution of a node, and one for how it ended
"""

from flowcraft.worker.worker import Worker

__all__ = ["Worker"]
