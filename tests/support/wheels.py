"""Wheels, built and installed without a network."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path


def build_wheel(project: Path, folder: Path) -> Path:
    """Build a project's wheel into a folder that holds no other."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d"]
    answer = subprocess.run(
        [*build, str(folder)], cwd=project, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def unpack_wheel(wheel: Path, target: Path) -> None:
    """Unpack a wheel, as installing a pure one without its dependencies does."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
