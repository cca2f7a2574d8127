"""References of a configuration to environment variables and to files of secrets."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import Any

from handoff.bootstrap.exposed import check_secret_file
from handoff.domain.errors import ConfigurationError

from .faults import FaultList, KeyPath

OWN_VARIABLES = frozenset(
    {
        "HANDOFF_URL",
        "HANDOFF_TOKEN",
        "HANDOFF_ADMIN_TOKEN",
        "HANDOFF_LOG_LEVEL",
        "HANDOFF_WORKER",
        "HANDOFF_AUDIT_WRITER",
    }
)
"""Variables that are read besides those that override `[server]` and `[store]`."""


class FileReferences:
    """Resolves the references of one file."""

    def __init__(self, faults: FaultList, env: Mapping[str, str], base: Path, *, readable: bool) -> None:
        self._faults = faults
        self._env = env
        self._base = base
        self._readable = readable
        self.named: set[str] = set()
        """The variables that the configuration names."""
        self.secret: set[KeyPath] = set()
        """The places of resolved values, which no message may show."""

    def resolve(self, value: Any, path: KeyPath = ()) -> Any:
        """The value with every reference replaced. One that leads nowhere is a fault, and is replaced by
        something that its key accepts, so that the rest of its table can be checked."""
        if isinstance(value, dict):
            return {key: self.resolve(it, (*path, key)) for key, it in value.items()}
        if isinstance(value, list):
            return [self.resolve(it, (*path, at)) for at, it in enumerate(value)]
        if isinstance(value, str) and value.startswith("env:"):
            self.secret.add(path)
            return self._variable(value.removeprefix("env:"), path)
        if isinstance(value, str) and value.startswith("file:"):
            self.secret.add(path)
            return self._file(value.removeprefix("file:"), path)
        return value

    def _variable(self, name: str, path: KeyPath) -> str:
        self.named.add(name)
        if self._env.get(name):
            return self._env[name]
        similar = get_close_matches(name, [it for it in self._env if self._env[it]], n=1, cutoff=0.8)
        state = "is empty" if name in self._env else "is not set"
        hint = f"; did you mean {similar[0]}, which is set?" if similar else ""
        self._faults.add(path, f"environment variable {name} {state}{hint}")
        return _stand_in(name, path)

    def _file(self, name: str, path: KeyPath) -> str:
        file = self._base / name
        try:
            if not self._readable:
                check_secret_file(file)
            return file.read_text(encoding="utf-8").strip()
        except ConfigurationError as error:
            self._faults.add(path, error.detail)
        except OSError as error:
            self._faults.add(path, f"cannot read secret file {file}: {error.strerror or error}")
        except UnicodeDecodeError:
            self._faults.add(path, f"secret file {file} is not UTF-8 text")
        return _stand_in(name, path)


def _stand_in(name: str, path: KeyPath) -> str:
    """Something that has the form of the missing value; the same for the same name."""
    digest = sha256(name.encode(errors="surrogateescape"))
    if path[0] == "webhooks" and path[-1] == "secret":
        return "whsec_" + base64.b64encode(digest.digest()).decode()
    if path[-1] in ("url", "jwks_url", "public_url", "ship_url", "issuer"):
        return "redis://stand-in" if path[0] == "store" else f"https://{digest.hexdigest()[:32]}.example"
    return "1" if path[-1] == "account" else digest.hexdigest()


def strange_variables(env: Mapping[str, str], known: frozenset[str]) -> Iterator[tuple[str, str | None]]:
    """The variables whose names begin with `HANDOFF_` that nothing reads, each with a similar known name."""
    for name in sorted(env):
        if name.startswith("HANDOFF_") and name not in known:
            similar = get_close_matches(name, sorted(known), n=1, cutoff=0.7)
            yield name, similar[0] if similar else None
