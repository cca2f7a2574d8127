"""Checks for what a start needs from its machine: addresses, directories, files, the embedded store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from handoff.bootstrap.settings import ServerSettings
from handoff.domain.errors import ConfigurationError, HandoffError
from handoff.services.audit.settings import AuditSettings
from handoff.services.sources.inbound import Source
from handoff.services.webhooks.destinations import parse_url
from handoff.store.connection import check_address
from handoff.store.server.embedded import find_binary
from handoff.store.settings import StoreSettings

from .faults import FaultList, KeyPath


def check_server(faults: FaultList, server: ServerSettings) -> None:
    if server.workers > 1 and server.port == 0:
        problem = "several workers cannot share a random port: choose one"
        faults.add(("server", "port"), problem)
    if server.public_url is not None:
        check_base_url(faults, ("server", "public_url"), server.public_url)


def check_base_url(faults: FaultList, path: KeyPath, text: str) -> None:
    """A URL that others call: with a scheme and a host, without a query."""
    if "://" not in text:
        faults.add(path, f"{text[:80]!r} has no scheme: write https://{text[:80]}")
        return
    try:
        url = parse_url(text)
    except HandoffError as error:
        faults.add(path, error.detail)
        return
    if url.scheme not in ("http", "https"):
        faults.add(path, "the scheme must be https or http")
    elif url.query_string or url.fragment or url.user:
        faults.add(path, "must be a scheme, a host, and an optional path only")


def check_store(faults: FaultList, store: StoreSettings) -> None:
    """The address, or what an embedded store needs. The data directory also has the journal of erasures."""
    if store.url is None:
        try:
            find_binary()
        except ConfigurationError as error:
            faults.add(("store",), error.detail)
    else:
        _check_address(faults, store.url)
    check_directory(faults, ("store", "data_dir"), store.data_dir)


def _check_address(faults: FaultList, url: str) -> None:
    path = ("store", "url")
    if "://" not in url:
        faults.add(path, "has no scheme: write redis://HOST:PORT, or rediss:// for TLS")
        return
    try:
        check_address(url)
    except ConfigurationError as error:
        faults.add(path, error.detail.removeprefix("store.url: "))


def check_audit(faults: FaultList, audit: AuditSettings) -> None:
    if audit.ship_url is not None and "://" not in audit.ship_url:
        faults.add(("audit", "ship_url"), f"{audit.ship_url[:80]!r} has no scheme: write https://…")
    for key in ("dir", "journal_dir"):
        given = getattr(audit, key)
        if given is not None:
            check_directory(faults, ("audit", key), given)


def check_directory(faults: FaultList, path: KeyPath, given: str) -> None:
    """A directory that exists and is writable, or can be created."""
    folder = Path(given).absolute()
    try:
        while not folder.exists():
            folder = folder.parent
    except OSError as error:
        faults.add(path, f"{given}: {error.strerror or error}")
        return
    if not folder.is_dir():
        faults.add(path, f"{folder} is a file, not a directory")
    elif not os.access(folder, os.W_OK | os.X_OK):
        faults.add(path, f"this user cannot write to {folder}")


def check_listeners(faults: FaultList, server: ServerSettings, sources: Mapping[int, Source]) -> None:
    """Ports that two listeners share, and files of certificates that cannot be read."""
    taken: list[tuple[str, int, str]] = [(server.host, server.port, "the server itself")]
    for at, source in sources.items():
        for key in ("tls_cert", "tls_key"):
            file = getattr(source.options, key, None)
            if file is not None and not os.access(file, os.R_OK):
                faults.add(("sources", at, key), f"{file} does not exist, or this user cannot read it")
        if not hasattr(source.options, "bind_address"):
            continue
        host, port = source.options.bind_address
        other = next((who for other, it, who in taken if port and it == port and _overlap(host, other)), None)
        if other is not None:
            faults.add(("sources", at, "listen"), f"{other} already listens on port {port}")
        taken.append((host, port, f"source {source.name!r}"))


def _overlap(one: str, other: str) -> bool:
    everything = ("0.0.0.0", "::", "")  # noqa: S104 - compared, not bound
    return one == other or one in everything or other in everything
