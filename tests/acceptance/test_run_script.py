"""``./run`` before anything is installed: its messages, and what it leaves alone."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_VERBS = {"demo", "docs", "test", "bench", "lint", "soak", "syncengine", "wheel"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy what ``run`` reads of a checkout before it installs.

    The folder's name has characters that shells interpret.
    """
    checkout = tmp_path / "a checkout"
    checkout.mkdir()
    for name in ("run", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(_ROOT / name, checkout)
    return checkout


def _run(
    checkout: Path, *arguments: str, python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if name != "SYNCENGINE_VENV"
    }
    command = [python, str(checkout / "run"), *arguments]
    return subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("arguments", [(), ("help",), ("--help",)])
def test_without_a_verb_it_lists_them(
    checkout: Path, arguments: tuple[str, ...]
) -> None:
    answer = _run(checkout, *arguments)
    assert answer.returncode == 0
    assert {
        line.split()[1]
        for line in answer.stdout.splitlines()
        if line.startswith("./run ")
    } == _VERBS
    assert not (checkout / ".venv").exists()


def test_an_unknown_verb_is_refused_with_the_known_ones(checkout: Path) -> None:
    answer = _run(checkout, "dmeo")
    assert answer.returncode == 1
    assert "There is no ./run dmeo" in answer.stderr
    assert "./run demo" in answer.stderr
    assert not (checkout / ".venv").exists()


def test_an_environment_of_somebody_else_is_left_alone(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "theirs").write_text("precious", encoding="utf-8")
    answer = _run(checkout, "test")
    assert answer.returncode == 1
    assert (
        f"{checkout / '.venv'} was not made by ./run, and is left alone"
        in answer.stderr
    )
    assert [path.name for path in (checkout / ".venv").iterdir()] == ["theirs"]


def test_without_pip_the_message_says_how_to_get_it(
    checkout: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    answer = _run(checkout, "demo", python=str(tmp_path / "bare" / "bin" / "python"))
    assert answer.returncode == 1
    assert "has no pip" in answer.stderr
    assert "ensurepip" in answer.stderr
    assert not (checkout / ".venv").exists()


def test_pythons_that_are_too_old_can_read_it_far_enough_to_be_refused() -> None:
    source = (_ROOT / "run").read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 7))
    docstring, import_sys, check = tree.body[:3]
    assert [ast.unparse(import_sys), ast.unparse(check).splitlines()[0]] == [
        "import sys",
        "if sys.version_info < (3, 11):",
    ]
    assert isinstance(docstring, ast.Expr)
