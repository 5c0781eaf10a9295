"""The differences found in one step, and the error that makes a diff impossible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncengine.errors import Problem, SourceError
from syncengine.storage.source.spec import Source


@dataclass(frozen=True, slots=True)
class Differences:
    """Differences found in one step, and how much was compared."""

    source_rows: int
    known_contacts: int
    changes: tuple[str, ...]
    removals: tuple[str, ...]


def bad_keys(
    source: Source, *, nulls: int = 0, repeated: Sequence[str] = ()
) -> SourceError:
    """Return the error for rows without a key, and for keys that occur repeatedly.

    Only some of the repeated keys are named.
    """
    spec = source.spec
    problems: list[Problem] = []
    if nulls:
        rows = "row" if nulls == 1 else "rows"
        what = (
            f'{nulls} selected {rows} of {spec.label} have no key: column "{spec.key}" '
            "is NULL; every contact needs one. Fill it in, or leave these rows out "
            "(where)"
        )
        problems.append(Problem(spec.key_place, what))
    if repeated:
        what = (
            f'column "{spec.key}" of {spec.label} holds the same key more than once, '
            f"such as {', '.join(repeated)}; every contact needs one of its own. "
            "Choose another key, or mend the rows"
        )
        problems.append(Problem(spec.key_place, what))
    return SourceError("\n".join(str(problem) for problem in problems), problems)
