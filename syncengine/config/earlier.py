"""An earlier configuration, from a file, a folder or a commit of git.

Of git only the configuration's own files are read, into a scratch folder: nothing is
checked out, and the working tree stays as it is.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from syncengine.config.loading import read_config
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem

OPTION = "--since-config"
_LONGEST = 60.0
"""Seconds after which git is given up."""


def read_earlier(config: Config, since: str, environ: Mapping[str, str]) -> Config:
    """Return the earlier configuration, to be planned over the state of the present one.

    ``since`` is the path of a ``syncengine.yaml`` or of its folder, or else a commit of
    the repository that has the present one. Secrets come from ``environ`` as they do
    now. Raises ConfigError.
    """
    path = Path(since)
    if path.is_dir():
        path /= config.file.name
    if path.exists():
        return _with_present_state(_read(path, since, environ), config)
    with tempfile.TemporaryDirectory(prefix="syncengine-") as scratch:
        file = _from_git(config.file, since, Path(scratch))
        earlier = _read(file, since, environ)
        return _with_present_state(_named_after(earlier, Path(scratch), since), config)


def _read(file: Path, since: str, environ: Mapping[str, str]) -> Config:
    try:
        return read_config(file, environ)
    except ConfigError as error:
        first = f"the configuration of {since} cannot be used"
        raise ConfigError([Problem(OPTION, first), *error.problems]) from None


def _with_present_state(earlier: Config, present: Config) -> Config:
    """Return the earlier configuration, with the state database that is used now."""
    update = {"database": present.engine.database}
    return replace(
        earlier,
        file=present.file,
        engine=earlier.engine.model_copy(update=update),
        keeps_markers=False,
    )


def _named_after(earlier: Config, scratch: Path, since: str) -> Config:
    """Return the configuration with file names that mean something to a person."""
    named = [
        replace(each, file=Path(f"{since}:{each.file.relative_to(scratch)}"))
        for each in earlier.readable
    ]
    return replace(earlier, readable=tuple(named)).with_account_names({})


def _from_git(file: Path, since: str, scratch: Path) -> Path:
    """Write the configuration's files of a commit into a folder.

    Returns the path of ``syncengine.yaml`` there. Raises ConfigError.
    """
    folder = file.resolve().parent
    commit = _git(
        folder,
        since,
        "rev-parse",
        "--verify",
        "--end-of-options",
        f"{since}^{{commit}}",
    ).strip()
    prefix = _git(folder, since, "rev-parse", "--show-prefix").decode().strip()
    names = _git(
        folder, since, "ls-tree", "-r", "-z", "--name-only", commit.decode(), "."
    )
    target = scratch / PurePosixPath(prefix)
    for name in names.decode().split("\0"):
        path = PurePosixPath(name)
        is_wanted = name == file.name or path.parent == PurePosixPath("destinations")
        if not is_wanted:
            continue
        content = _git(
            folder, since, "cat-file", "blob", f"{commit.decode()}:{prefix}{name}"
        )
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
    found = target / file.name
    if not found.exists():
        what = f"{since} has no {prefix}{file.name}"
        raise ConfigError([Problem(OPTION, what)])
    return found


def _git(folder: Path, since: str, *arguments: str) -> bytes:
    """Return what git prints. Raises ConfigError where it fails."""
    program = shutil.which("git")
    if program is None:
        what = (
            f'there is no file "{since}", and git is not installed, which would read '
            "it as a commit"
        )
        raise ConfigError([Problem(OPTION, what)])
    try:
        answer = subprocess.run(  # noqa: S603 - no shell, and no option of others
            [program, "-C", str(folder), *arguments],
            capture_output=True,
            check=False,
            timeout=_LONGEST,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        what = f"git cannot be asked for {since} ({type(error).__name__})"
        raise ConfigError([Problem(OPTION, what)]) from None
    if answer.returncode:
        what = (
            f'"{since}" is neither a file or folder here nor a commit of the '
            f"repository of {folder}"
        )
        raise ConfigError([Problem(OPTION, what)])
    return answer.stdout
