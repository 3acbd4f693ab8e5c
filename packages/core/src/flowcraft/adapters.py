"""Which adapters there are, and how each of them is told where to connect.

A package names its adapters in the entry-point group `flowcraft.adapters`; each entry point leads
to an `AdapterSpec`, which is light: the adapter itself, and its client library, are imported when
it is used. A plugin that cannot be loaded is reported, and the others work.

    [project.entry-points."flowcraft.adapters"]
    mine = "my_package.spec:SPEC"

The settings of an adapter are one class, read from keyword arguments, from a URL, or from the
environment: `FLOWCRAFT_URL`, and `FLOWCRAFT_<ADAPTER>_<OPTION>` for a single option.
"""

from __future__ import annotations

import difflib
import importlib
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self
from urllib.parse import SplitResult, parse_qsl, urlsplit

import msgspec

from flowcraft.capabilities import Capabilities
from flowcraft.environment import Environment
from flowcraft.errors import SettingsError, UnknownAdapterError

if TYPE_CHECKING:
    from flowcraft.adapter.base import BaseDistributedAdapter
    from flowcraft.adapter.options import RuntimeOptions

logger = logging.getLogger(__name__)

GROUP: Final = "flowcraft.adapters"

BUILT_IN: Final = {
    "memory": "flowcraft.memory.spec:SPEC",
    "sqlite": "flowcraft.sqlite.spec:SPEC",
}
"""Found without entry points, for a core that is imported and not installed."""

SIBLINGS: Final = {
    "redis": "redis",
    "rediss": "redis",
    "bullmq": "redis",
    "sqs": "sqs",
    "gcp": "gcp",
    "pubsub": "gcp",
    "azure": "azure",
    "kafka": "kafka",
    "rabbitmq": "rabbitmq",
    "amqp": "rabbitmq",
    "amqps": "rabbitmq",
}
"""Names and URL schemes of the adapters that extras of `flowcraft-core` install."""


HIDDEN: Final = "***"
_SECRET_WORDS: Final = ("password", "secret", "token", "credential", "key")


class AdapterSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an adapter before anything of it is imported.

    Args:
        name: The name by which it is chosen; a scheme of its URLs, too.
        summary: One line for listings.
        adapter: `module:name` of what makes the adapter from the runtime's options and its
            settings: its class, or a function.
        settings: `module:name` of its `AdapterSettings`.
        aliases: Other names; schemes of its URLs, too.
        schemes: Further schemes of its URLs.
        capabilities: What it can do.
        needs_server: Whether it connects to something that must be started first.
        install: What pip is asked for when its client library is missing.
    """

    name: str
    summary: str
    adapter: str
    settings: str
    aliases: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    capabilities: Capabilities = Capabilities()
    needs_server: bool = True
    install: str = "flowcraft-core"

    @property
    def names(self) -> tuple[str, ...]:
        """Everything by which it can be named."""
        return (self.name, *self.aliases)

    def settings_class(self) -> type[AdapterSettings]:
        """Import the settings class.

        Raises:
            UnknownAdapterError: Its library is missing; says how to install it.
        """
        found: type[AdapterSettings] = self._import(self.settings)
        return found

    def create(
        self, runtime_options: RuntimeOptions, settings: AdapterSettings
    ) -> BaseDistributedAdapter:
        """Make the adapter; it connects when it is used.

        Raises:
            UnknownAdapterError: Its library is missing; says how to install it.
        """
        made: BaseDistributedAdapter = self._import(self.adapter)(runtime_options, settings)
        return made

    def check(self) -> None:
        """Import all of it, to see whether it can be used.

        Raises:
            UnknownAdapterError: Its library is missing; says how to install it.
        """
        self._import(self.settings)
        self._import(self.adapter)

    def _import(self, path: str) -> Any:
        module, _, name = path.partition(":")
        try:
            return getattr(importlib.import_module(module), name)
        except ImportError as error:
            raise UnknownAdapterError(
                f"adapter {self.name!r} cannot be imported: {error}."
                f" Install what it needs: pip install '{self.install}'"
            ) from error


class AdapterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to connect. A subclass has one field an option, checks them, and reads its URLs.

    Attributes:
        adapter_name: The adapter's name, as in its spec.
        url_schemes: The schemes of its URLs.
    """

    adapter_name: ClassVar[str]
    url_schemes: ClassVar[tuple[str, ...]]

    @classmethod
    def from_options(cls, **options: Any) -> Self:
        """Read keyword arguments; a text is converted where the option is no text.

        Raises:
            SettingsError: An option does not exist, or its value does not fit.
        """
        fields = {field.name: field for field in msgspec.structs.fields(cls)}
        converted: dict[str, Any] = {}
        for name, value in options.items():
            field = fields.get(name)
            if field is None:
                hint = _near(name, fields) or f". There are: {', '.join(fields)}"
                raise SettingsError(f"{name}: unknown option{hint}")
            try:
                converted[name] = msgspec.convert(value, field.type, strict=False)
            except msgspec.ValidationError as error:
                raise SettingsError(f"{name}={value!r}: {_lower_first(str(error))}") from error
        return cls(**converted)

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Self:
        """Read a URL whose query has further options; `options` win over it.

        Raises:
            SettingsError: The URL is not this adapter's, or an option does not fit.
        """
        parts = split_url(url)
        if parts.scheme not in cls.url_schemes:
            known = " or ".join(f"{scheme}://" for scheme in cls.url_schemes)
            raise SettingsError(f"URL of adapter {cls.adapter_name!r}: it begins with {known}")
        read = dict(cls.read_address(parts))
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            if name in read:
                raise SettingsError(f"{name}: given more than once in the URL")
            read[name] = value
        return cls.from_options(**{**read, **options})

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read `FLOWCRAFT_URL` and `FLOWCRAFT_<ADAPTER>_<OPTION>`; a single option wins.

        Raises:
            SettingsError: The URL is not this adapter's, or an option does not fit.
        """
        environment = Environment(environ)
        options = environment.of_adapter(cls.adapter_name)
        url = environment.url
        return cls.from_url(url, **options) if url else cls.from_options(**options)

    def shown(self) -> dict[str, Any]:
        """Its options as they may be shown: nothing secret in them."""
        return {
            name: _without_secret(name, value)
            for name, value in msgspec.structs.asdict(self).items()
        }

    @classmethod
    def read_address(cls, parts: SplitResult) -> Mapping[str, Any]:
        """Turn what stands before the query of a URL into options."""
        if parts.netloc or parts.path.strip("/"):
            raise SettingsError(f"URL of adapter {cls.adapter_name!r}: it has no address")
        return {}


class Adapters:
    """The adapters that are installed, looked up once.

    Attributes:
        specs: What can be used, by name.
        broken: What could not be loaded, by name of its entry point, and why.
    """

    def __init__(self, entries: Iterable[EntryPoint] | None = None) -> None:
        self.specs: dict[str, AdapterSpec] = {}
        self.broken: dict[str, Exception] = {}
        found = list(entry_points(group=GROUP) if entries is None else entries)
        named = {entry.name for entry in found}
        for name, value in BUILT_IN.items():
            if name not in named:
                found.append(EntryPoint(name, value, GROUP))
        # Ours first, so that nobody else's plugin takes their names.
        found.sort(key=lambda entry: BUILT_IN.get(entry.name) != entry.value)
        for entry in found:
            self._add(entry)

    def _add(self, entry: EntryPoint) -> None:
        try:
            spec = entry.load()
            if not isinstance(spec, AdapterSpec):
                raise TypeError(f"{entry.value} is no AdapterSpec")
            for name in spec.names:
                taken = self._by_name(name)
                if taken is not None and taken != spec:
                    raise ValueError(f"the name {name!r} is taken by {taken.adapter}")
        except Exception as error:  # noqa: BLE001 - a stranger's code; the other adapters work
            self.broken[entry.name] = error
            logger.warning(
                "an adapter cannot be loaded", extra={"entry": entry.value, "error": str(error)}
            )
        else:
            self.specs[spec.name] = spec

    def _by_name(self, name: str) -> AdapterSpec | None:
        return next((spec for spec in self.specs.values() if name in spec.names), None)

    def find(self, name: str) -> AdapterSpec:
        """Find an adapter by name or alias.

        Raises:
            UnknownAdapterError: It is not installed, or cannot be loaded.
        """
        spec = self._by_name(name)
        if spec is None:
            raise self._unknown(name, f"no adapter named {name!r}")
        return spec

    def for_url(self, url: str) -> AdapterSpec:
        """Find the adapter that a URL's scheme selects.

        Raises:
            UnknownAdapterError: It is not installed, or cannot be loaded.
            SettingsError: It is no URL.
        """
        scheme, colon, _ = url.partition("://")
        if not colon:
            raise SettingsError("a URL begins with the name of an adapter, as in sqlite:///flow.db")
        scheme = scheme.lower()
        for spec in self.specs.values():
            if scheme in spec.names or scheme in spec.schemes:
                return spec
        raise self._unknown(scheme, f"no adapter for {scheme}:// URLs")

    def _unknown(self, name: str, what: str) -> UnknownAdapterError:
        installed = f"Installed: {', '.join(sorted(self.specs))}."
        cause = self.broken.get(name)
        if cause is not None:
            error = UnknownAdapterError(
                f"adapter {name!r} is installed and cannot be loaded:"
                f" {type(cause).__name__}: {cause}. {installed}"
            )
            error.__cause__ = cause
            return error
        if name in SIBLINGS:
            mend = f". Install it: pip install 'flowcraft-core[{SIBLINGS[name]}]'."
        else:
            names = [name for spec in self.specs.values() for name in spec.names]
            mend = _near(name, [*names, *SIBLINGS]) or "."
        return UnknownAdapterError(f"{what}{mend} {installed}")


def split_url(url: str) -> SplitResult:
    """Take a URL apart; `#` is a character of it like others.

    Raises:
        SettingsError: It is none.
    """
    # The parser would drop line breaks and tabs in silence, and so name something else.
    if not url.isprintable() and any(character in url for character in "\t\r\n"):
        raise SettingsError("a URL has no line breaks and no tabs; write %0A for one in a name")
    try:
        return urlsplit(url, allow_fragments=False)
    except ValueError as error:
        raise SettingsError(f"this is no URL: {_lower_first(str(error))}") from error


def find_adapter(name: str) -> AdapterSpec:
    """Find an installed adapter by its name, its alias or a URL whose scheme selects it.

    Raises:
        UnknownAdapterError: It is not installed, or cannot be loaded.
    """
    adapters = Adapters()
    return adapters.for_url(name) if "://" in name else adapters.find(name)


def _without_secret(name: str, value: Any) -> Any:
    if not isinstance(value, str) or not value:
        return value
    if any(word in name for word in _SECRET_WORDS):
        return HIDDEN
    value = re.sub(r"(?<=://)([^/?#@:]*):[^/?#@]*@", rf"\1:{HIDDEN}@", value)
    return re.sub(rf"([?&][^=&]*(?:{'|'.join(_SECRET_WORDS)})[^=&]*=)[^&#]*", rf"\1{HIDDEN}", value)


def _near(name: str, known: Iterable[str]) -> str:
    """`. Did you mean ...?`, or nothing if no known name is near."""
    near: Sequence[str] = difflib.get_close_matches(name, list(known), n=1)
    return f". Did you mean {near[0]!r}?" if near else ""


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
