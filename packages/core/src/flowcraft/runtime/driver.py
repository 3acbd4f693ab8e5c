"""Drives one run in this process: moves its activations, and ends it.

A task moves one activation after the other down a chain; where a record makes several ready,
the first goes on in the same task and each other gets one of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from flowcraft import values
from flowcraft.adapter.functions import check_key
from flowcraft.adapter.outcome import CATCH_ERROR, FatalError, error_info
from flowcraft.adapter.performing import AttemptError, Performed
from flowcraft.adapter.run_view import Move, RunView, new_move
from flowcraft.adapter.runs import Runs, deadline_at
from flowcraft.blueprint.plan import EdgePlan
from flowcraft.engine import attempts
from flowcraft.engine.activation import parse_activation
from flowcraft.engine.program import NodeProgram, Program
from flowcraft.engine.record import NULL, ErrorInfo, Record
from flowcraft.engine.routing import route
from flowcraft.errors import FlowcraftError, RetryAfter, RunDeadlineError
from flowcraft.expressions import truthy
from flowcraft.ports.store import Loaded
from flowcraft.runtime.environment import Environment
from flowcraft.runtime.performing import Performer
from flowcraft.runtime.reading import Reader
from flowcraft.runtime.signals import Signals
from flowcraft.runtime.state import Ready, RunState
from flowcraft.runtime.suspending import SUSPENDING, Suspender, payload_names
from flowcraft.status import FinalStatus, RunHeader, RunResult, Status
