"""The server of the API's tests, for the hand-off's."""

from tests.api.conftest import api

__all__ = ["api"]
