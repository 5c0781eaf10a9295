"""Questions about the source that ``init`` and ``add`` ask at a terminal."""

from __future__ import annotations

from syncengine.app.named_columns import key_complaint
from syncengine.cli.questions import ask, until_right
from syncengine.cli.rendering.layout import print_line
from syncengine.errors import ConfigError, Problem
from syncengine.model.columns import SampledSource
from syncengine.planning.source_proposal import propose_key


def ask_for_key(source: SampledSource, usual: str | None = None) -> str:
    """Return the key that somebody chooses; the proposed one for an empty answer.

    ``usual`` is the key of the common table.
    """
    proposed = propose_key(source, usual)
    if proposed.column is None:
        print_line(f"note: {proposed.reason}")
    words = "Which column tells contacts apart?"
    return until_right(
        lambda: ask(words, proposed.column),
        lambda answer: key_complaint(source, answer),
    )


def proposed_key(source: SampledSource, usual: str | None = None) -> str:
    """Return the key that is proposed. Raises ConfigError where none is.

    ``usual`` is the key of the common table.
    """
    proposed = propose_key(source, usual)
    if proposed.column is None:
        raise ConfigError([Problem("--key", f"is missing: {proposed.reason}")])
    return proposed.column
