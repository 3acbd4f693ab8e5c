"""Strict JSON: what is stored, what is refused, and where the error points."""

import collections
import enum
import json
import math
import sys
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, NotRequired, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcraft.errors import (
    InputError,
    PayloadTooLargeError,
    RegistrationError,
    ValueNotStorableError,
)
from flowcraft.values import (
    MAX_DEPTH,
    check,
    decode,
    encode,
    encode_declared,
    from_json_value,
    place,
    to_json_value,
)

WHAT = "output of node 'a'"

text = st.text(st.characters(exclude_categories=["Cs"]))
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=25,
)
anything = st.recursive(
    scalars | st.floats() | st.binary() | st.text() | st.decimals() | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(text | st.integers(), inner, max_size=3)
        | st.tuples(inner)
        | st.frozensets(st.integers(), max_size=2)
    ),
    max_leaves=10,
)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Word(str):
    pass


@dataclass
class Line:
    price: Decimal
    colour: Colour = Colour.RED


@dataclass
class Order:
    id: UUID
    at: datetime
    lines: tuple[Line, ...] = ()
    note: str | None = None


class Parcel(msgspec.Struct, rename="camel"):
    weight_kg: float
    order: Order | None = None


class Address(TypedDict):
    street: str
    since: NotRequired[date]


class Customer(pydantic.BaseModel):
    name: str
    born: date | None = None
    shoe_size: int = pydantic.Field(default=40, alias="shoeSize")


class StrictCustomer(pydantic.BaseModel, strict=True):
    id: UUID


def refusal(value: Any) -> str:
    with pytest.raises(ValueNotStorableError) as caught:
        check(value, what=WHAT)
    with pytest.raises(ValueNotStorableError) as again:
        encode(value, what=WHAT)
    assert str(caught.value) == str(again.value), "check and encode disagree"
    return str(caught.value)


def same(left: Any, right: Any) -> bool:
    """Equality that tells 1 from True and 1.0."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def len_of_text(value: object) -> str:
    return f"{len(str(value))} characters"


class TestRoundTrip:
    @given(json_values)
    def test_every_json_value_comes_back_the_same(self, value):
        check(value, what=WHAT)
        assert same(decode(encode(value, what=WHAT)), value)

    @given(anything)
    def test_any_object_is_stored_unchanged_or_refused(self, value):
        try:
            data = encode(value, what=WHAT)
        except ValueNotStorableError:
            return
        assert decode(data) == value

    @pytest.mark.parametrize(
        "value", [2**63, -(2**63) - 1, 2**64, 10**4000 - 1, 1 - 10**4000], ids=len_of_text
    )
    def test_an_int_of_any_size_keeps_every_digit(self, value):
        assert decode(encode(value, what=WHAT)) == value

    @pytest.mark.parametrize("value", [-0.0, 5e-324, 1.7976931348623157e308, 1e22, 0.1])
    def test_a_float_keeps_every_bit(self, value):
        back = decode(encode(value, what=WHAT))
        assert back.hex() == value.hex()

    def test_a_decoded_value_is_a_copy(self):
        value = {"items": [1]}
        decode(encode(value, what=WHAT))["items"].append(2)
        assert value == {"items": [1]}

    def test_subclasses_of_dict_and_list_are_stored_as_plain_ones(self):
        class Rows(list):
            pass

        value = collections.OrderedDict(a=collections.Counter("xx"), b=Rows([1]))
        back = decode(encode(value, what=WHAT))
        assert back == {"a": {"x": 2}, "b": [1]}
        assert type(back) is dict

    def test_the_deepest_value_accepted_is_stored(self):
        assert decode(encode(nested(MAX_DEPTH), what=WHAT)) == nested(MAX_DEPTH)


class TestRefusals:
    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (math.nan, "float nan is not finite"),
            (-math.inf, "float -inf is not finite"),
            ((1, 2), "a value of type tuple is not JSON; make it a list"),
            ({1}, "a value of type set is not JSON; make it a list"),
            (b"x", "a value of type bytes is not JSON; make it text, for example as base64"),
            (Word("x"), "convert it with str(x)"),
            (Level.LOW, "use its .value, or declare the type"),
            (Colour.RED, "use its .value, or declare the type"),
            (date(2020, 1, 1), "declare the type"),
            (Line(Decimal(1)), "declare the type"),
            (Customer(name="x"), "declare the type"),
            (object(), "use null, bool, int, float, text, list and dict"),
            ({1: 2}, "the key 1 is of type int, and keys are text"),
            ({None: 2}, "the key None is of type NoneType"),
            ({Word("x"): 2}, "Word, and keys are text"),
        ],
    )
    def test_what_is_not_json_is_refused_with_the_way_out(self, value, reason):
        message = refusal(value)
        assert message.startswith(f"{WHAT}: ")
        assert reason in message

    def test_the_error_names_the_place_inside(self):
        value = {"items": [{"price": 1}, 2, None, {"price": math.nan}]}
        assert refusal(value) == f"{WHAT}: at .items[3].price: float nan is not finite"

    def test_a_key_that_is_no_identifier_is_quoted_in_the_place(self):
        assert f'{WHAT}: at ["k.ey"].x[0]: ' in refusal({"k.ey": {"x": [b""]}})
        assert place(["a", 0, 'q"', "é"]) == '.a[0]["q\\""]["\\u00e9"]'

    @pytest.mark.parametrize("value", ["a\ud800", {"k": ["\udfff"]}, {"\ud800": 1}])
    def test_a_lone_surrogate_is_refused(self, value):
        assert "lone surrogate" in refusal(value)

    def test_a_cycle_is_refused_where_it_closes(self):
        value: dict[str, Any] = {"inner": []}
        value["inner"].append(value)
        assert refusal(value) == f"{WHAT}: at .inner[0]: the value contains itself"

    def test_a_value_used_twice_is_no_cycle(self):
        shared = [1]
        assert decode(encode([shared, shared], what=WHAT)) == [[1], [1]]

    @pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 2_000, 100_000])
    def test_nesting_beyond_the_limit_is_refused(self, levels):
        assert "nested deeper than 200 levels" in refusal(nested(levels))

    def test_a_value_too_deep_for_what_is_left_of_the_stack_is_refused(self):
        def call_at_depth(levels: int) -> str:
            return call_at_depth(levels - 1) if levels else refusal(nested(MAX_DEPTH))

        frames = 0
        frame = sys._getframe()
        while frame is not None:
            frames, frame = frames + 1, frame.f_back  # type: ignore[assignment]
        spare = sys.getrecursionlimit() - frames
        assert "nested deeper than the rest of the stack" in call_at_depth(spare - MAX_DEPTH // 2)

    def test_an_int_of_more_than_4000_digits_is_refused(self):
        assert "at [0]: the int has more than 4000 digits" in refusal([10**4000])
        assert "at .n: the int has more than 4000 digits" in refusal({"n": -(10**9000)})

    def test_a_dict_that_lies_about_its_items_is_read_as_it_is_stored(self):
        class Liar(dict):
            def items(self):
                return [("a", 1)]

        assert "at .b: " in refusal(Liar(b={1}))


class TestSize:
    def test_a_value_at_the_limit_is_stored(self):
        assert len(encode("x" * 98, what=WHAT, limit_bytes=100)) == 100

    def test_a_value_beyond_it_is_refused_with_both_sizes_and_the_way_out(self):
        with pytest.raises(PayloadTooLargeError) as caught:
            encode("x" * 412 * 1024, what=WHAT, limit_bytes=400 * 1024)
        assert f"{WHAT} is 412.1 KiB, the store takes at most 400 KiB. Keep the data " in str(
            caught.value
        )

    def test_one_byte_too_many_never_reads_as_the_limit(self):
        with pytest.raises(PayloadTooLargeError, match=r"is 1\.1 KiB, .* at most 1 KiB"):
            encode("x" * 1023, what=WHAT, limit_bytes=1024)

    @pytest.mark.parametrize("data", [b"NaN", b"[1,]", b"", b'"\\ud800"', b'"\xff"', b"1e400"])
    def test_bytes_that_are_not_strict_json_are_refused(self, data):
        with pytest.raises(ValueNotStorableError, match=r"^stored value: not strict JSON: "):
            decode(data)

    def test_bytes_nested_without_end_are_refused(self):
        with pytest.raises(ValueNotStorableError):
            decode(b"[" * 100_000)


class TestDeclaredTypesToJson:
    def test_declared_types_are_converted_however_nested(self):
        order = Order(
            id=UUID(int=1), at=datetime(2020, 1, 2, tzinfo=UTC), lines=(Line(Decimal("1.10")),)
        )
        value = {"parcels": [Parcel(weight_kg=2.5, order=order)], "level": Level.LOW}
        assert to_json_value(value, what=WHAT) == {
            "parcels": [
                {
                    "weightKg": 2.5,
                    "order": {
                        "id": "00000000-0000-0000-0000-000000000001",
                        "at": "2020-01-02T00:00:00Z",
                        "lines": [{"price": "1.10", "colour": "red"}],
                        "note": None,
                    },
                }
            ],
            "level": 1,
        }

    def test_models_are_dumped_by_alias_also_inside_dataclasses(self):
        @dataclass
        class Visit:
            who: Customer
            took: timedelta

        value = Visit(Customer(name="x", born=date(2000, 1, 1)), timedelta(hours=1))
        assert to_json_value(value, what=WHAT) == {
            "who": {"name": "x", "born": "2000-01-01", "shoeSize": 40},
            "took": "PT3600S",
        }

    def test_json_that_is_strict_already_is_not_copied(self):
        value = {"a": [1]}
        assert to_json_value(value, what=WHAT) is value

    def test_the_original_is_not_changed(self):
        value = {"a": [Decimal(1)]}
        assert to_json_value(value, what=WHAT) == {"a": ["1"]}
        assert value == {"a": [Decimal(1)]}

    def test_what_has_no_json_form_is_refused_with_its_place(self):
        @dataclass
        class Box:
            inside: Any

        with pytest.raises(ValueNotStorableError, match=r"^output of node 'a': at \.b\[0\]: Box "):
            to_json_value({"b": [Box(object())]}, what=WHAT)
        with pytest.raises(ValueNotStorableError, match=r"at \.b\.inside: float nan"):
            to_json_value({"b": Box(math.nan)}, what=WHAT)

    @pytest.mark.parametrize("value", [(1, 2), {1}, b"x", {1: 2}, [object()], "\ud800"])
    def test_undeclared_types_stay_refused(self, value):
        with pytest.raises(ValueNotStorableError, match=r"^output of node 'a': "):
            to_json_value(value, what=WHAT)

    def test_a_cycle_is_refused(self):
        value: list[Any] = [Decimal(1)]
        value.append(value)
        with pytest.raises(ValueNotStorableError, match="or the value contains itself"):
            to_json_value(value, what=WHAT)
        line = Line(Decimal(1))
        line.price = line  # type: ignore[assignment]
        with pytest.raises(ValueNotStorableError, match="Line has no JSON form"):
            to_json_value(line, what=WHAT)

    @given(
        st.builds(
            Order,
            id=st.uuids(),
            at=st.datetimes(timezones=st.just(UTC)),
            lines=st.lists(
                st.builds(Line, price=st.decimals(allow_nan=False, allow_infinity=False))
            ).map(tuple),
            note=st.none() | text,
        )
    )
    def test_a_declared_type_survives_the_way_there_and_back(self, order):
        stored = decode(encode_declared(order, what=WHAT))
        assert from_json_value(stored, Order, what=WHAT) == order

    @pytest.mark.parametrize("value", [{"a": [Decimal(1)]}, Line(Decimal(1)), {"a": [1.5, None]}])
    def test_a_declared_value_is_written_as_what_it_converts_to(self, value):
        written = encode_declared(value, what=WHAT)
        assert decode(written) == to_json_value(value, what=WHAT)

    @pytest.mark.parametrize("value", [(1, 2), [math.inf], {1: 2}, [Decimal(1), {1}], "\ud800"])
    def test_a_value_without_json_form_is_not_written(self, value):
        with pytest.raises(ValueNotStorableError, match=r"^output of node 'a': "):
            encode_declared(value, what=WHAT)

    def test_a_declared_value_is_measured_as_it_is_written(self):
        assert encode_declared(Decimal("1.5"), what=WHAT, limit_bytes=5) == b'"1.5"'
        with pytest.raises(PayloadTooLargeError, match=r"^output of node 'a' is "):
            encode_declared(Decimal("1.5"), what=WHAT, limit_bytes=4)


class TestJsonToDeclaredTypes:
    @pytest.mark.parametrize(
        ("value", "annotation", "expected"),
        [
            (1, float, 1.0),
            ("1.10", Decimal, Decimal("1.10")),
            ("red", Colour, Colour.RED),
            ({"street": "x", "since": "2020-01-01"}, Address, None),
            ([{"weightKg": 1}], list[Parcel], [Parcel(weight_kg=1.0)]),
            ({"1": 2}, dict[int, int], {1: 2}),
            (None, Customer | None, None),
            ({"name": "x", "shoeSize": 41}, Customer, Customer(name="x", shoeSize=41)),
            (
                {"id": "00000000-0000-0000-0000-000000000001"},
                StrictCustomer,
                StrictCustomer(id=UUID(int=1)),
            ),
            ({"any": ["thing"]}, Any, {"any": ["thing"]}),
        ],
    )
    def test_a_value_that_fits_is_built(self, value, annotation, expected):
        if annotation is Address:
            expected = Address(street="x", since=date(2020, 1, 1))
        built = from_json_value(value, annotation, what=WHAT)
        assert built == expected
        assert type(built) is type(expected)

    @pytest.mark.parametrize(
        ("value", "annotation", "reason"),
        [
            ("1", int, ": expected `int`, got `str`"),
            (1, bool, ": expected `bool`, got `int`"),
            (True, int, ": expected `int`, got `bool`"),
            (1.0, int, ": expected `int`, got `float`"),
            ("blue", Colour, ": invalid enum value 'blue'"),
            ({}, Order, ": object missing required field `id`"),
            ({"a": {"b": [1, "x"]}}, dict[str, dict[str, list[int]]], "at [...][...][1]: expected"),
            ([{"price": []}], list[Line], ": at [0].price: expected `decimal`, got `array`"),
            (2, Annotated[int, msgspec.Meta(ge=3)], ": expected `int` >= 3"),
            ({"name": 1}, Customer, ": at .name: input should be a valid string"),
            ([{"born": "x"}], list[Customer], ": at [0].name: field required; at [0].born: input"),
            ({"1": "x"}, dict[int, int], "expected `int`, got `str`"),
        ],
    )
    def test_a_misfit_names_what_and_the_field(self, value, annotation, reason):
        with pytest.raises(InputError) as caught:
            from_json_value(value, annotation, what=WHAT)
        assert str(caught.value).startswith(WHAT)
        assert reason in str(caught.value)

    def test_unknown_fields_are_ignored(self):
        assert from_json_value({"weightKg": 1, "x": 2}, Parcel, what=WHAT) == Parcel(weight_kg=1)

    @pytest.mark.parametrize("annotation", [object, "Order", complex, Customer | StrictCustomer])
    def test_a_type_that_json_cannot_give_is_the_declarations_fault(self, annotation):
        with pytest.raises(RegistrationError, match="cannot be read from JSON"):
            from_json_value({}, annotation, what=WHAT)

    def test_lists_start_afresh_in_each_built_value(self):
        @dataclass
        class Bag:
            items: list[int] = field(default_factory=list)

        from_json_value({}, Bag, what=WHAT).items.append(1)
        assert from_json_value({}, Bag, what=WHAT).items == []
