"""Options of a verification, as given on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from syncengine.app.run_request import refuse_unknown_brakes
from syncengine.config.destination import DestinationConfig
from syncengine.errors import ConfigError, Problem
from syncengine.model.contact_ids import as_argument
from syncengine.planning.repair import TAGS, RepairRequest


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """Contacts and fields to verify, and those of them to repair.

    Raises ConfigError for options that do not go together.
    """

    sample: int | None = None
    """At most so many contacts of each destination, drawn by chance."""
    contacts: tuple[str, ...] = ()
    """Only these; empty: all."""
    repair: bool = False
    """What drifted is planned again by the next run."""
    fields: tuple[str, ...] = ()
    """Only these fields, and ``tags``, are repaired; empty: everything."""
    recreate: bool = False
    """Contacts that were deleted at the vendor are created again by the next run."""
    accept: frozenset[str] = frozenset()
    """Brakes that may pass this once."""

    def __post_init__(self) -> None:
        refuse_unknown_brakes(self.accept)
        problems = list(self._problems())
        if problems:
            raise ConfigError(problems[:1])

    def _problems(self) -> Iterator[Problem]:
        restricts_repair = bool(self.fields or self.recreate or self.accept)
        if restricts_repair and not self.repair:
            yield Problem(
                "verify",
                "--field, --recreate and --accept say what --repair may do: give that "
                "too",
            )
        if self.sample is not None and self.contacts:
            yield Problem(
                "verify",
                "--sample draws contacts by chance, --contact names them: give one",
            )
        if self.fields and self.recreate:
            yield Problem(
                "verify",
                "--recreate creates whole contacts again, --field repairs single "
                "fields: give one",
            )

    @property
    def repairs(self) -> RepairRequest:
        """Return the repairs that are asked for."""
        return RepairRequest(
            frozenset(self.fields), self.recreate, by_name=bool(self.contacts)
        )

    def refuse_unknown_fields(self, destinations: Sequence[DestinationConfig]) -> None:
        """Raise ConfigError for a field that no destination has."""
        known = {TAGS}
        for destination in destinations:
            known.update(field.field for field in destination.mapping.fields)
        unknown = [name for name in self.fields if name not in known]
        if unknown:
            listed = ", ".join(sorted(known))
            raise ConfigError(
                [
                    Problem(
                        "--field", f'no field is called "{name}"; there are {listed}'
                    )
                    for name in unknown
                ]
            )

    def command(self, destination: str, *accept: str) -> str:
        """Return the command of the same repair for one destination, accepting more."""
        words = ["syncengine", "verify", "-d", destination, "--repair"]
        if self.sample is not None:
            words += ["--sample", str(self.sample)]
        for name in self.fields:
            words += ["--field", name]
        if self.recreate:
            words.append("--recreate")
        for name in sorted({*self.accept, *accept}):
            words += ["--accept", name]
        return " ".join(map(as_argument, words))
