from __future__ import annotations

from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypedDict

import msgspec
import pydantic
import pytest

from flowcraft.errors import InputError, NodeError, RegistrationError
from flowcraft.nodes import Context, Depends, NodeRegistry, RunInfo, node
from flowcraft.testing import covers

if TYPE_CHECKING:
    from collections import OrderedDict as OnlyForTheChecker


class Pool:
    def __init__(self, name: str = "pool") -> None:
        self.name = name


class SubPool(Pool):
    pass


class Sized(Protocol):
    def size(self) -> int: ...


@dataclass
class Order:
    id: int
    total: float = 0.0


class Settings(msgspec.Struct):
    currency: str = "EUR"


class Model(pydantic.BaseModel):
    id: int


class Dictionary(TypedDict):
    id: int


def refusal(fn: Any) -> str:
    with pytest.raises(RegistrationError) as caught:
        NodeRegistry().register(fn, uses="it")
    return str(caught.value)


@covers("S3.12")
async def test_parameters_are_known_by_type_whatever_their_names(
    call: Any, ctx: Any, run_info: Any
) -> None:
    async def fn(me: RunInfo, order: Order, keys: Context, params: Settings) -> Any:
        await keys.set("k", order.id)
        return [me.node_id, order.id, params.currency]

    result = await call(fn, {"id": 7}, params={"currency": "CHF"})
    assert result.output == ["pay", 7, "CHF"]
    assert ctx.values == {"k": 7}


@covers("S3.12")
async def test_parameters_without_annotations_are_known_by_name(call: Any) -> None:
    async def fn(value, ctx, run, params):  # type: ignore[no-untyped-def]
        return [value, type(ctx).__name__, run.attempt, params]

    result = await call(fn, 5, params={"a": 1})
    assert result.output == [5, "DictContext", 1, {"a": 1}]


async def test_keyword_only_and_positional_only_parameters_are_passed(call: Any) -> None:
    async def fn(value: int, /, run: RunInfo, *, ctx: Context, params: Any) -> Any:
        return [value, run.run_id, params]

    assert (await call(fn, 5)).output == [5, "r1", {}]


async def test_a_function_without_parameters_is_called_with_none(call: Any) -> None:
    async def fn() -> int:
        return 3

    assert (await call(fn, {"ignored": True})).output == 3


async def test_an_optional_context_is_the_context(call: Any) -> None:
    async def fn(c: Context | None = None) -> bool:
        return c is not None

    assert (await call(fn)).output is True


async def test_an_annotation_for_the_type_checker_only_is_no_matter_where_the_name_tells(
    call: Any,
) -> None:
    async def fn(value: Any, ctx: OnlyForTheChecker[str, Any]) -> Any:
        return value

    assert (await call(fn, 1)).output == 1


@covers("S2.3")
@pytest.mark.parametrize("kind", [Order, Model, Settings, Dictionary])
async def test_the_input_becomes_its_declared_type(call: Any, kind: Any) -> None:
    async def fn(order: Any) -> Any:
        return type(order).__name__

    fn.__annotations__["order"] = kind
    value = {"currency": "CHF"} if kind is Settings else {"id": 7}
    expected = "dict" if kind is Dictionary else kind.__name__
    assert (await call(fn, value)).output == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [(dict, []), (list[Any], {}), (str, 1), (int, "1"), (int, True), (bool, 1), (None, 0)],
)
async def test_plain_types_are_checked_and_never_coerced(call: Any, kind: Any, value: Any) -> None:
    async def fn(order: Any) -> Any:
        return order

    fn.__annotations__["order"] = kind
    with pytest.raises(InputError, match="input of node 'pay'"):
        await call(fn, value)


async def test_an_int_serves_as_a_float(call: Any) -> None:
    async def fn(total: float) -> str:
        return repr(total)

    assert (await call(fn, 2)).output == "2.0"


@covers("S3.14")
async def test_a_misfit_names_node_and_field(call: Any) -> None:
    async def fn(order: Order) -> None: ...

    with pytest.raises(InputError, match=r"input of node 'pay': at \.id: expected `int`"):
        await call(fn, {"id": "x"})


async def test_misfitting_params_name_node_and_field(call: Any) -> None:
    async def fn(params: Settings) -> None: ...

    with pytest.raises(InputError, match=r"params of node 'pay': at \.currency"):
        await call(fn, params={"currency": 1})


async def test_a_node_that_changes_its_params_changes_nobody_elses(call: Any) -> None:
    async def fn(params: dict[str, Any]) -> None:
        params["list"].append(1)

    shared: dict[str, Any] = {"list": []}
    await call(fn, params=shared)
    assert shared == {"list": []}


async def test_dependencies_are_found_by_name_and_by_type_in_a_mapping(call: Any) -> None:
    pool = Pool()

    async def fn(
        a: Annotated[Pool, Depends("db")],
        b: Annotated[Pool, Depends(Pool)],
        c: Annotated[Pool, Depends()],
        d: Annotated[Pool | None, Depends],
    ) -> bool:
        return a is b is c is d is pool

    assert (await call(fn, dependencies={"db": pool, "other": 3})).output is True


async def test_dependencies_are_found_in_an_object(call: Any) -> None:
    @dataclass
    class Shared:
        pool: Pool

        @property
        def name(self) -> str:
            return self.pool.name

    class Slotted:
        __slots__ = ("pool", "unset")

        def __init__(self) -> None:
            self.pool = Pool("slotted")

    async def fn(a: Annotated[Pool, Depends()]) -> str:
        return a.name

    async def by_property(a: Annotated[str, Depends("name")]) -> str:
        return a

    assert (await call(fn, dependencies=Shared(Pool()))).output == "pool"
    assert (await call(by_property, dependencies=Shared(Pool()))).output == "pool"
    assert (await call(fn, dependencies=Slotted())).output == "slotted"
    assert (await call(fn, dependencies=Pool("itself"))).output == "itself"


async def test_a_missing_dependency_names_what_there_is(call: Any) -> None:
    async def fn(pool: Annotated[Pool, Depends("pool")]) -> None: ...

    with pytest.raises(NodeError, match=r"parameter 'pool': the lifespan yields no 'pool'.*'db'"):
        await call(fn, dependencies={"db": 1})
    with pytest.raises(NodeError, match="It yields: nothing"):
        await call(fn)


async def test_a_dependency_with_a_default_may_be_missing(call: Any) -> None:
    async def fn(pool: Annotated[Any, Depends("pool")] = None) -> bool:
        return pool is None

    assert (await call(fn, dependencies={})).output is True


async def test_a_type_that_fits_two_dependencies_is_an_error(call: Any) -> None:
    async def fn(pool: Annotated[Pool, Depends()]) -> None: ...

    with pytest.raises(NodeError, match="Pool fits several"):
        await call(fn, dependencies={"a": Pool(), "b": SubPool()})


async def test_what_a_partial_has_filled_in_is_left_alone(call: Any) -> None:
    async def fn(order: int, rate: int) -> int:
        return order * rate

    assert (await call(partial(fn, rate=3), 4)).output == 12


async def test_a_decorator_that_wraps_keeps_the_parameters(call: Any) -> None:
    async def fn(order: Order) -> int:
        return order.id

    @wraps(fn)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await fn(*args, **kwargs)

    assert (await call(wrapper, {"id": 9})).output == 9


async def test_methods_and_callable_objects_are_nodes_too(call: Any) -> None:
    class Service:
        async def handle(self, order: Order) -> int:
            return order.id

        async def __call__(self, order: Order) -> int:
            return -order.id

    assert (await call(Service().handle, {"id": 1})).output == 1
    assert (await call(Service(), {"id": 1})).output == -1


@covers("S3.13")
def test_a_second_input_is_refused_naming_function_and_parameter() -> None:
    def fn(order, limit=10): ...  # type: ignore[no-untyped-def]

    message = refusal(fn)
    assert "fn', parameter 'limit'" in message
    assert "'order' is it" in message


@covers("S3.13")
def test_two_contexts_are_refused() -> None:
    async def fn(ctx, other: Context): ...  # type: ignore[no-untyped-def]

    assert "it would get the context again, which 'ctx' gets already" in refusal(fn)


@covers("S3.13")
def test_open_parameters_are_refused() -> None:
    async def args(*args): ...  # type: ignore[no-untyped-def]

    async def kwargs(value, **options): ...  # type: ignore[no-untyped-def]

    assert "*args leaves open" in refusal(args)
    assert "**options leaves open" in refusal(kwargs)


def test_a_context_of_another_type_is_refused() -> None:
    async def fn(ctx: dict[str, Any]) -> None: ...

    assert "Annotate it Context, or rename it" in refusal(fn)


def test_a_class_that_json_does_not_convert_to_is_refused_with_depends_as_the_mend() -> None:
    async def fn(pool: Pool) -> None: ...

    assert "Annotated[Pool, Depends(Pool)]" in refusal(fn)


def test_a_union_that_json_cannot_tell_apart_is_refused() -> None:
    async def fn(order: Order | Pool) -> None: ...

    assert "parameter 'order'" in refusal(fn)


def test_depends_as_a_default_is_refused() -> None:
    async def fn(pool: Pool = Depends("pool")) -> None: ...  # type: ignore[assignment]  # noqa: B008

    assert "Depends is part of the annotation" in refusal(fn)


def test_a_protocol_that_instances_cannot_be_tested_for_is_refused() -> None:
    async def fn(it: Annotated[Sized, Depends()]) -> None: ...

    assert "Name the dependency" in refusal(fn)


def test_a_type_defined_inside_a_function_is_refused_with_the_mend() -> None:
    @dataclass
    class Inner:
        id: int

    async def fn(order: Inner) -> None: ...

    message = refusal(fn)
    assert "annotation 'Inner' cannot be resolved (NameError" in message
    assert "top of the module" in message


@covers("S3.13")
def test_ambiguity_shows_when_the_function_is_decorated() -> None:
    with pytest.raises(RegistrationError, match="parameter 'b'"):

        @node
        async def fn(a, b): ...  # type: ignore[no-untyped-def]


def test_a_type_that_the_module_defines_later_is_no_error_when_the_function_is_decorated() -> None:
    @node
    async def fn(order: Later) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    assert "'Later'" in refusal(fn)
