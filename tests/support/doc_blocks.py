"""Pages of the documentation, taken apart into their code blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.repository import ROOT

_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>.*?) -->\n)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_FILE = re.compile(r"# (?P<path>config/\S+\.yaml)\n")


@dataclass(frozen=True)
class Block:
    """A fenced code block."""

    page: Path
    line: int
    language: str
    text: str
    reason: str | None
    """Why the block is not run, as the comment in front of it says."""

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> str | None:
        """Return the path that the block's first line gives its content, if any."""
        found = _FILE.match(self.text)
        return found["path"] if found else None


def pages() -> list[Path]:
    """Return README, CONTRIBUTING and every page of the documentation."""
    documents = sorted((ROOT / "docs").rglob("*.md"))
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *documents]


def blocks(page: Path) -> Iterator[Block]:
    """Yield a page's code blocks in order."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("language")) + 1
        yield Block(page, line, found["language"], found["text"], found["reason"])


def is_like(shown: str, printed: str) -> bool:
    """Return whether an output is as a page shows it.

    Blanks and line breaks are alike, and ``…`` stands for anything.
    """
    parts = [re.escape(" ".join(part.split())) for part in shown.split("…")]
    pattern = r"\s*.*\s*".join(parts)
    return re.search(pattern, " ".join(printed.split())) is not None
