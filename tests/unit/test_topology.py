"""Of several answers about a primary's address, the newest failover's counts, from any sentinel."""

from __future__ import annotations

import itertools

import pytest

from handoff.store.resp.cluster_map import SLOTS, SlotClaim, merged, read_claims
from handoff.store.resp.sentinels import SentinelView, newest, read_view

OLD, NEW, OTHER = ("10.0.0.1", 6379), ("10.0.0.2", 6379), ("10.0.0.3", 6379)


def sentinel_answer(flags: str, epoch: int, ip: str = "10.0.0.1", named: str = "10.0.0.1") -> SentinelView:
    fields = {"name": "m", "ip": ip, "port": "6379", "flags": flags, "config-epoch": str(epoch)}
    flat = [word.encode() for pair in fields.items() for word in pair]
    return read_view(flat, [named.encode(), b"6379"])


def test_a_sentinel_that_is_cut_off_with_the_old_primary_is_outvoted_by_a_newer_failover() -> None:
    stale, fresh = sentinel_answer("master", 3), sentinel_answer("master", 4, "10.0.0.2", "10.0.0.2")
    for order in itertools.permutations([stale, stale, fresh]):
        assert newest(order) == SentinelView(4, True, NEW)
    assert newest([]) is None


@pytest.mark.parametrize("flags", ["s_down,master", "master,s_down,o_down", "slave"])
def test_a_primary_that_is_down_is_none_unless_another_sentinel_reaches_it(flags: str) -> None:
    down, up = sentinel_answer(flags, 3), sentinel_answer("master", 3)
    assert not down.up
    assert newest([down, up]) == newest([up, down]) == up


def test_while_a_failover_ends_the_new_primary_counts_although_the_old_one_is_down() -> None:
    assert sentinel_answer("s_down,o_down,master", 4, named="10.0.0.2") == SentinelView(4, True, NEW)


def test_the_newest_claim_to_each_slot_counts() -> None:
    claims = [SlotClaim(5, 0, 8000, OLD), SlotClaim(2, 8001, SLOTS - 1, OTHER), SlotClaim(9, 0, 8000, NEW)]
    for order in itertools.permutations(claims):
        owners = merged(order)
        assert owners[:8001] == (NEW,) * 8001
        assert owners[8001:] == (OTHER,) * (SLOTS - 8001)
    assert merged([SlotClaim(1, 10, 11, OLD)])[9:13] == (None, OLD, OLD, None)


def test_claims_have_the_places_of_cluster_slots_and_the_epochs_of_cluster_nodes() -> None:
    nodes = (
        b"aa 10.9.9.9:6379@16379,one.example myself,master - 0 0 7 connected 0-99\n"
        b"bb 10.9.9.8:6379@16379 slave aa 0 0 7 connected\n"
        b"cc 10.9.9.7:6379@16379 master,fail - 0 0 3 disconnected 100-200\n\n"
    )
    slots = [
        [0, 99, [b"one.example", 6379, b"aa"], [b"two", 6379, b"bb"]],
        [100, 200, [b"", 6380, b"cc", []]],
        [201, 202, [None, 6381, b"dd"]],
    ]
    assert read_claims(slots, nodes, "asked.example") == [
        SlotClaim(7, 0, 99, ("one.example", 6379)),
        SlotClaim(3, 100, 200, ("asked.example", 6380)),
        SlotClaim(0, 201, 202, ("asked.example", 6381)),
    ]
