"""Python functions that expressions call by name."""

from __future__ import annotations

import asyncio

import pytest

from flowcraft.errors import ExpressionError, RegistrationError
from flowcraft.expressions import Expressions
from flowcraft.testing import covers
from packages.core.tests.expressions.evaluating import (
    RESULT,
    failure,
    rate,
    run,
)


class TestFunctions:
    @covers("S4.27", "S4.24")
    @pytest.mark.parametrize("name", ["eval", "exec", "open", "getattr", "print", "__import__"])
    def test_what_python_has_built_in_can_not_be_called(self, expressions, name):
        for source in (f"{name}('1')", f"input.{name}('1')", f"[{name}][0]('1')"):
            with pytest.raises(ExpressionError):
                expressions.compile(source)

    @covers("S4.27")
    @pytest.mark.parametrize("name", ["__class__", "__init__", "keys", "__dict__", "__globals__"])
    def test_what_python_values_are_made_of_can_not_be_reached(self, expressions, name):
        for source in (f"input.{name}", f'input["{name}"]', f"rate.{name}"):
            assert run(expressions.compile(source)) is None
        with pytest.raises(ExpressionError):
            run(expressions.compile(f"input.{name} == 1"))
        with pytest.raises(ExpressionError):
            expressions.compile(f"input.{name}()")

    @covers("S4.23")
    def test_a_function_takes_its_arguments_by_position(self):
        expressions = Expressions(functions={"less": lambda first, second: first - second})
        assert run(expressions.compile("less(5, 3)")) == 2

    def test_an_exception_becomes_the_error_and_its_cause(self, expressions):
        expression = expressions.compile("explode(1)")
        with pytest.raises(ExpressionError) as caught:
            run(expression)
        assert str(caught.value).endswith(": explode() raised ZeroDivisionError: on purpose")
        assert isinstance(caught.value.__cause__, ZeroDivisionError)

    @pytest.mark.parametrize("source", ["explode(1) || true", "false && explode(1) || explode(2)"])
    @covers("S4.20")
    def test_an_exception_is_not_absorbed_by_the_other_operand(self, expressions, source):
        assert "explode() raised" in failure(expressions, source)

    def test_a_function_that_is_not_reached_is_not_called(self, expressions):
        assert run(expressions.compile("true || explode(1)")) is True

    def test_cancellation_and_interrupts_pass_through(self):
        def interrupt() -> None:
            raise asyncio.CancelledError

        expression = Expressions(functions={"interrupt": interrupt}).compile("interrupt()")
        with pytest.raises(asyncio.CancelledError):
            run(expression)

    @pytest.mark.parametrize("value", [{1}, object(), float("nan"), 2**64, (1,)])
    def test_a_result_that_is_not_json_is_refused(self, value):
        expressions = Expressions(functions={"give": lambda: value})
        assert "give() raised" in failure(expressions, "give() == 1")

    def test_a_function_takes_and_gives_any_json(self):
        expressions = Expressions(functions={"echo": lambda *values: list(values)})
        value = run(expressions.compile("echo(input, null, 1.5, 'x')"))
        assert value == [RESULT["output"], None, 1.5, "x"]

    def test_the_log_stays_silent_about_a_failed_function(self, expressions, caplog, capfd):
        failure(expressions, "explode(1)")
        assert not caplog.records
        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize("name", ["size", "map", "int", "true", "package", "a.b", "", "x-y"])
    def test_a_name_that_cel_has_or_cannot_call_is_refused(self, name):
        with pytest.raises(RegistrationError):
            Expressions(functions={name: rate})

    def test_an_async_function_is_refused(self):
        async def later() -> None: ...

        with pytest.raises(RegistrationError, match="must not be async"):
            Expressions(functions={"later": later})
