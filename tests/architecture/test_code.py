"""The whole project is clean by its own tools, and its parts see only what they may."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_TOOLS = Path(sys.executable).parent


@pytest.mark.parametrize(
    "tool", ["lint-imports", "ruff check", "ruff format --check", "mypy"]
)
def test_the_tool_finds_nothing(tool: str) -> None:
    name, *arguments = tool.split()
    answer = subprocess.run(
        [_TOOLS / name, *arguments],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, f"{tool}:\n{answer.stdout}{answer.stderr}"
