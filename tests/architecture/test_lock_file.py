"""requirements.lock fits pyproject.toml, and holds nothing of the machine it was made on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_LOCK = (_ROOT / "requirements.lock").read_text(encoding="utf-8")
_PINNED = dict(re.findall(r"^([\w.-]+)==([\w.]+)", _LOCK, re.MULTILINE))


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_requirement_is_locked() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["embedded"], *extras["dev"]]
    names = {_normalised(re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0]) for requirement in wanted}
    assert names
    assert names - {_normalised(name) for name in _PINNED} == set()


def test_every_pin_has_its_hashes() -> None:
    blocks = re.split(r"^(?=[\w.-]+==)", _LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(_PINNED)
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_it_names_no_host_no_index_and_no_path() -> None:
    assert (
        re.findall(r"https?:|file:|--(?:extra-)?index-url|--find-links|--trusted-host|(?<!\w)/\w+|[A-Z]:\\", _LOCK)
        == []
    )
