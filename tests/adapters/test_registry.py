"""The registry names every adapter once and takes in those of other packages."""

from __future__ import annotations

import pytest

from handoff.adapter.contract import SourceOptions
from handoff.domain.errors import ConfigurationError
from handoff_adapters.registry import BUILT_IN, adapter_class, available


def test_each_adapter_stands_under_its_own_name() -> None:
    for name, made in available().items():
        assert made.name == name
        assert name.startswith(f"{made.channel}.")
        assert issubclass(made.options, SourceOptions)
    assert set(BUILT_IN) <= set(available())


def test_an_unknown_adapter_is_a_configuration_error_that_lists_the_known() -> None:
    assert adapter_class("web.segment").name == "web.segment"
    with pytest.raises(ConfigurationError, match=r"chat\.chatwoot"):
        adapter_class("web.nobody")
