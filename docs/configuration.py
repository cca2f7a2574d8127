"""Write docs/configuration.md from the settings: `python docs/configuration.py`, or `make config-docs`.

Keys, types, and defaults come from the settings and the options of each built-in adapter. Descriptions and
examples are in docs/configuration.toml, one entry a key: a missing or an unused entry is an error.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields

from handoff.adapter.contract import SourceOptions
from handoff.adapter.poller import OAuthOptions, PollOptions
from handoff.bootstrap.settings import ServerSettings, Settings
from handoff.store.settings import StoreSettings
from handoff_adapters.registry import BUILT_IN, adapter_class

HERE = Path(__file__).resolve().parent
PAGE = HERE / "configuration.md"
TEXTS = HERE / "configuration.toml"
OVERRIDABLE: Mapping[str, type[Struct]] = {"server": ServerSettings, "store": StoreSettings}
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", Any: "any"}
_HEAD = """\
# Configuration

Every key, its type, and its default. `make config-docs` writes this page from the settings.

The configuration is one TOML file: `handoff serve --config FILE`. Without a file the server uses the
defaults and listens on loopback only. `handoff init` writes a file to start from, with secrets that only you
can read; [config/handoff.toml](../config/handoff.toml) is a longer example.

**Checking.** `handoff check-config FILE` lists every fault at once, with its line and what would be right. It
starts nothing. It reports unknown keys, values and names, missing variables with the key that needs them,
URLs without a scheme, types of events that do not exist, rules and policies that can never apply, and what
the machine lacks for a start. Warnings are for what is probably not meant, such as a misspelt queue or a
`HANDOFF_…` variable that nothing reads. The exit status is 0 without errors and 1 with errors; `--strict`
counts warnings, and `--json` is for programs.

**Secrets.** Any string can be `env:NAME` (the value of an environment variable) or `file:PATH` (the content
of a file, relative to the configuration file, without surrounding white space). A variable that is not set,
or a file that cannot be read, stops the start. Use literals in tests only.
"""


class Section(Struct, frozen=True):
    """A table of the configuration: the key under which its texts are, its heading, and its settings."""

    path: str
    heading: str
    type: type[Struct]
    inherited: frozenset[str] = frozenset()

    def settings(self) -> list[FieldInfo]:
        return [it for it in fields(self.type) if it.name not in self.inherited]


def sections() -> list[Section]:
    """The tables in the order of the page: the settings', then what sources share, then each adapter's."""
    own = list(_tables(Settings))
    common = frozenset(SourceOptions.__struct_fields__)
    found = [it for it in own if it.path in OVERRIDABLE]
    found.append(Section("sources", "`[[sources]]`: what every source has", SourceOptions))
    found.append(Section("fetched", "`[[sources]]` that the server fetches", PollOptions, common))
    found.append(Section("fetched.oauth", "`oauth` in such a source", OAuthOptions))
    found += [
        Section(name, f'`[[sources]]` with `adapter = "{name}"`', adapter_class(name).options, common)
        for name in BUILT_IN
    ]
    return found + [it for it in own if it.path not in OVERRIDABLE]


def _tables(parent: type[Struct], prefix: str = "", array: bool = False) -> Iterator[Section]:
    hints = get_type_hints(parent)
    for key in fields(parent):
        struct, repeated = _struct_in(hints[key.name])
        if struct is None:
            continue
        path = f"{prefix}{key.encode_name}"
        brackets = ("[[", "]]") if repeated else ("[", "]")
        inside = " in each `[[" + prefix.rstrip(".") + "]]`" if array else ""
        heading = f"`{brackets[0]}{path}{brackets[1]}`{inside}"
        yield Section(path, heading, struct)
        yield from _tables(struct, f"{path}.", repeated)


def _struct_in(type_: Any) -> tuple[type[Struct] | None, bool]:
    """The settings that a field holds, and whether it holds a list of them."""
    if isinstance(type_, type) and issubclass(type_, Struct):
        return type_, False
    if get_origin(type_) in (list, tuple):
        struct, _ = _struct_in(get_args(type_)[0])
        return struct, struct is not None
    return None, False


def type_name(type_: Any) -> str:
    """The type as a reader of TOML knows it."""
    arguments = get_args(type_)
    origin = get_origin(type_)
    if origin is Literal:
        return " or ".join(f"`{json.dumps(it)}`" for it in arguments)
    if origin in (Union, UnionType):
        return " or ".join(type_name(it) for it in arguments if it is not type(None))
    if origin in (list, tuple):
        of = arguments[0]
        if isinstance(of, type) and issubclass(of, Struct):
            return "list of tables"
        return f"list of {type_name(of)}" if get_origin(of) is Literal else f"list of {_PLAIN[of]}s"
    if origin is dict:
        return f"table of {_PLAIN[arguments[1]]}s"
    if isinstance(type_, type) and issubclass(type_, Struct):
        return "table"
    return _PLAIN[type_]


def default_of(field: FieldInfo) -> str:
    """The default in TOML; `required` without one, `–` where leaving the key out is a value of its own."""
    if field.default is NODEFAULT and field.default_factory is NODEFAULT:
        return "required"
    value = field.default if field.default_factory is NODEFAULT else field.default_factory()
    if value is None or isinstance(value, Struct):
        return "–"
    return f"`{toml(value)}`"


def toml(value: Any) -> str:
    """A value as it is written in TOML, on one line."""
    if isinstance(value, dict):
        inside = ", ".join(f"{_key(key)} = {toml(it)}" for key, it in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name)


def texts() -> dict[str, Any]:
    """Descriptions and examples: by section, then by key."""
    return tomllib.loads(TEXTS.read_text(encoding="utf-8"))


def generated(written: dict[str, Any]) -> str:
    """The page with these texts. ValueError names keys without a text, and texts without a key."""
    parts = [_HEAD]
    expected = {"environment"}
    for section in sections():
        expected.add(section.path)
        parts.append(_section(section, written["sections"].get(section.path, {})))
    unused = set(written["sections"]) - expected
    if unused:
        raise ValueError(f"docs/configuration.toml has sections that do not exist: {sorted(unused)}")
    parts.append(_environment(written["environment"]))
    return "\n".join(parts)


def _section(section: Section, written: dict[str, Any]) -> str:
    keys = section.settings()
    names = {it.encode_name for it in keys}
    given = set(written) - {"about"}
    if names != given or "about" not in written:
        difference = f"missing {sorted(names - given)}, unused {sorted(given - names)}"
        raise ValueError(f"docs/configuration.toml, {section.path}: {difference}")
    hints = get_type_hints(section.type)
    rows = [
        f"| `{it.encode_name}` | {type_name(hints[it.name])} | {default_of(it)} "
        f"| {_example(written[it.encode_name])} | {written[it.encode_name]['about']} |"
        for it in keys
    ]
    table = ["| key | type | default | example | what it does |", "|---|---|---|---|---|", *rows]
    return "\n".join([f"## {section.heading}", "", written["about"].strip(), "", *table, ""])


def _example(written: dict[str, Any]) -> str:
    return f"`{toml(written['example'])}`" if "example" in written else "–"


def _environment(written: dict[str, str]) -> str:
    rows = [
        f"| `HANDOFF_{section.upper()}_{it.name.upper()}` | overrides `{it.name}` in `[{section}]` |"
        for section, type_ in OVERRIDABLE.items()
        for it in fields(type_)
        if type_name(get_type_hints(type_)[it.name]) in ("string", "integer", "number")
        or get_origin(get_type_hints(type_)[it.name]) is Literal
    ]
    rows += [f"| `{name}` | {about} |" for name, about in written.items()]
    return "\n".join(
        [
            "## Environment variables",
            "",
            "Variables override the file. A key that takes a list or a table is set in the file only.",
            "",
            "| variable | what it does |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def examples() -> Iterator[tuple[str, Any, Any]]:
    """Every example with the type of its key."""
    for section in sections():
        hints = get_type_hints(section.type)
        for key in section.settings():
            written = texts()["sections"][section.path][key.encode_name]
            if "example" in written:
                yield f"{section.path}.{key.encode_name}", written["example"], hints[key.name]


def check_examples() -> list[str]:
    """The examples that a server would not accept for their key."""
    wrong = []
    for name, value, type_ in examples():
        try:
            msgspec.convert(value, type_)
        except msgspec.ValidationError as error:
            wrong.append(f"{name}: {error}")
    return wrong


def main() -> None:
    PAGE.write_text(generated(texts()), encoding="utf-8")


if __name__ == "__main__":
    main()
