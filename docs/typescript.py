"""TypeScript types of the API, for desktops of one's own: `python docs/typescript.py`, or `make ts-types`.

openapi-typescript (npm, development only) makes them from the server's own OpenAPI document. They are
served with the panel, as `/panel/openapi.d.ts`, so that a desktop takes those of the server it talks to.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from handoff.api.description.openapi import document
from handoff.api.operations import DOCUMENTED

ROOT = Path(__file__).resolve().parent.parent
TYPES = ROOT / "handoff" / "panel" / "openapi.d.ts"
GENERATOR = ROOT / "node_modules" / ".bin" / "openapi-typescript"
OPTIONS = ("--default-non-nullable", "false")
"""What has a default may be left out of a request."""
_HEAD = """\
/** The API of the server that this file comes from: see docs/desktop.md. Written by `make ts-types`. */
"""


def generated() -> str:
    """The types of the document as it is now. CalledProcessError where the generator takes offence."""
    done = subprocess.run(  # noqa: S603 - a fixed command
        [GENERATOR, *OPTIONS],
        input=msgspec.json.encode(document(DOCUMENTED)),
        capture_output=True,
        check=True,
        timeout=120,
    )
    _, _, types = done.stdout.decode().partition("*/\n")
    return _HEAD + types


def main() -> None:
    if not GENERATOR.exists():
        sys.exit(f"{GENERATOR.relative_to(ROOT)} is missing: npm install")
    TYPES.write_text(generated())


if __name__ == "__main__":
    main()
