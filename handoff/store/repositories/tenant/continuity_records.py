"""Continuity codes, their digits, and wrong guesses, in one tenant's control partition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from handoff.store.connection import Connection
from handoff.store.repositories.control import Change, ControlReads

from .listed import RecordList

PLAIN = b"\x00"
"""The first byte of a kept value: not compressed."""
DIGITS_KEPT_S = 86_400  # after the digits' end: they are shown as expired, not as unknown


class ContinuityRecords:
    """The codes of one tenant. Methods that take a change add to it; the tenant's store commits it."""

    def __init__(self, control: ControlReads, connection: Connection) -> None:
        self._control = control
        self._connection = connection
        self._keys = control.keys

    async def read(self, ids: Iterable[bytes]) -> list[bytes | None]:
        """The records with these ids; one round trip."""
        return await self._control.read([self._keys.record("n", id_) for id_ in ids])

    async def of_digits(self, digits: bytes) -> bytes | None:
        """The id of the code with these digits, by their keyed hash; one round trip."""
        found = await self._control.kept(self._keys.record("u", digits))
        return found[1:] if found is not None else None

    @property
    def by_end(self) -> RecordList:
        """All codes, by the time of their end."""
        return RecordList(self._control, self._keys.set("continuity"))

    def of_home(self, home: bytes) -> RecordList:
        """The codes of a home and those that it used, by the time of issue and of use."""
        return RecordList(self._control, self._keys.set("continuity-home:", home))

    async def of_homes(self, homes: Sequence[bytes]) -> list[bytes]:
        """The ids of the codes of these homes and of those that they used; one round trip."""
        return await self._control.newest([self.of_home(home).key for home in homes], None)

    def add(self, change: Change, code: Any, *, times: tuple[int, int], digits: tuple[bytes, int]) -> None:
        """Store a new code with its lists. `times` are those of issue and end; `digits` are the hash of its
        digits and the seconds for which they are valid. The change fails if another code has them."""
        id_, home = code.id, code.home
        key, digits_key = self._keys.record("n", id_), self._keys.record("u", digits[0])
        change.expect(key, 0).put(key, 1, code)
        change.expect(digits_key, 0).keep(digits_key, PLAIN + id_, digits[1] + DIGITS_KEPT_S)
        change.add(self.by_end.key, times[1], id_).add(self.of_home(home).key, times[0], id_)

    def put(self, change: Change, id_: bytes, version: int, code: Any) -> None:
        """Replace a code of this version."""
        key = self._keys.record("n", id_)
        change.expect(key, version).put(key, version + 1, code)

    def list_use(self, change: Change, id_: bytes, home: bytes, at: int) -> None:
        """List a code under the identity that used it as well."""
        change.add(self.of_home(home).key, at, id_)

    def unlist(self, change: Change, id_: bytes, home: bytes) -> None:
        """Take a code out of the list of a home."""
        change.remove(self.of_home(home).key, id_)

    def forget(self, change: Change, code: Any) -> None:
        """Delete a code and its places in lists, whatever its version. Its digits expire by themselves."""
        change.drop(self._keys.record("n", code.id))
        change.remove(self.by_end.key, code.id)
        for home in {code.home, *(it.home for it in code.uses)}:
            self.unlist(change, code.id, home)

    def forget_digits(self, change: Change, digits: bytes) -> None:
        """Delete digits, by their keyed hash."""
        change.drop(self._keys.record("u", digits))

    # Wrong guesses

    async def wrong(self, scopes: Sequence[str]) -> list[int]:
        """How many touchpoints had wrong digits lately, for each scope; one round trip."""
        replies = await self._connection.answers([(b"SCARD", self._guesses(it)) for it in scopes])
        return [int(it) for it in replies]

    async def note_wrong(self, scopes: Sequence[str], touchpoint: bytes, seconds: int) -> list[int]:
        """Count a touchpoint with wrong digits in each scope, once however often it is sent; how many there
        are now. A count ends `seconds` after its first; one round trip."""
        commands: list[tuple[bytes | int, ...]] = []
        for scope in scopes:
            key = self._guesses(scope)
            commands += [(b"SADD", key, touchpoint), (b"EXPIRE", key, seconds, b"NX"), (b"SCARD", key)]
        replies = await self._connection.answers(commands)
        return [int(it) for it in replies[2::3]]

    def _guesses(self, scope: str) -> bytes:
        return self._keys.named(f"guesses:{scope}")
