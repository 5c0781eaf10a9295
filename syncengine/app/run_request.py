"""Options of a run, as given on the command line."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from syncengine.errors import ConfigError, Problem
from syncengine.model.contact_ids import as_argument
from syncengine.model.work import RunKind
from syncengine.planning.brakes import NAMES

NO_FILE = "no_file"
"""Name to accept that another destination of the account owns contacts there, and has
no file (any more)."""
SAME_ACCOUNT = "same_account"
"""Name to accept that an account has another name or address, and is the same one."""
SUPPRESSIONS = "suppressions"
"""Name to accept that contacts have other ids than those that are suppressed."""
CONSENT = "consent"
"""Name to accept that the files ask for less consent than before."""
RESTORED = "restored"
"""Name to accept that the state was restored, or takes the place of one that was lost."""
EMPTY_STATE = "empty_state"
"""Name to accept that nothing is known of a destination's contacts, and that they are
created without a look-up."""
_ACCEPTABLE = (
    *NAMES,
    CONSENT,
    SUPPRESSIONS,
    "account",
    "vendor",
    "base_url",
    SAME_ACCOUNT,
    "settings",
    "source",
    RESTORED,
    EMPTY_STATE,
    "database",
    NO_FILE,
)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run's options. Raises ConfigError for the name of a brake there is none of."""

    backfill: bool = False
    limit: int | None = None
    """At most so many contacts."""
    contacts: tuple[str, ...] = ()
    """Only these; empty: all."""
    accept: frozenset[str] = frozenset()
    """Brakes and remembered settings that may pass this once."""
    retry_of: int | None = None
    batch: int | None = None
    resync: bool = False
    """Distrust what is known of the contacts: read it back, or else send it whole."""
    dead: bool = False
    """Only contacts that are left alone since they were refused."""
    code: str | None = None
    """Of them, those refused with this code."""
    removed: bool = False
    """Only contacts that left the source earlier: ``on_removed`` as it is now is applied
    to them."""

    def __post_init__(self) -> None:
        unknown = sorted(self.accept - set(_ACCEPTABLE))
        if unknown:
            raise ConfigError([Problem("--accept", _no_such(name)) for name in unknown])
        if self.removed and (self.contacts or self.backfill or self.resync):
            what = "is about contacts that left earlier: leave out --contact, --backfill and --resync"
            raise ConfigError([Problem("--removed", what)])

    @property
    def kind(self) -> RunKind:
        if self.retry_of is not None or self.dead:
            return RunKind.RETRY
        if self.resync:
            return RunKind.RESYNC
        return RunKind.BACKFILL if self.backfill else RunKind.SYNC

    @property
    def about_everybody(self) -> bool:
        """Return whether the run is not restricted to some of the contacts."""
        some = bool(self.contacts) or self.limit is not None or self.removed
        return not some and self.kind is not RunKind.RETRY

    @property
    def probes(self) -> bool:
        """Return whether one contact is tried of each group that was refused alike.

        A backfill and a retry try the whole group anyway.
        """
        return not self.contacts and not self.removed and self.kind is RunKind.SYNC

    @property
    def names_contacts(self) -> bool:
        """Return whether somebody asked for certain contacts.

        Those of them that were deleted at the vendor are created again, whatever
        ``on_gone`` says.
        """
        return bool(self.contacts) or self.retry_of is not None

    def command(self, destination: str, *accept: str) -> str:
        """Return the command of the same run for one destination, accepting more."""
        words = ["syncengine"]
        words += self._verb(destination)
        words += ["--batch", str(self.batch)] if self.batch is not None else []
        words += ["--backfill"] if self.backfill else []
        words += ["--resync"] if self.resync else []
        words += ["--removed"] if self.removed else []
        words += ["--limit", str(self.limit)] if self.limit is not None else []
        words += [
            word for contact_id in self.contacts for word in ("--contact", contact_id)
        ]
        words += [
            word
            for name in sorted({*self.accept, *accept})
            for word in ("--accept", name)
        ]
        return " ".join(map(as_argument, words))

    def _verb(self, destination: str) -> list[str]:
        if self.retry_of is not None:
            return ["retry", str(self.retry_of)]
        if not self.dead:
            return ["run", "-d", destination]
        code = ["--code", self.code] if self.code is not None else []
        return ["retry", "--dead", "-d", destination, *code]


def _no_such(name: str) -> str:
    close = difflib.get_close_matches(name, _ACCEPTABLE, n=1)
    if close:
        advice = f'did you mean "{close[0]}"?'
    else:
        changes = [each for each in _ACCEPTABLE if each not in NAMES]
        advice = f"brakes: {', '.join(NAMES)}; changes: {', '.join(changes)}"
    return f'"{name}" is neither a brake nor a change that can be accepted; {advice}'
