"""Consent that a changed configuration asks for no longer."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from syncengine.app.counted import counted
from syncengine.app.databases import Databases, source_spec
from syncengine.app.recognition import Recognised
from syncengine.app.run_request import CONSENT, RunRequest
from syncengine.config.destination import DestinationConfig
from syncengine.engine.neighbours import Neighbours
from syncengine.engine.prepared import Prepared
from syncengine.errors import BrakeApplied, SourceError
from syncengine.model.consent_rules import ConsentRules
from syncengine.model.mapping import Mapping
from syncengine.model.work import Batch, BatchKind
from syncengine.planning.loosening import Loosening, find_loosening
from syncengine.planning.mapping import has_opted_out
from syncengine.storage.source.column_types import Use
from syncengine.storage.source.inspection import inspect
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.source.spec import Source, SourceSpec
from syncengine.storage.state.removals import present_elsewhere, removed_or_opted_out


def consent_rules(destination: DestinationConfig) -> ConsentRules:
    """Return what the destination's files say about consent."""
    source, options = destination.source, destination.options
    opt_outs = destination.vendor.capabilities.opt_outs
    return ConsentRules(
        table=source.table,
        query=source.query,
        where=options.where,
        opted_out=options.opted_out,
        opt_outs={each.field: each.value for each in opt_outs},
    )


@dataclass(slots=True)
class _Concerned:
    """Contacts that a looser rule lets through."""

    contacts: int = 0
    sent: int = 0
    """Number of those about whom the run would send something."""

    def add(self, contact_ids: AbstractSet[str], sent: AbstractSet[str]) -> None:
        self.contacts += len(contact_ids)
        self.sent += len(contact_ids & sent)

    def in_words(self, *, at_least: bool) -> str:
        about = "at least " if at_least else ""
        if not self.contacts:
            return f"{about}0 contacts now, and later whoever opts out"
        contacts = counted(self.contacts, "contact", "contacts")
        return (
            f"{about}{contacts} that the former rules left out, as people who left or "
            f"opted out: the run would have sent something about {self.sent:,} of them"
        )


class ConsentChange:
    """The contacts of a run that the former rules would have kept from being sent.

    A run is braked where the rules became looser, whoever it is about: somebody who is
    named by hand has not agreed either.
    """

    def __init__(
        self,
        destination: DestinationConfig,
        databases: Databases,
        source: Source,
        recognised: Recognised,
        neighbours: Neighbours | None,
    ) -> None:
        self._destination = destination
        self._databases = databases
        self._neighbours = neighbours
        self._rows = SourceRows(databases.source(destination), source)
        self._before = _comparable(recognised, consent_rules(destination))
        self._loosening = Loosening()
        if self._before is not None:
            self._loosening = find_loosening(consent_rules(destination), self._before)
        self._former: SourceRows | None = None
        self._is_prepared = False
        self._is_unknown = False
        """True where the former rules cannot be asked any more."""
        self._let_through = _Concerned()
        self._back = _Concerned()
        """Contacts that left or opted out earlier, and that the former rules would not
        select now."""

    @property
    def is_possible(self) -> bool:
        """Return whether the rules changed in a way that may be looser."""
        return self._loosening.is_possible

    async def add(self, batch: Batch, prepared: Prepared) -> None:
        """Count a batch, as it is prepared. Raises SourceError, StorageError."""
        if batch.kind is not BatchKind.CHANGES or not self.is_possible:
            return
        # The same rows are selected twice, by the present rules and by the former ones:
        # who is in the first selection alone is let through by the change.
        sendable = await self._sendable(self._rows, self._destination.mapping, batch)
        withheld = await self._held_back(sendable)
        former = await self._formerly_sendable(batch)
        if former is None:
            # All that is known then is who left or opted out earlier.
            former = sendable - withheld
        sent = {
            job.state.contact_id
            for job in prepared.jobs
            if job.refusal is None and job.plan.calls
        }
        self._let_through.add(sendable - former, sent)
        self._back.add(withheld - former, sent)

    def judge(self, request: RunRequest) -> None:
        """Raise BrakeApplied where somebody who said no would be sent something.

        Rules that are looser by what they say are refused, even if they concern nobody
        today: they would be remembered, and say nothing on the day they do.
        """
        found = self._loosening
        if CONSENT in request.accept or not found.is_possible:
            return
        changes, concerned = list(found.loosened), self._let_through
        if not changes:
            if not self._back.contacts:
                return
            changes = [
                "the source or its where selects contacts that it did not select"
            ]
            concerned = self._back
        number = concerned.in_words(at_least=self._is_unknown)
        raise _refusal(self._destination, request, changes, f"That concerns {number}")

    async def _held_back(self, contact_ids: frozenset[str]) -> frozenset[str]:
        """Return who is known to have left or opted out, and did not only move here.

        Who moves is with another destination of the account, which selects it no more.
        """
        state, name = self._databases.state, self._destination.name
        withheld = await removed_or_opted_out(state, name, sorted(contact_ids))
        if not withheld or self._neighbours is None:
            return withheld
        account = self._destination.account
        elsewhere = await present_elsewhere(state, name, account, sorted(withheld))
        try:
            staying = await self._neighbours.selected(sorted(elsewhere))
        except SourceError:
            # Nobody knows who moved: rather one question too many than one too few.
            return withheld
        moving = elsewhere - staying
        return withheld - moving

    async def _formerly_sendable(self, batch: Batch) -> frozenset[str] | None:
        """Return whom the former rules would select now.

        None where they cannot be asked.
        """
        assert self._before is not None
        if not self._is_prepared:
            self._former = await self._former_rows(self._before)
            self._is_prepared = True
        if self._former is None:
            self._is_unknown = True
            return None
        mapping = replace(self._destination.mapping, opted_out=self._before.opted_out)
        try:
            return await self._sendable(self._former, mapping, batch)
        except SourceError:
            # A row that the former rules cannot compute, such as a cast that fails.
            self._is_unknown = True
            return None

    async def _former_rows(self, before: ConsentRules) -> SourceRows | None:
        """Return the source by the former rules; None where it no longer exists."""
        pool = self._databases.source(self._destination)
        spec = _former_spec(self._destination, before)
        try:
            async with pool.acquire() as connection:
                source = await inspect(connection, spec)
        except SourceError:
            return None
        return SourceRows(pool, source)

    async def _sendable(
        self, rows: SourceRows, mapping: Mapping, batch: Batch
    ) -> frozenset[str]:
        found = await rows.load(batch.contact_ids)
        return frozenset(
            row.contact_id for row in found if not has_opted_out(row, mapping)
        )


def refuse_loosened(
    destination: DestinationConfig, recognised: Recognised, request: RunRequest
) -> None:
    """Raise BrakeApplied for files that ask for less consent.

    No contact is looked at.
    """
    rules = consent_rules(destination)
    before = _comparable(recognised, rules)
    if before is None or CONSENT in request.accept:
        return
    changes = find_loosening(rules, before).loosened
    if changes:
        whom = (
            f"`syncengine plan -d {destination.name}` counts the contacts about whom "
            "a run would send something that the former rules forbade"
        )
        raise _refusal(destination, request, changes, whom)


def _refusal(
    destination: DestinationConfig,
    request: RunRequest,
    changes: Sequence[str],
    whom: str,
) -> BrakeApplied:
    name = destination.name
    accepting = request.command(name, CONSENT)
    return BrakeApplied(
        CONSENT,
        f"{name}: brake {CONSENT}: {'; '.join(changes)} ({destination.file}). {whom}. "
        f"Nothing was sent. If these contacts agreed to it, `{accepting}` lets it "
        "pass; else put the former rules back into the file",
    )


def _comparable(recognised: Recognised, now: ConsentRules) -> ConsentRules | None:
    """Return the former rules; None where there are none.

    Opt-outs that were kept at another vendor are not about this one.
    """
    before = recognised.consent
    if before is None or recognised.before is None:
        return None
    if recognised.before.vendor != recognised.identity.vendor:
        return replace(before, opt_outs=now.opt_outs)
    return before


def _former_spec(destination: DestinationConfig, before: ConsentRules) -> SourceSpec:
    """Return the source as the former rules had it, with the present mapping."""
    spec = source_spec(destination)
    mapping = replace(destination.mapping, opted_out=before.opted_out)
    # A purpose is a column, its use, and the key of the file that names it.
    purposes = [
        (column, use, key) for column, use, key in spec.purposes if key != "opted_out"
    ]
    if before.opted_out is not None:
        purposes.append((before.opted_out, Use.FLAG, "opted_out"))
    return replace(
        spec,
        table=before.table,
        query=before.query,
        where=before.where,
        columns=mapping.columns,
        purposes=tuple(purposes),
    )
