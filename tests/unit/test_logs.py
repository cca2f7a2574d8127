"""Logs: one line of JSON per event, also from libraries; readable text on a terminal, without variables."""

from __future__ import annotations

import json
import subprocess
import sys

SPEAK = """
import io, logging, sys
import structlog
from handoff.bootstrap.logs import configure_logging

class Out(io.StringIO):
    def isatty(self):
        return {terminal}

out = Out()
configure_logging(stream=out)

def crash():
    token = "s3cret"
    raise ValueError("it broke")

try:
    crash()
except ValueError:
    logging.getLogger("library").exception("Task failed: %s", "why")
    structlog.get_logger().error("request_crashed", exc_info=True)
print(out.getvalue())
"""


def logged(*, terminal: bool) -> str:
    code = SPEAK.replace("{terminal}", str(terminal))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_libraries_and_we_write_a_line_of_json_for_each_event() -> None:
    library, ours = (json.loads(line) for line in logged(terminal=False).split("\n") if line)
    assert (library["event"], library["logger"], library["level"]) == ("Task failed: why", "library", "error")
    assert ours["event"] == "request_crashed"
    for line in (library, ours):
        assert "ValueError: it broke" in line["exception"]
        assert line["timestamp"]


def test_a_terminal_shows_no_variables() -> None:
    text = logged(terminal=True)
    assert text.count("it broke") >= 2
    assert "s3cret" not in text
