"""What a tracked call means: touchpoint type, subject, text and data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from handoff.domain.errors import ConfigurationError, Unprocessable
from handoff.domain.text.memo import cached_if_short
from handoff.domain.text.urls import split_url
from handoff.domain.touchpoint import TYPE_SET
from handoff_adapters.shared import fields
from handoff_adapters.shared.fields import first_text, mapping, text

from .event import TrackedEvent
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
"""Track event -> touchpoint type; case, spaces, underscores and hyphens do not matter."""

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
"""Where the customer's own words are in the properties, by touchpoint type."""

DATA_KEYS: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "search.performed": (("query", _QUERY),),
    "form.failed": (("form", _FORM), ("error", _ERROR)),
    "form.submitted": (("form", _FORM),),
    "article.viewed": (("title", _ARTICLE),),
}
"""Names in our data -> where senders put them, by touchpoint type."""

_PAGE_KEYS = ("url", "title", "path", "referrer")
_APART = re.compile(r"[\s_\-]+")
_LOCALE = r"(?:/[A-Za-z]{2}(?:[-_][A-Za-z]{2})?(?=/))?"  # /en-us/help/… is help too
_MEDIUM_OF_CHANNEL = {"web": "browser", "browser": "browser", "mobile": "app", "server": "server"}
_MEDIUM_OF_LIBRARY = (
    (re.compile(r"javascript|analytics\.js|analytics-next", re.IGNORECASE), "browser"),
    (re.compile(r"android|ios|swift|kotlin|flutter|react-native", re.IGNORECASE), "app"),
    (re.compile(r"python|node|java|go|ruby|php|\.net|csharp|rust", re.IGNORECASE), "server"),
)


class WebFact(Struct, frozen=True, kw_only=True):
    """What an event says apart from who, when and where it came from."""

    type: str
    data: dict[str, Any]
    subject: str | None = None
    text: str | None = None


@cached_if_short
def squashed(name: str) -> str:
    """An event's or category's name as it is compared."""
    return _APART.sub("", name).casefold()


class Articles(Struct, frozen=True):
    """What tells a help article from another page: its category, as compared, or its path."""

    categories: frozenset[str]
    path: re.Pattern[str]


def articles(options: SegmentOptions) -> Articles:
    """What the source calls an article: a path is one where something follows one of its prefixes."""
    categories = frozenset(map(squashed, options.article_categories))
    prefixes = "|".join(map(re.escape, options.article_paths)) if options.article_paths else "(?!)"
    return Articles(categories, re.compile(f"{_LOCALE}(?:{prefixes}).", re.DOTALL))


def track_types(extra: Mapping[str, str]) -> dict[str, str]:
    """The table of track events with the source's own on top. ConfigurationError for an unknown type."""
    unknown = sorted(set(extra.values()) - TYPE_SET)
    if unknown:
        raise ConfigurationError(f"`events` names unknown touchpoint types: {', '.join(unknown)}")
    return {squashed(name): type_ for name, type_ in {**TRACK_TYPES, **extra}.items()}


def page_fact(it: TrackedEvent, articles: Articles) -> WebFact:
    """A page, or a help article where its category or its path says so."""
    data = _with_page(it, _properties(it, text(it.item.get("name"))))
    category = text(it.item.get("category")) or text(data.get("category"))
    if category:
        data.setdefault("category", category)
    article = _is_article(category, data, articles)
    title = first_text(data, "title", "name", "path", "url")
    return WebFact(type="article.viewed" if article else "page.viewed", data=data, subject=title)


def screen_fact(it: TrackedEvent) -> WebFact:
    data = _properties(it, text(it.item.get("name")))
    category = text(it.item.get("category"))
    if category:
        data.setdefault("category", category)
    return WebFact(type="page.viewed", data=data, subject=first_text(data, "name", "title"))


def track_fact(it: TrackedEvent, types: Mapping[str, str]) -> WebFact:
    """A track event by its name. Unprocessable without one."""
    name = text(it.item.get("event"))
    if name is None:
        raise Unprocessable("a track call names its event", code="missing_event")
    type_ = types.get(squashed(name), "event.tracked")
    data = _properties(it, name)
    for ours, theirs in DATA_KEYS.get(type_, ()):
        found = first_text(it.properties, *theirs)
        if found is not None and text(data.get(ours)) is None:
            data[ours] = found
    data = _with_page(it, data)
    words = first_text(it.properties, *TEXT_KEYS.get(type_, ()))
    subject = first_text(data, "title") if type_ == "article.viewed" else name
    return WebFact(type=type_, data=data, subject=subject or name, text=words)


def identify_fact(it: TrackedEvent) -> WebFact:
    """`identify`, and `alias`, which states two ids of one person."""
    data: dict[str, Any] = {"call": it.call}
    previous = text(it.item.get("previousId"))
    if it.call == "alias" and previous:
        data["previous_id"] = previous
    return WebFact(type="identified", data=data)


def group_fact(it: TrackedEvent) -> WebFact:
    data: dict[str, Any] = {"name": "group", "group_id": text(it.item.get("groupId"))}
    data["group"] = fields.data(mapping(it.item.get("traits")))
    return WebFact(type="event.tracked", data=data, subject=first_text(data["group"], "name") or "group")


def medium(it: TrackedEvent) -> str | None:
    """`browser`, `app` or `server`, where the event tells."""
    if it.call == "screen":
        return "app"
    stated = _MEDIUM_OF_CHANNEL.get((text(it.item.get("channel")) or "").lower())
    if stated:
        return stated
    return _medium_of_library(text(mapping(it.context.get("library")).get("name")) or "")


@cached_if_short
def _medium_of_library(library: str) -> str | None:
    for pattern, name in _MEDIUM_OF_LIBRARY:
        if pattern.search(library):
            return name
    return None


def _properties(it: TrackedEvent, name: str | None) -> dict[str, Any]:
    """The properties at the top level, the call's own name under `name`.

    A property called `name` that says something else is kept as `property_name`.
    """
    data = dict(fields.data(it.properties))
    if name is None:
        return data
    other = data.get("name")
    data["name"] = name
    if other is not None and other != name:
        data.setdefault("property_name", other)
    return data


def _with_page(it: TrackedEvent, data: dict[str, Any]) -> dict[str, Any]:
    page = mapping(it.context.get("page"))
    for key in _PAGE_KEYS if page else ():
        stated = text(page.get(key))
        if stated is not None and text(data.get(key)) is None:
            data[key] = stated
    return data


def _is_article(category: str | None, data: Mapping[str, Any], articles: Articles) -> bool:
    if category and squashed(category) in articles.categories:
        return True
    path = text(data.get("path")) or _path_of(text(data.get("url")))
    return path is not None and articles.path.match(path) is not None


def _path_of(url: str | None) -> str | None:
    if url is None:
        return None
    parts = split_url(url)
    return parts.path or None if parts else None
