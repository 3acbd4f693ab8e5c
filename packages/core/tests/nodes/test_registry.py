from __future__ import annotations

import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pytest

from flowcraft.blueprint.model import ALIASES, BUILT_INS
from flowcraft.errors import RegistrationError
from flowcraft.nodes import BaseNode, Depends, NodeOptions, NodeRegistry, default_uses, node
from flowcraft.nodes.options import options_of
from flowcraft.testing import covers


async def top_level(value: Any) -> Any:
    return value


async def another(value: Any) -> Any:
    return value


class Service:
    async def handle(self, value: Any) -> Any:
        return value


class Step(BaseNode[Any, Any]):
    async def exec(self, prepared: Any, ctx: Any) -> Any:
        return prepared


@covers("S11.12")
def test_the_key_is_the_qualified_name() -> None:
    registry = NodeRegistry()
    found = registry.register(top_level)
    assert found.uses == f"{__name__}.top_level"
    assert registry.get(found.uses) is found
    assert found.uses in registry
    assert "other" not in registry
    assert registry.get("other") is None
    assert registry.register(Step).uses == f"{__name__}.Step"
    assert [one.source for one in registry] == [top_level, Step]
    assert len(registry) == 2


@covers("S11.12")
def test_the_key_given_last_wins_over_the_decorators() -> None:
    @node(uses="pay.v1")
    async def fn(value: Any) -> Any: ...

    assert NodeRegistry().register(fn).uses == "pay.v1"
    assert NodeRegistry().register(fn, uses="pay.v2").uses == "pay.v2"


@covers("S11.13")
@pytest.mark.parametrize("name", [*BUILT_INS, *ALIASES])
def test_built_in_keys_are_refused(name: str) -> None:
    with pytest.raises(RegistrationError, match="is built in"):
        NodeRegistry().register(top_level, uses=name)


def test_functions_without_a_stable_name_need_a_key() -> None:
    async def inner(value: Any) -> Any: ...

    for fn in (inner, lambda value: value):
        with pytest.raises(RegistrationError, match="no stable name"):
            NodeRegistry().register(fn)
    for nameless in (partial(top_level), Service()):
        with pytest.raises(RegistrationError):
            NodeRegistry().register(nameless)  # type: ignore[arg-type]
    assert NodeRegistry().register(inner, uses="inner").uses == "inner"


def test_the_same_function_twice_is_fine() -> None:
    registry = NodeRegistry()
    service = Service()
    assert registry.register(top_level) is registry.register(top_level)
    assert registry.register(service.handle) is registry.register(service.handle)
    assert len(registry) == 2


@covers("S11.13")
def test_two_functions_under_one_key_are_refused() -> None:
    registry = NodeRegistry()
    registry.register(top_level, uses="it")
    with pytest.raises(RegistrationError, match="'it' belongs to another function"):
        registry.register(another, uses="it")
    registry.register(Service().handle)
    with pytest.raises(RegistrationError, match="belongs to another function"):
        registry.register(Service().handle)


def test_one_function_with_other_options_needs_another_key() -> None:
    registry = NodeRegistry()
    registry.register(top_level)
    with pytest.raises(RegistrationError, match="other options"):
        registry.register(top_level, options=NodeOptions(attempts=3))


def test_a_registry_takes_over_another_one_whole_or_not_at_all() -> None:
    first, second = NodeRegistry(), NodeRegistry()
    first.register(top_level, uses="it")
    second.register(another, uses="new")
    second.register(another, uses="it")
    with pytest.raises(RegistrationError, match="'it'"):
        first.include(second)
    assert "new" not in first

    third = NodeRegistry()
    third.register(top_level, uses="it")
    third.register(another, uses="new")
    first.include(third)
    assert len(first) == 2


def test_what_cannot_be_called_or_is_no_node_class_is_refused() -> None:
    with pytest.raises(RegistrationError, match="cannot be called"):
        NodeRegistry().register("text")  # type: ignore[arg-type]
    with pytest.raises(RegistrationError, match="derives from BaseNode"):
        NodeRegistry().register(Service)


def test_all_missing_dependencies_are_listed_at_once() -> None:
    async def one(pool: Annotated[Any, Depends("pool")]) -> None: ...

    async def two(mail: Annotated[Any, Depends("mail")]) -> None: ...

    registry = NodeRegistry()
    registry.register(one, uses="one")
    registry.register(two, uses="two")
    with pytest.raises(RegistrationError, match=r"(?s)'pool'.*'mail'"):
        registry.check_dependencies({"cache": 1})
    registry.check_dependencies({"pool": 1, "mail": None})


def test_the_decorator_gives_the_function_back_with_its_options_attached() -> None:
    async def fn(value: Any) -> Any: ...

    assert node(fn) is fn
    assert node(attempts=3, retry_on=ValueError)(fn) is fn
    assert options_of(fn) == NodeOptions(attempts=3, retry_on=(ValueError,))
    assert options_of(top_level) == NodeOptions()


def test_a_subclass_does_not_inherit_the_options() -> None:
    @node(uses="base", attempts=4)
    class Base(Step):
        pass

    class Derived(Base):
        pass

    assert options_of(Base).attempts == 4
    assert options_of(Derived) == NodeOptions()


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": 0},
        {"attempts": True},
        {"retry_delay_seconds": -1},
        {"retry_delay_seconds": float("nan")},
        {"timeout_seconds": 0},
        {"timeout_seconds": float("inf")},
        {"uses": ""},
        {"quick": True, "cpu": True},
        {"retry_on": [int]},
    ],
)
def test_options_out_of_their_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(RegistrationError, match=next(iter(options))):
        node(**options)


def test_an_object_that_takes_no_attributes_is_refused() -> None:
    with pytest.raises(RegistrationError, match="takes no attributes"):
        node(Service().handle)
    with pytest.raises(RegistrationError, match="Options are keywords"):
        node("pay")  # type: ignore[call-overload]


SCRIPT = textwrap.dedent(
    """
    from flowcraft.nodes import default_uses

    def charge(order): ...

    if __name__ == "__main__":
        print(default_uses(charge))
    """
)


@covers("S11.12")
def test_in_a_script_the_module_is_called_what_others_import_it_as(tmp_path: Path) -> None:
    (tmp_path / "orders.py").write_text(SCRIPT)
    package = tmp_path / "shop"
    package.mkdir()
    for name in ("__init__", "orders", "__main__"):
        (package / f"{name}.py").write_text(SCRIPT if name != "__init__" else "")

    def key(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert key("orders.py") == "orders.charge"
    assert key("-m", "shop.orders") == "shop.orders.charge"
    assert key("-m", "shop") == "shop.__main__.charge"


@covers("S11.12")
def test_a_function_of_an_interactive_session_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def fn(value: Any) -> Any: ...

    fn.__module__, fn.__qualname__ = "__main__", "fn"
    monkeypatch.setitem(sys.modules, "__main__", type(sys)("__main__"))
    with pytest.raises(RegistrationError, match="entered interactively"):
        default_uses(fn)
