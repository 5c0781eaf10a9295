"""The built wheel works without the checkout it was built from."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.wheels import build_wheel, unpack_wheel

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(_ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the wheel.

    Installing a pure wheel without its dependencies does no more.
    """
    target = tmp_path_factory.mktemp("installed")
    unpack_wheel(wheel, target)
    return target


def _run(
    installed: Path, code: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run code against the unpacked wheel, from a folder that holds nothing else."""
    elsewhere = installed / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        cwd=elsewhere,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_holds_every_file_that_is_not_python(wheel: Path) -> None:
    def files(folder: str, into: str) -> set[str]:
        paths = (
            path
            for path in (_ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        )
        return {
            f"{into}/{path.relative_to(_ROOT / folder).as_posix()}" for path in paths
        }

    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = (
        files("migrations", "syncengine/shipped/migrations")
        | files("config", "syncengine/shipped/config")
        | files("syncengine", "syncengine")
    )
    assert {
        "syncengine/shipped/migrations/0001_state.sql",
        "syncengine/storage/sql/diff.sql",
    } <= wanted
    assert wanted - names == set()
    assert {
        name.split("/")[0]
        for name in names
        if not name.split("/")[0].endswith(".dist-info")
    } == {"syncengine"}


def test_its_command_works(installed: Path) -> None:
    start = (
        "import sys; from importlib.metadata import distribution; "
        "points = distribution('syncengine').entry_points; "
        "[command] = points.select(group='console_scripts'); "
        "sys.exit(command.load()())"
    )
    answer = _run(installed, start, "--help")
    assert answer.returncode == 0, answer.stderr
    assert "migrate" in answer.stdout


def test_it_finds_its_own_files(installed: Path) -> None:
    where = (
        "import sys; from syncengine.shipped import shipped; "
        "print(shipped(sys.argv[1]))"
    )
    for name in ("migrations", "config"):
        answer = _run(installed, where, name)
        assert answer.stdout.strip() == str(
            installed / "syncengine" / "shipped" / name
        ), answer.stderr
