"""Runs the contract suite for each fixture of the adapter under test."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.adapters.contract")

from tests.adapters.contract import AdapterContract, fixtures  # noqa: E402 - after its registration


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.cls and issubclass(metafunc.cls, AdapterContract) and "fixture_path" in metafunc.fixturenames:
        metafunc.parametrize("fixture_path", fixtures(metafunc.cls.folder))
