"""Tests for adapters, ours and those of other packages: derive a test class from `AdapterContract`.

Needs pytest, which the product itself does not.
"""

import pytest

pytest.register_assert_rewrite("handoff.testing.suite", "handoff.testing.hostile")

from handoff.adapter.trial import PUBLIC_URL, RECEIVED_AT, inbound_request  # noqa: E402 - after it

from .fixtures import DeliveryFixture, fixture_files, read_fixture  # noqa: E402
from .hostile import survive  # noqa: E402
from .suite import AdapterContract, SignedContract  # noqa: E402

__all__ = [
    "PUBLIC_URL",
    "RECEIVED_AT",
    "AdapterContract",
    "DeliveryFixture",
    "SignedContract",
    "fixture_files",
    "inbound_request",
    "read_fixture",
    "survive",
]
