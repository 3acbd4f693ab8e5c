"""`create_flow`: a blueprint written in Python, with the functions that stand behind it.

    flow = create_flow("order")
    fetch = flow.node(fetch_order)
    charge = flow.map(charge_item, over=fetch)
    ship = flow.node(ship_order)
    flow.edge(charge, ship, when="size(result.output) > 0")

A type checker compares the output of an edge's source with the input of its target. Where
that is not what the target gets - it has several incoming edges and a type of its own, or
`inputs` - name the target by its id, which leaves the edge unchecked.
"""

from flowcraft.builder.flow import Flow, LoopRef, create_flow
from flowcraft.builder.refs import AnyRef, Inputs, MapSettings, NodeRef, NodeSettings

__all__ = [
    "AnyRef",
    "Flow",
    "Inputs",
    "LoopRef",
    "MapSettings",
    "NodeRef",
    "NodeSettings",
    "create_flow",
]
