"""`handoff check-config`: prints every fault of a configuration."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from handoff.bootstrap.checking.checking import CheckedConfiguration, check_file
from handoff.bootstrap.checking.faults import ConfigurationFault


def check(options: argparse.Namespace) -> int:
    """Check a file, and print the faults or a summary. Returns 1 if it has errors."""
    checked = check_file(options.file, os.environ)
    warnings = [it for it in checked.faults if it.severity == "warning"]
    failed = not checked.valid or (options.strict and bool(warnings))
    if options.json:
        print(msgspec.json.encode(_document(options.file, checked)).decode())
        return int(failed)
    lines = fault_lines(options.file, checked.faults)
    if failed:
        errors = len(checked.faults) - len(warnings)
        print("\n".join(lines), file=sys.stderr)
        print(
            f"{options.file}: {_count(errors, 'error')}, {_count(len(warnings), 'warning')}", file=sys.stderr
        )
        return 1
    counts = checked.counts
    print(
        f"{options.file} is valid: {len(checked.sources)} sources, {counts['tokens']} tokens, "
        f"{counts['webhooks']} webhooks, {counts['connectors']} connectors"
    )
    for source in checked.sources:
        maturity = source.adapter.manifest.maturity
        note = "" if maturity == "stable" else f" ({maturity})"
        print(f"  {source.name}: {source.options.adapter}{note}, tenant {source.tenant}")
    for line in lines:
        print(line)
    return 0


def fault_lines(file: Path, faults: Iterable[ConfigurationFault]) -> list[str]:
    """One line for each fault, in the form that editors recognise."""
    return [
        f"{file}{f':{it.line}' if it.line else ''}: {'warning: ' if it.severity == 'warning' else ''}{it}"
        for it in faults
    ]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _document(file: Path, checked: CheckedConfiguration) -> dict[str, Any]:
    return {
        "file": str(file),
        "valid": checked.valid,
        "faults": [
            {
                "key": it.key,
                "line": it.line,
                "severity": it.severity,
                "problem": it.problem,
                "did_you_mean": it.did_you_mean,
                "allowed": it.allowed,
            }
            for it in checked.faults
        ],
        "sources": [
            {
                "name": it.name,
                "adapter": it.options.adapter,
                "maturity": it.adapter.manifest.maturity,
                "on_outage": it.adapter.manifest.on_outage,
                "tenant": it.tenant,
            }
            for it in checked.sources
        ],
        **checked.counts,
    }
