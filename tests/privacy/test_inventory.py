"""The inventory of docs/erasure.md has every kind of key that a store may hold."""

from __future__ import annotations

import re
from pathlib import Path

import handoff
from handoff.store.server import sizes

from .conftest import Api, erase
from .test_erasure import live

PAGE = Path(handoff.__file__).parent.parent / "docs" / "erasure.md"
PARTITION = re.compile(rb"^\{\d+\}(.)", re.DOTALL)
CONTROL = re.compile(rb"^\{c\.[^}]*\}(timers|sources|.)", re.DOTALL)


def inventory() -> set[str]:
    """The kinds of keys in the first column of the table."""
    rows = [line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return {kind for row in rows for kind in re.findall("`([^`]+)`", row)}


def kind_of(key: bytes) -> str:
    """The kind of a key, as the inventory writes it."""
    if found := PARTITION.match(key):
        return "{n}" + found[1].decode(errors="replace")
    if found := CONTROL.match(key):
        return "{c.TENANT}" + found[1].decode(errors="replace")
    if key.startswith(b"{handoff:tokens}"):
        return key[:17].decode()
    return key.decode(errors="replace")


def test_the_inventory_has_the_kinds_that_sizes_are_shown_of() -> None:
    kinds = {"{n}" + letter.decode() for letter in sizes._PARTITION}
    kinds |= {"{c.TENANT}" + letter.decode() for letter in (*sizes._CONTROL, *sizes._CONTROL_WHOLE)}
    assert kinds - inventory() == set()


def test_an_unknown_kind_is_noticed() -> None:
    assert kind_of(b"{12}\x00abc") not in inventory()
    assert kind_of(b"{c.shop}Zabc") not in inventory()
    assert kind_of(b"handoff:other") not in inventory()


async def test_every_key_of_a_store_is_in_the_inventory(api: Api) -> None:
    connection = api.server.store.connection
    customer = await live(api)
    await api.server.store.horizons.raise_to(api.tenant, {("chat", "messages"): 1})
    before = set(map(kind_of, await connection.call(b"KEYS", b"*")))
    await erase(api, customer)
    after = set(map(kind_of, await connection.call(b"KEYS", b"*")))
    assert (before | after) - inventory() == set()
    assert {"{n}t", "{n}n", "{n}D", "{n}H", "{c.TENANT}h", "{c.TENANT}j", "{c.TENANT}y"} <= before | after
