"""The options of an application that are none of its adapter's, and where each came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from flowcraft.blueprint.durations import LONGEST_SECONDS
from flowcraft.environment import Environment, option_variable
from flowcraft.errors import SettingsError

DAY_SECONDS: Final = 86_400.0
DEFAULT: Final = "default"
APPLICATION: Final = "application"
COMMAND_LINE: Final = "command line"


class WorkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How workers of an application work.

    Args:
        concurrency: Activations in progress at once in one worker, at least 1.
        cpu_processes: Most processes of nodes bound to the CPU in one worker, at least 1; None
            for one for each CPU.
        sweep_interval_seconds: How often a worker looks for runs that nobody moves; above 0.
        max_deliveries: Counted deliveries of one attempt before its activation fails, at least 1.
        missing_seconds: How long an activation waits for a worker that has its node.
        retention_seconds: How long a run is kept after its end, above 0; None for ever.
        blocked_loop_seconds: How long a worker keeps its messages while a node blocks its event
            loop.
        drain_seconds: How long a worker lets nodes finish after it was told to stop.

    Raises:
        SettingsError: A number is out of its range.
    """

    concurrency: int = 50
    cpu_processes: int | None = None
    sweep_interval_seconds: float = 30.0
    max_deliveries: int = 5
    missing_seconds: float = DAY_SECONDS
    retention_seconds: float | None = 7 * DAY_SECONDS
    blocked_loop_seconds: float = 300.0
    drain_seconds: float = 30.0

    def __post_init__(self) -> None:
        """Refuse numbers out of their range."""
        for name in ("concurrency", "max_deliveries", "cpu_processes"):
            value = getattr(self, name)
            if value is None and name == "cpu_processes":
                continue
            if type(value) is not int or value < 1:
                raise SettingsError(f"{name}={value!r}: a whole number from 1 on")
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not name.endswith("_seconds") or (value is None and name == "retention_seconds"):
                continue
            if not (isinstance(value, int | float) and 0 <= value <= LONGEST_SECONDS):
                raise SettingsError(f"{name}={value!r}: a number of seconds, at most 100 years")
            if value == 0 and name in ("sweep_interval_seconds", "retention_seconds"):
                raise SettingsError(f"{name}=0: a number of seconds above 0")


def resolve_work(
    application: WorkSettings,
    *,
    command_line: Mapping[str, Any],
    environ: Mapping[str, str] | None = None,
) -> tuple[WorkSettings, dict[str, str]]:
    """Decide how workers work; also where each option came from.

    Raises:
        SettingsError: A variable does not fit.
    """
    fields = {field.name: field for field in msgspec.structs.fields(WorkSettings)}
    defaults = WorkSettings()
    origins = {
        name: DEFAULT if getattr(application, name) == getattr(defaults, name) else APPLICATION
        for name in fields
    }
    options: dict[str, Any] = {}
    for name, text in Environment(environ).of_application(fields).items():
        origins[name] = option_variable(name)
        try:
            options[name] = msgspec.convert(text, fields[name].type, strict=False)
        except msgspec.ValidationError as error:
            raise SettingsError(f"{origins[name]}={text!r}: {error}") from error
    for name, value in command_line.items():
        if value is not None:
            options[name], origins[name] = value, COMMAND_LINE
    return msgspec.structs.replace(application, **options), origins
