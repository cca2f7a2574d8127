"""From a sender's JSON to touchpoints, by the compiled expressions of a mapping.

Expressions come from the operator. The events come from strangers, so every value is narrowed like that
of any adapter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from handoff.domain.clock import Micros
from handoff.domain.errors import ConfigurationError, Unprocessable
from handoff.domain.identity import Handle
from handoff.domain.touchpoint import (
    MAX_IDENTITIES,
    TYPE_SET,
    UNKNOWN_TYPE,
    Direction,
    Touchpoint,
    Visibility,
    default_direction,
    default_visibility,
)
from handoff_adapters.shared import fields
from handoff_adapters.shared.handles import handle, of_customer

from .mapping import FieldMapping

MAX_EXPRESSION = 1_000  # characters
MAX_FILES = 100


class Expressions:
    """The compiled expressions of a mapping. ConfigurationError, with the key, for one with a mistake."""

    def __init__(self, mapping: FieldMapping, source: str) -> None:
        self.mapping = mapping
        self._compiled: dict[str, Any] = {}
        for key, stated in mapping.expressions():
            self._compiled[key] = _compiled(stated, f"source {source!r}: `mapping.{key}`")
        for name, type_ in mapping.types.items():
            if type_ not in TYPE_SET:
                raise ConfigurationError(
                    f"source {source!r}: `mapping.types.{name}` is {type_!r}, which is not a touchpoint type"
                )
        if not mapping.identities:
            raise ConfigurationError(
                f"source {source!r}: `mapping.identities` needs an entry: who it is about"
            )

    def find(self, key: str, item: Any) -> Any:
        """The value that the expression of `key` finds; None without one. Unprocessable if it fails."""
        compiled = self._compiled.get(key)
        if compiled is None:
            return None
        try:
            return compiled.search(item)
        except (JMESPathError, ArithmeticError, RecursionError, TypeError, ValueError) as error:
            raise Unprocessable(
                f"The expression `mapping.{key}` cannot be applied to this event", code="mapping_failed"
            ) from error

    def items(self, body: Any) -> list[Any]:
        """The events of a delivery."""
        if "items" in self._compiled:
            found = self.find("items", body)
            return found if isinstance(found, list) else [] if found is None else [found]
        return body if isinstance(body, list) else [body]


def _compiled(stated: str, where: str) -> Any:
    if len(stated) > MAX_EXPRESSION:
        raise ConfigurationError(f"{where} has more than {MAX_EXPRESSION} characters")
    try:
        return jmespath.compile(stated)
    except JMESPathError as error:
        reason = " ".join(str(error).split("\n")[0].split())
        raise ConfigurationError(f"{where} is not a JMESPath expression: {reason}") from error


class ItemReader:
    """Reads the events of one source. `own` are the business's own identities."""

    def __init__(
        self,
        expressions: Expressions,
        *,
        source: str,
        channel: str,
        region: str | None,
        own: frozenset[tuple[str, str]],
    ) -> None:
        self._expressions, self._mapping = expressions, expressions.mapping
        self._source, self._channel = source, channel
        self._region, self._own = region, own

    def read(self, item: Any, received_at: Micros, id_space: str) -> Touchpoint | str:
        """The touchpoint of an event, or the name under which it is counted as ignored. Unprocessable."""
        if not isinstance(item, dict):
            raise Unprocessable("The event is not a JSON object", code="not_an_object")
        type_, name = self._type(item)
        if type_ is None:
            return name or "unmapped"
        people = self._people(item)
        if not people:
            raise Unprocessable("No expression of `mapping.identities` finds a handle", code="no_identity")
        data = {key: self._value(f"data.{key}", item) for key in self._mapping.data}
        if type_ == UNKNOWN_TYPE and name:
            data.setdefault("name", name)
        internal = self._expressions.find("internal", item) is True
        return fields.checked(
            Touchpoint(
                id_space=id_space,
                event_id=self._id(item),
                source=self._source,
                channel=self._channel,
                type=type_,
                occurred_at=fields.plausible(fields.moment(self._find("time", item)), received_at),
                identities=people,
                direction=self._direction(item, type_),
                visibility=Visibility.INTERNAL if internal else default_visibility(type_),
                text=self._text("text", item),
                subject=fields.subject(self._text("subject", item)),
                thread=self._text("thread", item),
                language=fields.language(self._find("language", item)),
                medium=self._text("medium", item),
                actor=self._actor(item),
                seq=fields.whole(self._find("seq", item)),
                attachments=self._attachments(item),
                traits=self._traits(item),
                data=fields.data({key: it for key, it in data.items() if it is not None}),
            )
        )

    def people(self, item: Any) -> tuple[Handle, ...]:
        """The customer's handles in an event; none in one that is not an object."""
        return self._people(item) if isinstance(item, dict) else ()

    def thread(self, item: Any) -> str | None:
        return self._text("thread", item) if isinstance(item, dict) else None

    def _find(self, key: str, item: Any) -> Any:
        return self._expressions.find(key, item)

    def _text(self, key: str, item: Any) -> str | None:
        return fields.text(self._find(key, item))

    def _value(self, key: str, item: Any) -> Any:
        found = self._find(key, item)
        return None if found is None or found == "" else fields.bounded(found)

    def _id(self, item: Mapping[str, Any]) -> str:
        if not self._mapping.id:
            return f"blake2b:{fields.digest(item)}"
        stated = self._text("id", item)
        if stated is None:
            raise Unprocessable("The expression `mapping.id` finds nothing", code="no_id")
        return fields.event_id(stated)

    def _type(self, item: Mapping[str, Any]) -> tuple[str | None, str]:
        """The touchpoint type, None for an event to ignore, and the sender's own name."""
        stated = self._text("type", item) or ""
        mapped = self._mapping.types.get(stated)
        if mapped:
            return mapped, stated
        if stated in TYPE_SET and not self._mapping.types:
            return stated, stated
        return (None if self._mapping.unmapped == "ignore" else UNKNOWN_TYPE), stated

    def _direction(self, item: Mapping[str, Any], type_: str) -> Direction:
        stated = self._text("direction", item) or ""
        mapped = self._mapping.directions.get(stated)
        if mapped:
            return mapped
        return Direction(stated) if stated in _DIRECTIONS else default_direction(type_)

    def _people(self, item: Mapping[str, Any]) -> tuple[Handle, ...]:
        found: list[Handle | None] = []
        for at, stated in enumerate(self._mapping.identities):
            value = self._find(f"identities[{at}].value", item)
            values = value[:MAX_IDENTITIES] if isinstance(value, list) else [value]
            of = partial(handle, stated.type, assurance=stated.assurance, space=stated.space)
            found += [of(it, region=self._region) for it in values]
        return of_customer(found, self._own)

    def _actor(self, item: Mapping[str, Any]) -> dict[str, Any] | None:
        name = self._text("actor", item)
        return {"name": name} if name else None

    def _traits(self, item: Mapping[str, Any]) -> dict[str, Any]:
        found = {key: self._value(f"traits.{key}", item) for key in self._mapping.traits}
        return fields.data({key: it for key, it in found.items() if it is not None})

    def _attachments(self, item: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        found = self._find("attachments.items", item)
        files: Sequence[Any] = found if isinstance(found, list) else []
        return tuple(
            {name: value for name, value in self._file(it).items() if value is not None}
            for it in files[:MAX_FILES]
            if isinstance(it, dict)
        )

    def _file(self, item: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "name": self._text("attachments.name", item),
            "content_type": self._text("attachments.content_type", item),
            "url": self._text("attachments.url", item),
            "size": fields.whole(self._find("attachments.size", item)),
        }


_DIRECTIONS = frozenset(Direction)
