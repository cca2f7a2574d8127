"""`handoff init`: writes a configuration that starts."""

from __future__ import annotations

import argparse
import getpass
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from handoff.bootstrap.checking.checking import check_file
from handoff.domain.errors import ConfigurationError

from .answers import Interview, SetupAnswers, by_default
from .checked import fault_lines
from .written import SetupPlan, host_in_url, plan

FILE_MODE, FOLDER_MODE = 0o600, 0o700


def init(options: argparse.Namespace) -> int:
    """Ask, write the files, and print the tokens once."""
    file: Path = options.file
    folder = file.with_name(f"{file.stem}-secrets")
    _require_place(file, folder, force=options.force)
    try:
        asking = sys.stdin.isatty() and not options.yes
        answers = Interview(input, getpass.getpass).complete(options) if asking else by_default(options)
    except EOFError:
        raise ConfigurationError("no answer: nothing is written") from None
    planned = plan(answers, folder.name)
    _check(file, folder, planned)
    _write(file, folder, planned, force=options.force)
    _report(file, folder, answers, planned)
    return 0


def _require_place(file: Path, folder: Path, *, force: bool) -> None:
    """ConfigurationError if the files cannot be written, before anything is asked."""
    if not file.parent.is_dir():
        raise ConfigurationError(f"the directory {file.parent} does not exist: create it first")
    there = [str(it) for it in (file, folder) if os.path.lexists(it)]
    if there and not force:
        raise ConfigurationError(
            f"{' and '.join(there)} exist{'s' if len(there) == 1 else ''}: choose another name, "
            "or overwrite with --force"
        )
    _require_no_directory(file)
    if folder.is_symlink():
        raise ConfigurationError(f"{folder} is a link: secrets are written beside {file} only")
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a directory: choose another name, or remove it")


def _check(file: Path, folder: Path, planned: SetupPlan) -> None:
    """ConfigurationError for answers that a start would refuse. Checked before anything is replaced."""
    try:
        trial = Path(tempfile.mkdtemp(prefix=".handoff-init-", dir=file.parent))  # mode 0700
    except OSError as error:
        raise ConfigurationError(f"cannot write to {file.parent}: {error.strerror or error}") from error
    try:
        _write(trial / file.name, trial / folder.name, planned, force=False)
        checked = check_file(trial / file.name, os.environ)
        errors = [it for it in checked.faults if it.severity == "error"]
        if errors:
            lines = "\n".join(fault_lines(Path(file.name), errors))
            raise ConfigurationError(f"nothing is written: the configuration would be invalid\n{lines}")
    finally:
        shutil.rmtree(trial)


def _write(file: Path, folder: Path, planned: SetupPlan, *, force: bool) -> None:
    """Write the secrets and the configuration. Existing files are replaced once all new ones are written, so
    that a full disk leaves the old secrets with the old configuration. A failure removes the new files."""
    contents = {folder / name: secret + "\n" for name, secret in planned.secrets.items()}
    contents[file] = planned.text
    new = {path: path.with_name(f".{path.name}.new") if force else path for path in contents}
    made: list[Path] = []
    for path in contents:
        _require_no_directory(path)
    try:
        folder.mkdir(mode=FOLDER_MODE, exist_ok=force)
        folder.chmod(FOLDER_MODE)
        for path, content in contents.items():
            if force:
                new[path].unlink(missing_ok=True)
            _create(new[path], content, made)
        if force:
            for path in contents:
                new[path].replace(path)
    except OSError as error:
        for path in made:
            path.unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()
        raise ConfigurationError(f"cannot write {error.filename}: {error.strerror or error}") from error


def _create(path: Path, content: str, made: list[Path]) -> None:
    """Create a file that only its owner can read, and note it in `made`."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    made.append(path)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(content)
    except OSError as error:  # the disk is full, say
        raise OSError(error.errno, error.strerror, str(path)) from error


def _require_no_directory(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        raise ConfigurationError(f"{path} is a directory: choose another name, or remove it")


def _report(file: Path, folder: Path, answers: SetupAnswers, planned: SetupPlan) -> None:
    base = (answers.public_url or f"http://{host_in_url(answers.host)}:{answers.port}").rstrip("/")
    print(f"wrote {file} and {len(planned.secrets)} secrets in {folder}/ (only you can read them)")
    print("\nTokens, shown once:")
    for name, secret in planned.tokens.items():
        print(f"  {name}: {planned.secrets[secret]}")
    print("\nSources:")
    for source in planned.sources:
        where = f"smtp://{source.listen}" if source.listen else f"{base}/in/{source.name}"
        print(f"  {source.name}: {source.adapter} at {where}")
        if source.secret in planned.pending:
            print(f"    put {source.wanted} into {folder / str(source.secret)}, and reload")
        elif source.adapter == "web.segment" and source.secret is not None:
            print(f"    write key: {planned.secrets[source.secret]}")
    print(f"\nNext:\n  handoff check-config {file}\n  handoff serve --config {file}")
