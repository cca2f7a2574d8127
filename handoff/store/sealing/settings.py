"""The `[privacy.sealing]` section of the configuration, and the master key that it names."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from msgspec import Struct

from handoff.domain.errors import ConfigurationError

KEY_FILE = "sealing-keys.json"
COMMAND = "command:"
MAX_DAYS = 3650
MIN_MASTER = 32  # characters: 128 bits in hexadecimal
COMMAND_S = 20.0


class SealingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sealing of stored personal data. `keys` turns it on, for good.

    `keys` is the master key: `env:NAME`, `file:PATH`, or `command:PROGRAM ARGUMENTS`, which a key-management
    service's tool prints. It opens the epochs in `key_file`, which the server creates: by default
    `sealing-keys.json` in `store.data_dir`. All servers of a store need the same file. Never back it up
    together with the store.

    A tenant's epoch is replaced by a new one after `rotate_every_days`; 0: by `handoff keys rotate` only.
    """

    keys: str | None = None
    key_file: str | None = None
    rotate_every_days: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.rotate_every_days <= MAX_DAYS:
            raise ValueError(f"privacy.sealing.rotate_every_days must be between 0 and {MAX_DAYS}")
        if self.keys is not None and _too_short(self.keys):
            raise ValueError(f"privacy.sealing.keys has at least {MIN_MASTER} characters")

    def __repr__(self) -> str:
        return f"SealingSettings(key_file={self.key_file!r})"

    @property
    def on(self) -> bool:
        return self.keys is not None

    def path(self, data_dir: str) -> Path:
        """Where the key file is."""
        return Path(self.key_file) if self.key_file else Path(data_dir) / KEY_FILE

    def master(self) -> bytes:
        """The master key. ConfigurationError if its command fails."""
        keys = self.keys or ""
        return _printed(keys.removeprefix(COMMAND)) if keys.startswith(COMMAND) else keys.encode()


def _too_short(keys: str) -> bool:
    return not keys.startswith(COMMAND) and len(keys) < MIN_MASTER


def _printed(command: str) -> bytes:
    try:
        words = shlex.split(command)
        # The operator's own program, from the configuration; no shell reads it.
        run = subprocess.run(words, capture_output=True, timeout=COMMAND_S, check=True)  # noqa: S603
    except subprocess.CalledProcessError as error:
        why = error.stderr.decode(errors="replace").strip()[-200:]
        raise ConfigurationError(
            f"the command of privacy.sealing.keys failed with status {error.returncode}: {why}"
        ) from error
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(f"the command of privacy.sealing.keys cannot be run: {error}") from error
    printed = run.stdout.strip()
    if len(printed) < MIN_MASTER:
        raise ConfigurationError(
            f"the command of privacy.sealing.keys printed fewer than {MIN_MASTER} characters"
        )
    return printed
