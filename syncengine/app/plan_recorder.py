"""Writes the plan of one destination into a plan file, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from syncengine.app.counted import counted
from syncengine.app.databases import Databases
from syncengine.app.plan_basis import basis_of, refuse_without_known
from syncengine.app.plan_file import PlanWriter
from syncengine.app.plan_watchers import CountedJob
from syncengine.app.recognition import Recognised
from syncengine.app.run_request import RunRequest
from syncengine.app.session import Reader
from syncengine.engine.approval import contact_plan
from syncengine.model.plan_file import PlanBasis
from syncengine.model.plans import PlanReport
from syncengine.model.work import Record
from syncengine.planning.plan_file import Digests, LookUpRules, planned_contact
from syncengine.storage.state.plan_files import state_key
from syncengine.storage.state.restores import state_identity


async def plan_writer(
    databases: Databases, path: Path, *, shows_values: bool
) -> PlanWriter:
    """Return the writer of a plan of this state. Raises ConfigError, StorageError."""
    identity = await state_identity(databases.state)
    digests = Digests(await state_key(databases.state))
    return PlanWriter(path, identity.state_id, digests, shows_values=shows_values)


class PlanRecorder:
    """Records what a destination's plan says (``app.plan_watchers.PlanWatcher``)."""

    def __init__(self, writer: PlanWriter, basis: PlanBasis) -> None:
        self._writer = writer
        self._basis = basis

    def add(self, counted: CountedJob) -> None:
        """Record a contact about which something would be sent or looked up."""
        prices = counted.prices
        contact = planned_contact(
            self._basis.destination,
            contact_plan(counted.job),
            LookUpRules(prices.capabilities, prices.find_first, prices.on_removed),
            self._writer.digests,
            causes=[cause.in_words for cause in counted.causes],
            shows_values=self._writer.shows_values,
        )
        self._writer.add(contact)

    def add_record(self, record: Record) -> None:
        """Pass over a contact that ends without a request: a run may do without it."""

    def end(self, actions: Mapping[str, int]) -> None:
        """Record the destination itself, once all of its contacts are."""
        basis = replace(
            self._basis,
            contacts=self._writer.contacts,
            actions=dict(sorted(actions.items())),
        )
        self._writer.end_destination(basis)


async def plan_recorder(
    writer: PlanWriter, reader: Reader, recognised: Recognised, request: RunRequest
) -> PlanRecorder:
    """Return the recorder of one destination.

    Raises RunRefused where its plan cannot be written down, StorageError.
    """
    destination = reader.destination
    refuse_without_known(destination, recognised)
    basis = await basis_of(destination, reader.databases, recognised, writer.digests)
    return PlanRecorder(
        writer,
        replace(
            basis,
            limit=request.limit,
            named=bool(request.contacts),
            removed=request.removed,
        ),
    )


def with_file(report: PlanReport, path: Path, basis: PlanBasis | None) -> PlanReport:
    """Return the report with a remark about the file; ``basis`` None: not written."""
    if basis is None:
        remark = f"{path} was not written: a plan that would be refused is no plan"
    else:
        contacts = counted(basis.contacts, "contact", "contacts")
        remark = (
            f"{path} holds the plan for {contacts}: `syncengine run --plan {path}` "
            "sends exactly that"
        )
    return replace(report, remarks=(*report.remarks, remark))
