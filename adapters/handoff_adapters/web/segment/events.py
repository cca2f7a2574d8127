"""The meaning of a tracked call: touchpoint type, subject, text and data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from msgspec import Struct

from handoff.domain.errors import ConfigurationError, Unprocessable
from handoff.domain.text.memo import cached_if_short
from handoff.domain.touchpoint import TYPE_SET
from handoff_adapters.shared import fields
from handoff_adapters.shared.fields import first_text, mapping, text

from .event import TrackedEvent
from .names import NameTable, comparable
from .noise import path_of
from .options import SegmentOptions

TRACK_TYPES: Mapping[str, str] = {
    "Article Viewed": "article.viewed",
    "Help Article Viewed": "article.viewed",
    "Products Searched": "search.performed",
    "Search Performed": "search.performed",
    "Searched": "search.performed",
    "Search": "search.performed",
    "Form Submitted": "form.submitted",
    "Form Failed": "form.failed",
    "Form Error": "form.failed",
    "Form Submission Failed": "form.failed",
    "Callback Requested": "callback.requested",
    "Complaint Opened": "complaint.opened",
    "Complaint Submitted": "complaint.opened",
    "Survey Answered": "survey.answered",
    "Survey Completed": "survey.answered",
    "NPS Submitted": "survey.answered",
}
"""Track event → touchpoint type. Case, spaces, underscores and hyphens do not matter."""

_QUERY = ("query", "q", "search_term", "searchTerm", "search_query", "term")
_FORM = ("form", "form_name", "formName", "form_id", "formId", "form_title")
_ERROR = ("error", "error_message", "errorMessage", "message", "reason")
_WORDS = ("text", "description", "message", "comment", "feedback", "reason", "complaint", "answer")
_ARTICLE = ("title", "article_title", "articleTitle", "article_name", "article", "name")

TEXT_KEYS: Mapping[str, tuple[str, ...]] = {
    "search.performed": _QUERY,
    "form.failed": _ERROR,
    "callback.requested": _WORDS,
    "complaint.opened": _WORDS,
    "survey.answered": _WORDS,
}
"""The properties that contain the customer's own words, by touchpoint type."""

DATA_KEYS: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "search.performed": (("query", _QUERY),),
    "form.failed": (("form", _FORM), ("error", _ERROR)),
    "form.submitted": (("form", _FORM),),
    "article.viewed": (("title", _ARTICLE),),
}
"""Names in our data → senders' property names, by touchpoint type."""

_PAGE_KEYS = ("url", "title", "path", "referrer")
_LOCALE = r"(?:/[A-Za-z]{2}(?:[-_][A-Za-z]{2})?(?=/))?"  # also matches /en-us/help/…
_MEDIUM_OF_CHANNEL = {"web": "browser", "browser": "browser", "mobile": "app", "server": "server"}
_MEDIUM_OF_LIBRARY = (
    (re.compile(r"javascript|analytics\.js|analytics-next", re.IGNORECASE), "browser"),
    (re.compile(r"android|ios|swift|kotlin|flutter|react-native", re.IGNORECASE), "app"),
    (re.compile(r"python|node|java|go|ruby|php|\.net|csharp|rust", re.IGNORECASE), "server"),
)


class WebFact(Struct, frozen=True, kw_only=True):
    """The type, data, subject and text of an event."""

    type: str
    data: dict[str, Any]
    subject: str | None = None
    text: str | None = None


class Articles(Struct, frozen=True):
    """The categories (in comparable form) and paths of help articles."""

    categories: frozenset[str]
    path: re.Pattern[str]


def articles(options: SegmentOptions) -> Articles:
    """The source's articles. A path is an article if something follows one of the prefixes."""
    categories = frozenset(map(comparable, options.article_categories))
    prefixes = "|".join(map(re.escape, options.article_paths)) if options.article_paths else "(?!)"
    return Articles(categories, re.compile(f"{_LOCALE}(?:{prefixes}).", re.DOTALL))


def track_types(extra: Mapping[str, str]) -> NameTable[str]:
    """The table of track events, with the source's own added. ConfigurationError for an unknown type."""
    for name, type_ in extra.items():
        if type_ not in TYPE_SET:
            similar = get_close_matches(type_, sorted(TYPE_SET), n=1)
            hint = f"did you mean {similar[0]!r}?" if similar else "docs/touchpoint-types.md lists the types"
            raise ConfigurationError(f"`events` maps {name!r} to the unknown type {type_!r}; {hint}")
    return NameTable({**TRACK_TYPES, **extra})


def page_fact(event: TrackedEvent, articles: Articles) -> WebFact:
    """A page view, or an article view if the category or path is that of an article."""
    data = _with_page(event, _properties(event, text(event.item.get("name"))))
    category = text(event.item.get("category")) or text(data.get("category"))
    if category:
        data.setdefault("category", category)
    article = _is_article(category, data, articles)
    title = first_text(data, "title", "name", "path", "url")
    return WebFact(type="article.viewed" if article else "page.viewed", data=data, subject=title)


def screen_fact(event: TrackedEvent) -> WebFact:
    data = _properties(event, text(event.item.get("name")))
    category = text(event.item.get("category"))
    if category:
        data.setdefault("category", category)
    return WebFact(type="page.viewed", data=data, subject=first_text(data, "name", "title"))


def track_fact(event: TrackedEvent, types: NameTable[str]) -> WebFact:
    """A track event by its name. Unprocessable without one."""
    name = text(event.item.get("event"))
    if name is None:
        raise Unprocessable("A track call must name its event", code="missing_event")
    type_ = types.get(name) or "event.tracked"
    data = _properties(event, name)
    for ours, theirs in DATA_KEYS.get(type_, ()):
        found = first_text(event.properties, *theirs)
        if found is not None and text(data.get(ours)) is None:
            data[ours] = found
    data = _with_page(event, data)
    words = first_text(event.properties, *TEXT_KEYS.get(type_, ()))
    subject = first_text(data, "title") if type_ == "article.viewed" else name
    return WebFact(type=type_, data=data, subject=subject or name, text=words)


def identify_fact(event: TrackedEvent) -> WebFact:
    """`identify`, and `alias`, which states two ids of one person."""
    data: dict[str, Any] = {"call": event.call}
    previous = text(event.item.get("previousId"))
    if event.call == "alias" and previous:
        data["previous_id"] = previous
    return WebFact(type="identified", data=data)


def group_fact(event: TrackedEvent) -> WebFact:
    data: dict[str, Any] = {"name": "group", "group_id": text(event.item.get("groupId"))}
    data["group"] = fields.data(mapping(event.item.get("traits")))
    return WebFact(type="event.tracked", data=data, subject=first_text(data["group"], "name") or "group")


def medium(event: TrackedEvent) -> str | None:
    """`browser`, `app` or `server`, or None when unknown."""
    if event.call == "screen":
        return "app"
    stated = _MEDIUM_OF_CHANNEL.get((text(event.item.get("channel")) or "").lower())
    if stated:
        return stated
    return _medium_of_library(text(mapping(event.context.get("library")).get("name")) or "")


@cached_if_short
def _medium_of_library(library: str) -> str | None:
    for pattern, name in _MEDIUM_OF_LIBRARY:
        if pattern.search(library):
            return name
    return None


def _properties(event: TrackedEvent, name: str | None) -> dict[str, Any]:
    """The properties at the top level, the call's own name under `name`.

    A property `name` with another value is kept as `property_name`.
    """
    data = dict(fields.data(event.properties))
    if name is None:
        return data
    other = data.get("name")
    data["name"] = name
    if other is not None and other != name:
        data.setdefault("property_name", other)
    return data


def _with_page(event: TrackedEvent, data: dict[str, Any]) -> dict[str, Any]:
    page = mapping(event.context.get("page"))
    for key in _PAGE_KEYS if page else ():
        stated = text(page.get(key))
        if stated is not None and text(data.get(key)) is None:
            data[key] = stated
    return data


def _is_article(category: str | None, data: Mapping[str, Any], articles: Articles) -> bool:
    if category and comparable(category) in articles.categories:
        return True
    path = text(data.get("path")) or path_of(text(data.get("url")))
    return path is not None and articles.path.match(path) is not None
