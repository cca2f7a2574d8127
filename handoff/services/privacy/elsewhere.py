"""Removes an erased customer from what belongs to others: their timelines, evidence, and conversations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from handoff.codec.body import without_people
from handoff.codec.member import FLAG_PARTICIPANTS, Member
from handoff.domain.identity import Identity
from handoff.store.repositories.identities import IdentityRecord
from handoff.store.repositories.timelines import Window, read_at, read_page
from handoff.store.store import Store

from .erasure import Erasure, people_of

PAGE = 500  # touchpoints of another customer that are looked through at once


class Elsewhere:
    """Timelines and records of other customers. `checkpoint` is called between writes."""

    def __init__(self, store: Store, checkpoint: Callable[[str], Awaitable[None]]) -> None:
        self._store = store
        self._checkpoint = checkpoint

    async def forget(self, erasure: Erasure, job: bytes) -> None:
        """Remove the customer from the timelines and records of others. It may be repeated."""
        people = frozenset(people_of(self._store, erasure, job))
        for home in erasure.homes:
            record = await self._store.graves.record(home, job)
            if record is not None:
                await self._forget(erasure, job, record, people)

    async def _forget(
        self, erasure: Erasure, job: bytes, record: IdentityRecord, people: frozenset[Identity]
    ) -> None:
        graves, hashes = self._store.graves, self._store.hashes(erasure.tenant)
        gone = record.key
        places: dict[bytes, list[bytes]] = {}
        async for page in graves.members(gone, job):
            conversations: list[bytes] = []
            referred: list[Member] = []
            for member in page:
                await self._store.pace.breathe(erasure.tenant)
                if member.reference is not None:
                    referred.append(member)
                elif not member.blanked:
                    body = member.body()
                    if body.thread is not None and body.thread_space is not None:
                        conversations.append(hashes.thread(body.thread_space, body.thread))
                    if member.flags & FLAG_PARTICIPANTS:
                        for who in body.participants:
                            places.setdefault(hashes.identity(who.identity), []).append(member.place)
            await graves.drop_conversations(gone, conversations)
            await self._store.of(erasure.tenant).quarantine.forget_conversations(conversations)
            wanted = [(it.reference, it.place) for it in referred if it.reference is not None]
            for original in await read_at(self._store.connection, self._store.keys, wanted):
                if original is not None:
                    await self._rewrite(erasure.tenant, original, people)
        for home, theirs in places.items():
            if home not in erasure.homes:
                await graves.forget(home, gone, theirs)
        await self._forget_neighbours(erasure, record, people)

    async def _forget_neighbours(
        self, erasure: Erasure, record: IdentityRecord, people: frozenset[Identity]
    ) -> None:
        """Remove the evidence that tied others to the customer, and the customer's names in their words."""
        fields: dict[bytes, list[bytes]] = {}
        for piece in record.evidence:
            for end in piece.ends:
                fields.setdefault(end, []).append(b"p" + piece.id)
        pointing = {it.home for it in record.pointers}
        others = await self._store.of(erasure.tenant).people.records(sorted(pointing))
        for pointer in record.pointers:
            other = others.get(pointer.home)
            stated = next((it for it in other.evidence if it.id == pointer.id), None) if other else None
            if stated is not None and all(set(side) - set(erasure.homes) for side in stated.sides):
                continue  # a split of several identities, which is about the others, too
            fields.setdefault(pointer.home, []).extend((b"e" + pointer.id, b"w" + pointer.id))
        # A checkpoint is kept at one identity of the customer, perhaps one that is not erased.
        await self._store.checkpoints.drop([record.key, *fields])
        for home, names in fields.items():
            if home in erasure.homes:
                continue
            await self._rewrite_all(erasure.tenant, home, people)
            await self._checkpoint("within others")
            await self._store.graves.forget(home, record.key, (), names)

    async def _rewrite_all(self, tenant: str, home: bytes, people: frozenset[Identity]) -> None:
        after = b""
        while True:
            window = Window(limit=PAGE, after=after, ascending=True)
            page = await read_page(self._store.connection, self._store.keys, [home], window)
            for member in page.members:
                await self._rewrite(tenant, member, people)
            if page.end is None:
                return
            after = page.end

    async def _rewrite(self, tenant: str, member: Member, people: frozenset[Identity]) -> None:
        await self._store.pace.breathe(tenant)
        found: Member | None = member
        while found is not None and found.reference is None and not found.blanked:
            left = without_people(found.body(), people)
            if left is None or await self._store.graves.rewrite(found, *left):
                return
            found = await self._store.graves.read_again(found)
