from __future__ import annotations

from typing import Any

import msgspec
import pytest

from flowcraft.nodes import NodeResult, RunInfo


def test_a_result_without_arguments_has_no_output_and_no_action() -> None:
    assert NodeResult[Any]() == NodeResult(None, None)


def test_an_empty_action_is_refused() -> None:
    with pytest.raises(ValueError, match="action is empty"):
        NodeResult(1, action="")


def test_an_action_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="action is int"):
        NodeResult(1, action=3)  # type: ignore[arg-type]


def test_a_result_and_a_run_info_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        NodeResult(1).output = 2  # type: ignore[misc]
    info = RunInfo(run_id="r", blueprint_id="b", node_id="n", scope="/0", attempt=2)
    with pytest.raises(AttributeError):
        info.attempt = 3  # type: ignore[misc]
    assert msgspec.structs.asdict(info)["scope"] == "/0"
