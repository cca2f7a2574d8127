"""The calls of server_sdk.mjs with a Python SDK: `python server_sdk.py PACKAGE URL KEY`."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def main(name: str, url: str, key: str) -> None:
    failures: list[Any] = []
    client = importlib.import_module(f"{name}.analytics.client").Client(
        key,
        host=f"{url}/in/shop",
        gzip=True,
        upload_size=8,
        upload_interval=0.1,
        max_retries=20,
        on_error=lambda error, batch: failures.append(error),
    )
    client.identify("ana", {"email": "ana@shop.example"}, anonymous_id="visitor-1")
    client.page("ana", None, "Returns", {"path": "/help/returns", "title": "Returns"})
    for step in range(20):
        client.track("ana", "Step Done", {"step": step})
    client.track("ana", "Form Failed", {"form": "Refund", "error": "card refused"})
    client.alias("visitor-2", "ana")
    client.flush()
    client.join()
    sys.exit(f"gave up: {failures}" if failures else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
