"""Recently read histories: bounded in bytes, and useful to readers of more customers than fit."""

from __future__ import annotations

from handoff.store.histories import MAX_BYTES, RecentHistories


async def test_going_round_more_customers_than_fit_still_finds_those_that_do() -> None:
    kept = RecentHistories()
    found = 0
    for _round in range(2):
        for customer in range(20):
            found += kept.take(customer) is not None
            kept.put(customer, "history", MAX_BYTES // 10)
    assert found == 10


async def test_a_history_that_grows_out_of_the_limit_is_not_kept() -> None:
    kept = RecentHistories()
    kept.put("anna", "history", MAX_BYTES)
    kept.put("anna", "longer", MAX_BYTES + 1)
    assert kept.take("anna") is None
    kept.put("ben", "history", MAX_BYTES)
    assert kept.take("ben") == "history"
