"""Single contacts of a plan: old and new values, and the requests about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

import orjson
from rich.box import SIMPLE_HEAD
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from syncengine.app.counted import worded
from syncengine.cli.rendering.layout import print_line, print_table
from syncengine.model.contact_ids import name_of
from syncengine.model.http import Json
from syncengine.model.plan_sample import (
    PlannedRequest,
    PlannedStep,
    RequestCase,
    SampledContact,
)

_CASES = {
    RequestCase.ALWAYS: "",
    RequestCase.NOT_FOUND: "if it is not found: ",
    RequestCase.FOUND: "if it is found, what differs of: ",
    RequestCase.AS_KNOWN: "if it is there as known: ",
}
_UNKNOWN = "?"
"""Stands for a value at the vendor that is not known."""


def print_sample(destination: str, contact: SampledContact) -> None:
    """Print what would change at a contact, and the requests where they are shown."""
    print_line(f"{destination}, contact {_headline(contact)}", style="bold")
    if contact.fields or contact.tags_added or contact.tags_removed:
        print_table(Padding(_table(contact), (0, 0, 0, 2), expand=False))
    for line in contact.unsupported:
        print_line(f"  not sent: {line}")
    if contact.refusal:
        print_line(f"  {contact.refusal}")
    for step in contact.steps:
        _print_step(step)


def _headline(contact: SampledContact) -> str:
    """Return such as ``7 (row changed): update, add_tags``."""
    title = name_of(contact.contact_id)
    if contact.causes:
        title += f" ({', '.join(contact.causes)})"
    return f"{title}: {', '.join(contact.actions) or 'no call'}"


def _table(contact: SampledContact) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in ("field", "until now", "then"):
        table.add_column(title, overflow="fold")
    # Cells are Text, in which rich looks for no markup: they hold what others wrote.
    for name, change in contact.fields.items():
        table.add_row(Text(name), Text(_old(change)), Text(_text(change["new"])))
    for tag in contact.tags_added:
        table.add_row(Text("tags"), Text(""), Text(f"+ {tag}"))
    for tag in contact.tags_removed:
        table.add_row(Text("tags"), Text(f"- {tag}"), Text(""))
    return table


def _old(change: Mapping[str, Json]) -> str:
    return _text(change["old"]) if "old" in change else _UNKNOWN


def _print_step(step: PlannedStep) -> None:
    """Print a request as it goes over the wire, without its secrets."""
    case = _CASES[step.case]
    if step.request is None:
        print_line(f"  {case}{step.action}: no request")
        return
    title = f"{case}{step.action}"
    for line in _request_lines(title, step.request):
        print_line(f"  {line}")
    for number, request in enumerate(step.following, start=2):
        title = f"{case}{step.action}, request {number}, with what is known there"
        for line in _request_lines(title, request):
            print_line(f"  {line}")
    if step.more and not step.following:
        requests = worded(step.more, "request depends", "requests depend")
        print_line(f"    and {step.more} more, whose {requests} on the answer")
    if step.contacts > 1:
        print_line(
            f"    a run sends this for up to {step.contacts} contacts in one request"
        )


def _request_lines(title: str, request: PlannedRequest) -> Iterator[str]:
    query = f"?{urlencode(request.query)}" if request.query else ""
    yield f"{title}: {request.method} {request.path}{query}"
    for name, value in request.headers.items():
        yield f"  {name}: {value}"
    if request.body is not None:
        body = orjson.dumps(request.body, option=orjson.OPT_INDENT_2).decode()
        for line in body.splitlines():
            yield f"  {line}"


def _text(value: Json) -> str:
    """Return a value for people: texts without quotes, anything else as JSON."""
    if value is None:
        return "(none)"
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
