"""The parsers of `keys` and `store seal`. Imports nothing that a command needs."""

from __future__ import annotations

from typing import Any

from handoff.cli.parsing import add_actions, add_command, add_store_options

SEAL = """\
Seal what was stored before [privacy.sealing] was set, beside the running
servers. An interrupted run is continued by running the command again. Older
backups and replicas keep the clear data.
"""
ROTATE = """\
Begin a new key epoch and wrap all data keys in it, beside the running
servers. An interrupted run is continued with --resume. The old epoch stays
until you destroy it.
"""
DESTROY = """\
Destroy retired epochs. Backups of the store whose data keys they wrap can
then no longer be read, by anyone. The command refuses while the store still
needs them. Destroy other copies of the key file, too.
"""


def add_keys(commands: Any) -> None:
    keys = add_command(commands, "keys", "list, rotate and destroy the keys of a sealed store")
    tools = add_actions(keys, "tool")
    add_store_options(add_command(tools, "list", "list the key epochs"), "sealing.operating:show_keys")
    rotating = add_command(
        tools, "rotate", "begin a key epoch and wrap all data keys in it", description=ROTATE
    )
    add_store_options(rotating, "sealing.operating:rotate_keys")
    rotating.add_argument("--tenant", help="only this tenant's (default: all tenants')")
    rotating.set_defaults(settle_s=12.0)  # more than the 10 s for which a server may use an older key file
    rotating.add_argument("--resume", action="store_true", help="continue without beginning an epoch")
    destroying = add_command(tools, "destroy", "destroy retired epochs", description=DESTROY)
    destroying.add_argument("epoch", nargs="+", help="an epoch's id, from `handoff keys list`")
    add_store_options(destroying, "sealing.operating:destroy_keys")


def add_seal(tools: Any) -> None:
    """`handoff store seal`."""
    sealing = add_command(tools, "seal", "seal what was stored before sealing was on", description=SEAL)
    add_store_options(sealing, "sealing.operating:seal_store")
