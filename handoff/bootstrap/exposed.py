"""Refuses to start with secrets that others can read or guess."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from handoff.domain.errors import ConfigurationError

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
GUESSABLE = ("changeme", "change-me", "change_me", "demo-", "example", "password", "12345678")
"""Beginnings and parts of secrets from documentation, demos and templates."""


def check_secret_file(path: Path) -> None:
    """ConfigurationError if every user of the machine can read a secret's file."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # reading it reports the error
    if os.name == "posix" and stat.S_ISREG(mode) and mode & stat.S_IROTH:
        raise ConfigurationError(
            f"everyone on this machine can read the secret file {path}: chmod o-r {path}, "
            "or set security.allow_readable_secrets = true"
        )


def check_secrets(host: str, named: Iterable[tuple[str, str]]) -> None:
    """ConfigurationError if a server that others reach has a secret from a demo, document or template."""
    if host in LOOPBACK:
        return
    for name, secret in named:
        lowered = secret.lower()
        if any(it in lowered for it in GUESSABLE) or len(set(secret)) < 6:
            raise ConfigurationError(
                f"{name} has a secret that anyone can guess, and the server listens on {host}: make one with "
                "openssl rand -hex 32, or set security.allow_default_secrets = true"
            )
