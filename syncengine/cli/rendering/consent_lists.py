"""Columns of ``suppressions`` and ``erasures``."""

from __future__ import annotations

from syncengine.cli.rendering.rows import TableColumn
from syncengine.cli.rendering.run_list import local_time
from syncengine.model.contact_ids import name_of
from syncengine.model.http import Json


def _contact(value: Json) -> str:
    # Once an erasure is through, the contact's id is not kept.
    return "(erased)" if value is None else name_of(value)


def _suppressed(value: Json) -> str:
    return "suppressed" if value else "not suppressed"


SUPPRESSIONS = (
    TableColumn("since", words=local_time),
    TableColumn("kind"),
    TableColumn("reason"),
    TableColumn("subject", "salted hash", is_folded=True),
)
ASKED = (
    TableColumn("asked"),
    TableColumn("suppressed", "is", words=_suppressed),
    TableColumn("kind", "by its"),
    TableColumn("reason"),
    TableColumn("since", words=local_time),
)
ERASURES = (
    TableColumn("destination"),
    TableColumn("contact", words=_contact),
    TableColumn("status"),
    TableColumn("requested_at", "asked for", words=local_time),
    TableColumn("ended_at", "ended", words=local_time),
    TableColumn("receipt", is_wide=True, is_folded=True),
    TableColumn("next", "what to do", is_folded=True),
)
