"""Dumps of the state, made and restored by Postgres's own programs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import asyncpg

from syncengine.storage.server.binaries import find_binaries


def dump(dsn: str, file: Path) -> None:
    """Dump the state as an administrator does."""
    _call("pg_dump", "--format=custom", "--schema=syncengine", f"--file={file}", dsn)


def restore(dsn: str, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Restore a dump; with options as they are given."""
    return _call(
        "pg_restore", *options, f"--dbname={dsn}", str(file), strict=not options
    )


async def restore_whole(dsn: str, file: Path) -> None:
    """Replace the state by that of a dump."""
    await lose(dsn)
    restore(dsn, file)


async def lose(dsn: str) -> None:
    """Lose the state for good."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("DROP SCHEMA syncengine CASCADE")
    finally:
        await connection.close()


def _call(
    name: str, *arguments: str, strict: bool = True
) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [program(name), *arguments], capture_output=True, text=True, check=False
    )
    if strict and ended.returncode:
        raise AssertionError(f"{name} {arguments}: {ended.stderr}")
    return ended


def program(name: str) -> str:
    """Return the path of one of Postgres's programs, next to its server or on PATH."""
    beside = find_binaries().postgres.parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    assert found, f"there is no {name}"
    return found
