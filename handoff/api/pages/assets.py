"""The files of the panel, and the addresses under which browsers may keep them forever.

A page names its scripts and styles below `v/VERSION/`. The version is a hash of all files, so a browser asks
for each file once per release, instead of asking for fifty files whether they changed. The addresses without
a version are for desktops that load the elements themselves.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from importlib.resources.abc import Traversable
from posixpath import dirname, join, normpath

from msgspec import Struct

MEDIA: Mapping[str, str] = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".ts": "text/plain",  # the TypeScript types of the API, for custom desktops
}
VERSIONED = re.compile(r"v/([0-9a-f]+)/(.+)")
_IMPORT = re.compile(rb"""^(?:import|export)\b[^;"']*?["'](\.[^"']+)["'];""", re.MULTILINE)
_PRELOADS = b"<!-- preloads -->"
_OWN = re.compile(rb'((?:href|src)=")((?:\.\./)?[a-z/]+\.(?:css|js))"')


class Asset(Struct, frozen=True, dict=True):
    """One file with its ETag."""

    body: bytes
    media: str
    etag: str

    @cached_property
    def packed(self) -> bytes:
        """The file compressed: not at start, since most workers never serve the panel."""
        return gzip.compress(self.body, mtime=0)


def asset_of(name: str, body: bytes) -> Asset:
    return Asset(body, MEDIA["." + name.rpartition(".")[2]], sha256(body).hexdigest()[:32])


def read_assets(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """The files below `folder` that pages use, by their path."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from read_assets(entry, f"{prefix}{entry.name}/")
        elif "." + entry.name.rpartition(".")[2] in MEDIA:
            yield prefix + entry.name, entry.read_bytes()


def version_of(assets: Mapping[str, Asset]) -> str:
    """The same for the same files."""
    whole = sha256()
    for name in sorted(assets):
        whole.update(f"{name}\n{assets[name].etag}\n".encode())
    return whole.hexdigest()[:16]


def modules_of(assets: Mapping[str, Asset], entry: str) -> list[str]:
    """The scripts that `entry` imports, those that its imports import, and so on, in that order."""
    found = [entry]
    for name in found:
        for relative in _IMPORT.findall(assets[name].body):
            imported = normpath(join(dirname(name), relative.decode()))
            if imported in assets and imported not in found:
                found.append(imported)
    return found


def versioned_page(assets: Mapping[str, Asset], name: str, version: str, fetched: tuple[str, ...]) -> Asset:
    """The page with versioned addresses, and links by which a browser loads everything at once.

    Without them it would find each script only after it has read the one that imports it. `fetched` are the
    files that the scripts read.
    """
    kept = "../" * name.count("/") + f"v/{version}/"

    def moved(found: re.Match[bytes]) -> bytes:
        below = normpath(join(dirname(name), found[2].decode()))
        return found[1] + f'{kept}{below}"'.encode()

    entry = join(dirname(name), "page.js")
    links = [f'<link rel="modulepreload" href="{kept}{it}">' for it in modules_of(assets, entry)]
    links += [f'<link rel="preload" as="fetch" crossorigin href="{kept}{it}">' for it in fetched]
    body = _OWN.sub(moved, assets[name].body)
    return asset_of(name, body.replace(_PRELOADS, "\n".join(links).encode()))
