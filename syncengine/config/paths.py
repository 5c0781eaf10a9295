"""Paths of files as messages show them, so that they can be pasted into a shell."""

from __future__ import annotations

import shlex
from pathlib import Path


def quoted(path: Path) -> str:
    """Return a path as an argument of a shell command."""
    return shlex.quote(str(path))


def relative_to_here(path: Path) -> Path:
    """Return a path relative to the working directory, where it lies inside of it."""
    here = Path.cwd()
    if path.is_relative_to(here):
        return path.relative_to(here)
    return path
