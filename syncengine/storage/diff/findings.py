"""The findings of one step of a diff, and the errors that make one impossible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncengine.errors import Problem, SourceError
from syncengine.storage.source.spec import Source


@dataclass(frozen=True, slots=True)
class Findings:
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
        problems.append(
            Problem(
                spec.key_place,
                f'{nulls} selected row{"s" if nulls > 1 else ""} of {spec.label} have no key: column "{spec.key}" is '
                "NULL; every contact needs one. Fill it in, or leave these rows out (where)",
            )
        )
    if repeated:
        problems.append(
            Problem(
                spec.key_place,
                f'column "{spec.key}" of {spec.label} holds the same key more than once, such as '
                f"{', '.join(repeated)}; every contact needs one of its own. Choose another key, or mend the rows",
            )
        )
    return SourceError("\n".join(str(problem) for problem in problems), problems)
