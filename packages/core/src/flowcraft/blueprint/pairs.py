"""Nodes that belong together without an edge saying so: scatter and gather, webhook and wait."""

from __future__ import annotations

from flowcraft.blueprint.model import Blueprint, Node, kind_of

_WEBHOOK_EVENT = "webhook:"


def gather_of(node: Node) -> str | None:
    """Return the gather that a scatter names, or None for any other node."""
    if kind_of(node.uses) != "scatter":
        return None
    gather = node.params.get("gatherNodeId")
    return gather if isinstance(gather, str) else None


def webhook_of(node: Node) -> str | None:
    """Return the webhook in whose stead a wait suspends, or None.

    The TypeScript compiler exports a webhook as a pair: the webhook, and a wait for its event.
    """
    if kind_of(node.uses) != "wait":
        return None
    event = node.params.get("eventName")
    if not isinstance(event, str) or not event.startswith(_WEBHOOK_EVENT):
        return None
    return event[len(_WEBHOOK_EVENT) :]


class Pairs:
    """Who names whom: in a right blueprint every list has one element.

    Attributes:
        scatters_of: The scatters that name each gather.
        waits_of: The waits that name each webhook.
    """

    __slots__ = ("scatters_of", "waits_of")

    def __init__(self, blueprint: Blueprint) -> None:
        self.scatters_of: dict[str, list[str]] = {}
        self.waits_of: dict[str, list[str]] = {}
        for node in blueprint.nodes:
            if (gather := gather_of(node)) is not None:
                self.scatters_of.setdefault(gather, []).append(node.id)
            if (webhook := webhook_of(node)) is not None:
                self.waits_of.setdefault(webhook, []).append(node.id)
