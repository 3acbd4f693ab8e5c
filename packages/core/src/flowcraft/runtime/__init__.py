"""The in-process runtime: the engine over plain dictionaries, in one event loop.

flow_runtime  what users call: FlowRuntime.run and .start
environment   what all runs share
local_run     the handle of one run
driver        one run: its start, attempts, failures, its end
line          what is ready in it, and the tasks that move it
performing    nodes that run at once
adopting      what a retried run takes over
node_context  the context as a node sees it
suspending    nodes that wait: sleeps, waits, subflows
signals       what wakes a wait
listening     the events of a run, as they happen
recording     from what a node did to its record
reading       values of a run: inputs, names, outputs
state         records and arrivals of one run
"""

from flowcraft.runtime.flow_runtime import FlowRuntime
from flowcraft.runtime.local_run import LocalRun

__all__ = ["FlowRuntime", "LocalRun"]
