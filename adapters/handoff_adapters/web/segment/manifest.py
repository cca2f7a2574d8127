"""The manifest of `web.segment`: the calls of the tracking API."""

from __future__ import annotations

from handoff.adapter.manifest import Manifest, VendorEvent

from .events import TRACK_TYPES
from .options import SegmentOptions

IGNORED_CALLS = frozenset({"record", "extract", "audiencelist", "accountdelete"})
"""RudderStack calls that are not part of a customer's journey."""


def _named(type_: str) -> str:
    return ", ".join(name for name, becomes in TRACK_TYPES.items() if becomes == type_)


MANIFEST = Manifest(
    name="web.segment",
    channel="web",
    title="Segment and RudderStack: events of browsers, apps and servers",
    options=SegmentOptions,
    events=(
        *(VendorEvent("track", it, _named(it)) for it in dict.fromkeys(TRACK_TYPES.values())),
        VendorEvent("track", "event.tracked", "any other name; `events` of the source maps more"),
        VendorEvent("page", "page.viewed"),
        VendorEvent("page", "article.viewed", "by the category or the path of a help article"),
        VendorEvent("screen", "page.viewed"),
        VendorEvent("identify", "identified"),
        VendorEvent("alias", "identified"),
        VendorEvent("alias", "ignored: both ids are the same"),
        VendorEvent("merge", "identified"),
        VendorEvent("merge", "ignored: fewer than two ids can be merged"),
        VendorEvent("group", "event.tracked"),
        *(VendorEvent(call, "ignored: no part of a journey") for call in sorted(IGNORED_CALLS)),
    ),
    maturity="stable",
    verified_against="captured requests of Segment's and RudderStack's SDKs for browsers and servers",
)
