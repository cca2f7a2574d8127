"""Write docs/sources.md from the manifests of adapters: `python docs/sources.py`, or `make config-docs`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from handoff.adapter.manifest import Manifest
from handoff_adapters.registry import BUILT_IN, adapter_class

PAGE = Path(__file__).resolve().parent / "sources.md"
_HEAD = """\
# Sources

The events that the built-in adapters read. `make config-docs` writes this page from their manifests.
`handoff adapters show NAME` prints the same, also for adapters of other packages. Their options are in
[configuration.md](configuration.md), and how to connect a vendor is in [vendors](vendors/README.md).

*Sends again* states whether the vendor repeats a delivery that was refused while the store was down. If not,
that delivery is lost, unless a proxy in front of the server keeps it.
"""


def generated() -> str:
    """The page."""
    manifests = [adapter_class(name).manifest for name in BUILT_IN]
    events = [line for it in manifests for line in _events(it)]
    return "\n".join([_HEAD, *_summary(manifests), *events]) + "\n"


def _summary(manifests: list[Manifest]) -> Iterator[str]:
    yield "| adapter | channel | reads | sends again | maturity | verified against |"
    yield "|---|---|---|---|---|---|"
    for manifest in manifests:
        again = "yes" if manifest.on_outage == "refuse" else "no"
        yield (
            f"| `{manifest.name}` | {manifest.channel} | {manifest.title} | {again} | {manifest.maturity} "
            f"| {manifest.verified_against} |"
        )


def _events(manifest: Manifest) -> Iterator[str]:
    yield ""
    yield f"## {manifest.name}"
    yield ""
    yield "| event | becomes | when |"
    yield "|---|---|---|"
    for event in manifest.events:
        becomes = event.becomes if event.is_ignored else f"`{event.becomes}`"
        yield f"| {event.name} | {becomes} | {event.note or '–'} |"
    if manifest.kept_headers:
        kept = ", ".join(f"`{name}`" for name in manifest.kept_headers)
        yield ""
        yield f"A delivery in quarantine keeps its headers {kept}."
    if manifest.outbound:
        yield ""
        yield f"Without `outbound` in the source, a {manifest.outbound} writes the messages of the business."


def main() -> None:
    PAGE.write_text(generated(), encoding="utf-8")


if __name__ == "__main__":
    main()
