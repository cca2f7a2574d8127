"""Parametrises the contract suite over the fixtures of the adapter under test."""

from __future__ import annotations

import pytest

from tests.adapters.contract import AdapterContract, fixtures


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.cls and issubclass(metafunc.cls, AdapterContract) and "fixture_path" in metafunc.fixturenames:
        metafunc.parametrize("fixture_path", fixtures(metafunc.cls.folder))
