"""Findings and proposals of ``init`` and ``add``."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.cli.rendering.layout import print_line
from syncengine.model.columns import SourceTable
from syncengine.model.proposals import MappingProposal, ProposedField
from syncengine.planning.source_proposal import contact_columns

_SHOWN = 10


def table_line(table: SourceTable) -> str:
    """Return a table in one line: its name, its size, and what is like a contact."""
    facts = [table.kind]
    if table.rows is not None:
        facts.append(f"about {table.rows:,} rows")
    if table.size:
        facts.append(_size(table.size))
    if not table.readable:
        facts.append("this role may not read it")
    seen = ", ".join(contact_columns(table)) or "no column of a contact"
    return f"{table.name} ({', '.join(facts)}): {seen}"


def print_tables(tables: Sequence[SourceTable]) -> None:
    """Print the tables that may hold the contacts, the likeliest first."""
    for table in tables[:_SHOWN]:
        print_line(table_line(table))
    if len(tables) > _SHOWN:
        print_line(f"and {len(tables) - _SHOWN} more")


def print_mapping(mapping: MappingProposal) -> None:
    """Print a proposed mapping, one field a line, and what speaks against it."""
    _print_fields(mapping)
    _print_choice(mapping)
    for condition in mapping.conditions:
        print_line(
            f'note: "{condition.column}" may say whether somebody is to be written to; '
            "--where decides who is sent"
        )
    for note in mapping.notes:
        print_line(f"note: {note}")


def _print_fields(mapping: MappingProposal) -> None:
    """Print where each field and the tags come from."""
    width = max((len(each.field) for each in mapping.fields), default=0)
    for each in mapping.fields:
        print_line(f"  {each.field:{width}}  from {each.column}{_form(each)}")
    if mapping.tags is not None:
        print_line(f"  {'tags':{width}}  from {mapping.tags}")


def _form(each: ProposedField) -> str:
    form = f", as {each.form}" if each.form else ""
    region = f", region {each.region}" if each.region else ""
    return form + region


def _print_choice(mapping: MappingProposal) -> None:
    """Print how contacts are found, and which of them are sent."""
    if mapping.match_on:
        print_line(f"contacts are found by: {', '.join(mapping.match_on)}")
    if mapping.opted_out is not None:
        print_line(f'nothing is sent where "{mapping.opted_out}" is true')
    if mapping.where is not None:
        print_line(f"only rows are sent for which: {mapping.where}")


def _size(number: int) -> str:
    amount = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
