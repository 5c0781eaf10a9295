"""Local view of a contact, without the vendor: its row, its state, its next run.

A row that cannot be read or worked out becomes a remark, and the rest is shown all the
same. Only a state that cannot be read is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from syncengine.app.databases import Databases, inspect_source
from syncengine.app.markers import refuse_restored
from syncengine.app.match_keys import asked_keys
from syncengine.app.outlook import Outlook, Seen, look_ahead
from syncengine.app.run_request import RunRequest
from syncengine.app.session import Reader
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.errors import BrakeApplied, RunRefused, SyncEngineError, where_it_broke
from syncengine.model.calls import Rejected
from syncengine.model.contact import Desired
from syncengine.model.copies import Copy
from syncengine.model.http import Json
from syncengine.model.work import ContactState, SourceRow
from syncengine.planning.mapping import map_row
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.source.spec import KeyKind


@dataclass(frozen=True, slots=True)
class LocalView:
    """Facts about a contact that are known without asking the vendor.

    ``app.vendor_copy`` adds the vendor's answer to them.
    """

    destination: str
    contact_id: str
    state: ContactState | None
    """None where the state does not know the contact."""
    desired: Desired | None
    """Contact that the row asks for; None without a usable row."""
    has_row: bool | None = None
    """True where the source selects the contact; None where it could not be read."""
    remarks: tuple[str, ...] = ()
    outlook: Outlook = field(default_factory=Outlook)
    vendor: Copy | None = None
    """The contact as the vendor shows it, once it was asked."""
    details: Mapping[str, Json] = field(default_factory=dict)
    """Other facts that the vendor shows of it, by name."""

    def with_remark(self, remark: str) -> LocalView:
        return replace(self, remarks=(*self.remarks, remark))


async def trusted_view(
    destination: DestinationConfig,
    config: Config,
    databases: Databases,
    contact_id: str,
) -> LocalView:
    """Return what is known without the vendor, and whether a run would go by it.

    A state that was restored or lost, and was not accepted yet, refuses every run.
    """
    view = await _local_view(destination, config, databases, contact_id)
    try:
        # Checked apart from the plan: it is no reason to show nothing of the contact.
        await refuse_restored(destination, config, databases, RunRequest())
    except BrakeApplied as error:
        refused = "is refused, and suppressions may be missing here"
        outlook = replace(view.outlook, next_run=refused)
        return replace(view, outlook=outlook).with_remark(str(error))
    return view


async def _local_view(
    destination: DestinationConfig,
    config: Config,
    databases: Databases,
    contact_id: str,
) -> LocalView:
    reader = Reader(destination, config, databases)
    store = reader.contacts
    state = (await store.load([contact_id])).get(contact_id)
    seen = Seen(state or ContactState(contact_id))
    desired: Desired | None = None
    outlook = Outlook()
    remarks: list[str] = []
    has_row: bool | None = None
    try:
        pool = databases.source(destination)
        inspected = await inspect_source(destination, pool)
        source = SourceRows(pool, inspected)
        rows = await source.load([contact_id])
        row = rows[0] if rows else None
        has_row = row is not None
        seen, remark = _with_row(destination, seen, row)
        desired = seen.desired
        if remark is not None:
            remarks.append(remark)
        others = await reader.others()
        numbered = inspected.kind is KeyKind.NUMBER
        keys = asked_keys(reader.fence, destination, numbered=numbered)
        outlook = await look_ahead(
            destination, databases, store, source, seen, others.neighbours, keys
        )
    except RunRefused as error:
        remarks.append(f"the source could not be read: {error}")
        without_row = Seen(seen.state)
        outlook = await look_ahead(destination, databases, store, None, without_row)
    # The state's own database: without it there is nothing to show.
    except SyncEngineError:
        raise
    except Exception as error:  # noqa: BLE001 - what else is known is shown all the same
        remarks.append(f"the row could not be worked out ({where_it_broke(error)})")
    return LocalView(
        destination.name,
        contact_id,
        state,
        desired,
        has_row,
        (*remarks, *outlook.remarks),
        outlook,
    )


def _with_row(
    destination: DestinationConfig, seen: Seen, row: SourceRow | None
) -> tuple[Seen, str | None]:
    """Return the contact with its row, and what is wrong with the row, if anything."""
    if row is None:
        if destination.options.where is None:
            return seen, "the source does not select this contact: it has no such row"
        where = destination.place("where")
        return seen, (
            "the source does not select this contact: it has no such row, or "
            f"{where} leaves it out"
        )
    mapped = map_row(row, destination.mapping, destination.vendor.capabilities.identity)
    if isinstance(mapped, Rejected):
        return replace(seen, row=row), f"the row cannot be used: {mapped.message}"
    return replace(seen, row=row, desired=mapped), None
