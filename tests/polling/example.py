"""`chat.folio`: messages that a made-up vendor hands out in pages. docs/adding-a-source.md shows it."""

from typing import Any

import msgspec

from handoff.adapter.contract import InboundRequest, Parsed
from handoff.adapter.manifest import Manifest, VendorEvent
from handoff.adapter.poller import CursorRefused, Page, PollClient, Poller, PollOptions
from handoff.domain.identity import Assurance
from handoff.domain.touchpoint import Touchpoint, default_direction
from handoff_adapters.shared import fields
from handoff_adapters.shared.handles import handle, of_customer

GONE = 410


class FolioAdapter(Poller):
    manifest = Manifest(
        name="chat.folio",
        channel="chat",
        title="Folio",
        options=PollOptions,
        events=(VendorEvent("message", "message.received"),),
        verified_against="the vendor in the tests",
    )

    async def poll(self, client: PollClient, cursor: str | None) -> Page:
        place = ("after", cursor) if cursor is not None else ("since", self.settings.since or "")
        answer = await client.request("GET", f"{self.settings.base_url}/messages", query=[place])
        if answer.status == GONE:
            raise CursorRefused
        found = answer.json()
        deliveries = tuple(msgspec.json.encode(it) for it in found["messages"])
        return Page(deliveries=deliveries, cursor=found["next"], more=found["more"])

    def parse(self, request: InboundRequest) -> Parsed:
        message = fields.json_object(request.body)
        return fields.one(lambda: self.touchpoint(message, request.received_at), request.body)

    def touchpoint(self, message: dict[str, Any], received_at: int) -> Touchpoint:
        return Touchpoint(
            id_space="folio",
            event_id=fields.event_id(fields.text(message.get("id")) or ""),
            source=self.settings.name,
            channel=self.channel,
            type="message.received",
            occurred_at=fields.plausible(fields.moment(message.get("at")), received_at),
            direction=default_direction("message.received"),
            identities=of_customer([handle("email", message.get("from"), Assurance.CLAIMED)], frozenset()),
            text=fields.text(message.get("text")),
        )
