"""An application's adapter, made when it is first needed."""

from __future__ import annotations

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.adapters import AdapterSettings, AdapterSpec
from flowcraft.client.book import BlueprintBook
from flowcraft.client.submission import Submitter
from flowcraft.memory.adapter import MemoryAdapter, MemoryBackend
from flowcraft.memory.spec import MemorySettings


class Connection:
    """A client's adapter, and what it submits runs with."""

    def __init__(self, adapter: BaseDistributedAdapter, book: BlueprintBook) -> None:
        self.adapter = adapter
        self.submitter = Submitter(adapter, book, adapter.options.runtime_options.clock)

    @classmethod
    async def open(cls, adapter: BaseDistributedAdapter, book: BlueprintBook) -> Connection:
        """Connect at once.

        Raises:
            BackendError: The backend cannot be used; says what to do.
        """
        await open_adapter(adapter)
        return cls(adapter, book)

    async def aclose(self) -> None:
        """Let go of the backend."""
        await self.adapter.aclose()


def make_adapter(
    spec: AdapterSpec,
    settings: AdapterSettings,
    runtime_options: RuntimeOptions,
    memory: MemoryBackend,
) -> BaseDistributedAdapter:
    """Make an adapter; it connects when it is used.

    Args:
        spec: Which one.
        settings: How it connects.
        runtime_options: What it runs with.
        memory: What the memory adapters of one application share, since nothing else could.

    Raises:
        UnknownAdapterError: Its library is missing; says how to install it.
    """
    if isinstance(settings, MemorySettings):
        return MemoryAdapter(
            runtime_options,
            backend=memory,
            lease_seconds=settings.lease_seconds,
            largest_value=settings.largest_value_bytes,
        )
    return spec.create(runtime_options, settings)


async def open_adapter(adapter: BaseDistributedAdapter) -> None:
    """Ask the backend for something cheap, so that what is wrong with it shows before it is used.

    Raises:
        BackendError: It cannot be used; says what to do.
    """
    try:
        await adapter.open()
    except BaseException:
        await adapter.aclose()
        raise
