"""The in-process runtime: the engine over plain dictionaries, in one event loop.

flow_runtime  what users call: FlowRuntime.run and .start
local_run     the handle of one run
driver        moves activations: attempts, failures, the end
performing    nodes that run at once
suspending    nodes that wait: sleeps, waits, subflows
signals       what wakes a wait
reading       values of a run: inputs, names, outputs
state         records and arrivals of one run
"""

from flowcraft.runtime.flow_runtime import FlowRuntime
from flowcraft.runtime.local_run import LocalRun

__all__ = ["FlowRuntime", "LocalRun"]
