"""Options of a run, as given on the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from syncengine.app.plan_file import PlanFile
from syncengine.errors import ConfigError, Problem
from syncengine.model.contact_ids import as_argument, contact_id_of
from syncengine.model.undo import UndoScope
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
"""Name to accept that the state was restored, or replaces one that was lost."""
EMPTY_STATE = "empty_state"
"""Name to accept that nothing is known of a destination's contacts, and that they are
created without a look-up."""
KEEP_CREATED = "keep"
"""What an undo does with contacts that the run created: they stay."""
DELETE_CREATED = "delete"
"""What it does if they are to be deleted."""
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
    """A run's options.

    Raises ConfigError for an unknown brake, and for options that do not go together.
    """

    backfill: bool = False
    limit: int | None = None
    """At most so many contacts."""
    contacts: tuple[str, ...] = ()
    """Only these; empty: all."""
    accept: frozenset[str] = frozenset()
    """Brakes and remembered settings that may pass this once."""
    retry_of: int | None = None
    """Only contacts that did not make it in this former run."""
    batch: int | None = None
    """Batch to which they are restricted."""
    resync: bool = False
    """Distrust what is known of the contacts: read it back, or else send it whole."""
    dead: bool = False
    """Only dead letters: contacts that are left alone since they were refused."""
    code: str | None = None
    """Code with which they were refused, to restrict them."""
    since: datetime | None = None
    """Of them, those that a run tried since then, and that were refused."""
    removed: bool = False
    """Only contacts that left the source earlier: ``on_removed`` as it is now is
    applied to them."""
    plan: PlanFile | None = None
    """Send what this plan says, and nothing else."""
    for_file: bool = False
    """Of a plan only: it is written to a file, so nothing is planned in it that depends
    on how other contacts end (probes)."""
    undo: UndoScope | None = None
    """Only what a former run changed: it is taken back."""

    def __post_init__(self) -> None:
        refuse_unknown_brakes(self.accept)
        self._refuse_with_plan_file()
        if self.removed and (self.contacts or self.backfill or self.resync):
            what = (
                "is about contacts that left earlier: leave out --contact, --backfill "
                "and --resync"
            )
            raise ConfigError([Problem("--removed", what)])

    def _refuse_with_plan_file(self) -> None:
        """Raise ConfigError for options that do not go with a plan file."""
        if self.for_file and self.resync:
            what = (
                "cannot be written for a re-sync: what that sends is known only once "
                "the contacts were read back"
            )
            raise ConfigError([Problem("--out", what)])
        chosen = {
            "--backfill": self.backfill,
            "--resync": self.resync,
            "--removed": self.removed,
            "--limit": self.limit is not None,
            "--contact": bool(self.contacts),
        }
        given = [name for name, is_given in chosen.items() if is_given]
        if self.plan is not None and given:
            what = (
                f"sends what the plan says: leave out {' and '.join(given)}, and give "
                "it to `syncengine plan --out` instead"
            )
            raise ConfigError([Problem("--plan", what)])

    @property
    def kind(self) -> RunKind:
        if self.undo is not None:
            return RunKind.UNDO
        if self.retry_of is not None or self.dead:
            return RunKind.RETRY
        if self.resync:
            return RunKind.RESYNC
        if self.backfill:
            return RunKind.BACKFILL
        return RunKind.SYNC

    @property
    def about_everybody(self) -> bool:
        """Return whether the run is not restricted to some of the contacts."""
        if self.contacts or self.removed or self.limit is not None:
            return False
        if self.plan is not None:
            return False
        return self.kind not in (RunKind.RETRY, RunKind.UNDO)

    @property
    def probes(self) -> bool:
        """Return whether one contact is tried of each group that was refused alike.

        A backfill and a retry try the whole group anyway.
        """
        if self.contacts or self.removed or self.for_file or self.plan is not None:
            return False
        return self.kind is RunKind.SYNC

    @property
    def names_contacts(self) -> bool:
        """Return whether somebody asked for certain contacts.

        Those of them that were deleted at the vendor are created again, whatever
        ``on_gone`` says.
        """
        is_named_by_plan = self.plan is not None and self.plan.named
        return bool(self.contacts) or self.retry_of is not None or is_named_by_plan

    def command(self, destination: str, *accept: str) -> str:
        """Return the command of the same run for one destination, accepting more."""
        words = ["syncengine", *self._verb(destination), *self._options()]
        for name in sorted({*self.accept, *accept}):
            words += ["--accept", name]
        return " ".join(map(as_argument, words))

    def _verb(self, destination: str) -> Iterator[str]:
        """Yield the verb and the options that choose destination and contacts."""
        if self.undo is not None:
            yield from undo_words(self.undo)
            return
        if self.retry_of is not None:
            yield from ("retry", str(self.retry_of))
            return
        if not self.dead:
            yield from ("run", "-d", destination)
            if self.plan is not None:
                yield from ("--plan", str(self.plan.path))
            return
        yield from ("retry", "--dead", "-d", destination)
        if self.code is not None:
            yield from ("--code", self.code)
        if self.since is not None:
            yield from ("--since", self.since.isoformat(timespec="seconds"))

    def _options(self) -> Iterator[str]:
        if self.batch is not None:
            yield from ("--batch", str(self.batch))
        if self.backfill:
            yield "--backfill"
        if self.resync:
            yield "--resync"
        if self.removed:
            yield "--removed"
        if self.limit is not None:
            yield from ("--limit", str(self.limit))
        for contact_id in self.contacts:
            yield from ("--contact", contact_id)


def undo_words(scope: UndoScope) -> Iterator[str]:
    """Yield the words of the command that takes back what a scope contains."""
    yield from ("undo", str(scope.run_id), "--yes")
    for contact_id in scope.contacts:
        yield from ("--contact", contact_id)
    for name in sorted(scope.fields):
        yield from ("--field", name)
    if scope.deletes_created:
        yield from ("--created", DELETE_CREATED)


def undo_request(
    run_id: int,
    *,
    contacts: Sequence[str],
    fields: Sequence[str],
    created: str,
    accept: frozenset[str],
) -> RunRequest:
    """Return the request to take back what a run changed.

    Raises ConfigError for options that do not go together.
    """
    if created not in (KEEP_CREATED, DELETE_CREATED):
        what = f'must be "{KEEP_CREATED}" or "{DELETE_CREATED}"'
        raise ConfigError([Problem("--created", what)])
    deletes_created = created == DELETE_CREATED
    if deletes_created and fields:
        what = "deletes whole contacts: leave out --field, or undo in two steps"
        raise ConfigError([Problem(f"--created {DELETE_CREATED}", what)])
    scope = UndoScope(
        run_id,
        fields=frozenset(fields),
        contacts=tuple(map(contact_id_of, contacts)),
        deletes_created=deletes_created,
    )
    return RunRequest(undo=scope, accept=accept)


def retry_request(
    run_id: int | None,
    *,
    batch: int | None,
    dead: bool,
    code: str | None,
    since: datetime | None,
    destinations: Sequence[str],
    accept: frozenset[str],
) -> RunRequest:
    """Return the request to retry a run, or all dead letters.

    Raises ConfigError for options that do not go together.
    """
    chooses = code is not None or since is not None or bool(destinations)
    problem = _misuse(run_id, batch, dead=dead, chooses=chooses)
    if problem is not None:
        raise ConfigError([problem])
    return RunRequest(
        retry_of=run_id, batch=batch, dead=dead, code=code, since=since, accept=accept
    )


def _misuse(
    run_id: int | None, batch: int | None, *, dead: bool, chooses: bool
) -> Problem | None:
    """Return what is wrong with a combination of options, if anything is.

    ``chooses``: some of the dead letters are chosen.
    """
    if dead:
        if run_id is None and batch is None:
            return None
        return Problem(
            "retry --dead",
            "tries dead letters of all runs: leave out the run's number and --batch",
        )
    if chooses:
        return Problem(
            "retry", "-d, --code and --since choose among dead letters: say --dead too"
        )
    if run_id is None:
        return Problem(
            "retry",
            "name the run (`syncengine retry 12`), or say --dead for all dead letters",
        )
    return None


def refuse_unknown_brakes(accept: Iterable[str]) -> None:
    """Raise ConfigError for names that ``--accept`` does not know."""
    unknown = sorted(set(accept) - set(_ACCEPTABLE))
    if unknown:
        raise ConfigError(
            [Problem("--accept", _unknown_brake(name)) for name in unknown]
        )


def _unknown_brake(name: str) -> str:
    unknown = f'"{name}" is neither a brake nor a change that can be accepted'
    close = difflib.get_close_matches(name, _ACCEPTABLE, n=1)
    if close:
        return f'{unknown}; did you mean "{close[0]}"?'
    changes = [each for each in _ACCEPTABLE if each not in NAMES]
    return f"{unknown}; brakes: {', '.join(NAMES)}; changes: {', '.join(changes)}"
