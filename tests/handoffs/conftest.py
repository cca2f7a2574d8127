"""The server of the API tests, shared with the handoff tests."""

from tests.api.conftest import api

__all__ = ["api"]
