"""The whole project is clean by its own tools, and its parts see only what they may."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from syncengine.skeleton import write_skeleton

_ROOT = Path(__file__).resolve().parents[2]
_TOOLS = Path(sys.executable).parent


_SKELETON_TOOLS = {
    "ruff check": ("--config={config}", "."),
    "ruff format --check": ("--config={config}", "."),
    "mypy": ("--config-file={config}", "--cache-dir={cache}", "acme_sync", "tests"),
}
"""Arguments with which a tool looks at what ``new-vendor`` writes."""


@pytest.mark.parametrize(
    "tool", ["lint-imports", "ruff check", "ruff format --check", "mypy"]
)
def test_the_tool_finds_nothing(tool: str, tmp_path: Path) -> None:
    _assert_clean(tool, _ROOT)
    if tool in _SKELETON_TOOLS:
        # After the whole project, whose types are then in the cache.
        write_skeleton("acme", tmp_path / "acme")
        places = {"config": _ROOT / "pyproject.toml", "cache": _ROOT / ".mypy_cache"}
        arguments = [each.format(**places) for each in _SKELETON_TOOLS[tool]]
        _assert_clean(tool, tmp_path / "acme", *arguments)


def _assert_clean(tool: str, folder: Path, *more: str) -> None:
    name, *arguments = tool.split()
    answer = subprocess.run(
        [_TOOLS / name, *arguments, *more],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, f"{tool}:\n{answer.stdout}{answer.stderr}"
