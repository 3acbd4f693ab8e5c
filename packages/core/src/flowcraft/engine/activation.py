"""Names of activations: one execution slot of a node in a run.

A scope is a path written after the node's id: `/3` is iteration 3 of a loop, `/#7` is item 7
of a batch, `/!pay` says that a shared fallback stands in for `pay`. Node ids hold no `/`, so
`charge/3/#7` reads one way only. Keys that begin with `/` belong to the run itself.
"""

from __future__ import annotations

from typing import NamedTuple

END = "/end"
"""Where the sinks arrive; complete when the run is."""
EXPECTED = "/expected"
"""The sinks of loop bodies that the end waits for, iteration by iteration."""
WAITS = "/waits"
"""Every wait that was ever opened."""
RUN = "/run"
"""What belongs to the run as a whole: its payload."""


class Activation(NamedTuple):
    """One execution slot: a node, and the scope that tells its iterations and items apart."""

    node: str
    scope: str = ""

    @property
    def key(self) -> str:
        """The activation as text, unique in its run."""
        return self.node + self.scope


def parse_activation(key: str) -> Activation:
    """Read back what `Activation.key` wrote."""
    node, slash, rest = key.partition("/")
    return Activation(node, slash + rest)


def iteration_scope(scope: str, index: int) -> str:
    """The scope of iteration `index` of a loop entered in `scope`."""
    return f"{scope}/{index}"


def item_scope(scope: str, index: int) -> str:
    """The scope of item `index` of a batch scattered in `scope`."""
    return f"{scope}/#{index}"


def stand_in_scope(scope: str, failed_node: str) -> str:
    """The scope in which a shared fallback runs for `failed_node`."""
    return f"{scope}/!{failed_node}"


def outer_scope(scope: str) -> str:
    """The scope without its last segment."""
    return scope[: scope.rindex("/")]


def last_segment(scope: str) -> str:
    """The last segment of a scope, without its slash; empty at the top."""
    return scope[scope.rindex("/") + 1 :] if scope else ""


def first_segments(scope: str, count: int) -> str:
    """The first `count` segments of a scope."""
    return "".join("/" + segment for segment in scope.split("/")[1 : count + 1])


def item_index(scope: str) -> int | None:
    """Which item of a batch the scope names, or None."""
    segment = last_segment(scope)
    return int(segment[1:]) if segment.startswith("#") and len(segment) > 1 else None


def lanes_key(scatter: Activation) -> str:
    """Where the lanes of a batch arrive; complete when every item is recorded."""
    return f"{scatter.key}/#"


def is_lanes_key(key: str) -> bool:
    """Whether the key names the lanes of a batch and no activation."""
    return key.endswith("/#")


def signal_key(node: str) -> str:
    """Where one early signal for `node` is kept; `""` is for the first wait to open."""
    return f"/signals/{node}"
