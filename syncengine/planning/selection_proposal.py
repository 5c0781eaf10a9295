"""Propose who is sent at all: the opt-out's column, and conditions on rows.

A wrong guess here writes to somebody who said no. So only what leaves no doubt is
proposed, which is a single boolean opt-out. All else is a question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from syncengine.model.columns import ColumnKind, SampledSource, SourceColumn
from syncengine.model.proposals import (
    OpenQuestion,
    ProposedCondition,
    SelectionProposal,
    Wishes,
)
from syncengine.planning.column_roles import Role, role_of

_PLAIN_NAME = re.compile("[a-z_][a-z0-9_]*")
"""A name that SQL reads as itself."""
_SAID_NO = "said_no"
"""Name of the column that a view would have for all opt-outs together."""
_VIEW = "contacts_to_send"
_WORDS_FOR_NONE = (
    *("", "-", "0"),
    *("n", "no", "f", "false", "off", "none", "null"),
    *("nein", "falsch", "aus", "keine", "nie", "non", "faux", "aucun", "falso"),
)
"""Texts that mean no opt-out, in the languages whose column names are known.

Whoever has any other text counts as opted out: better one contact too few is sent.
"""
_DAYS = frozenset({ColumnKind.DATE, ColumnKind.TIMESTAMP})
_NUMBERS = frozenset({ColumnKind.INTEGER, ColumnKind.NUMERIC, ColumnKind.FLOAT})


def propose_selection(
    source: SampledSource, wishes: Wishes, used: AbstractSet[str | None]
) -> SelectionProposal:
    """Return who is sent. Columns that are ``used`` otherwise are no condition."""
    opt_outs = [
        column for column in source.columns if role_of(column.name) is Role.OPTED_OUT
    ]
    opted_out = wishes.opted_out
    place = "the source query" if source.is_query else "a view"
    questions: list[OpenQuestion] = []
    if opted_out is None:
        opted_out = _first_flag(opt_outs)
        if opt_outs and (opted_out is None or len(opt_outs) > 1):
            questions.append(_question_of_opt_outs(source, opt_outs))
    conditions: list[ProposedCondition] = []
    if wishes.where is None:
        conditions += _conditions(source, {*used, opted_out})
    if conditions:
        questions.append(_question_of_conditions(conditions))
    return SelectionProposal(
        opted_out=opted_out or None,
        conditions=tuple(conditions),
        questions=tuple(questions),
        notes=tuple(_notes(opt_outs, opted_out, place)),
    )


def _is_flag(column: SourceColumn) -> bool:
    return column.kind is ColumnKind.BOOLEAN and not column.is_array


def _first_flag(opt_outs: Sequence[SourceColumn]) -> str | None:
    for column in opt_outs:
        if _is_flag(column) and column.readable:
            return column.name
    return None


def _question_of_opt_outs(
    source: SampledSource, opt_outs: Sequence[SourceColumn]
) -> OpenQuestion:
    """Return the question which column says no, with a view that has one."""
    listed = ", ".join(f'"{each.name}" ({each.type_name})' for each in opt_outs)
    look = "looks like an opt-out" if len(opt_outs) == 1 else "look like opt-outs"
    said_no = " OR ".join(_said_no(each) for each in opt_outs)
    look_first = _advice_on_words(source, opt_outs)
    # Advice for people: nothing here executes it.
    if source.is_query:
        advice = (
            f"Select one in the source query, such as {said_no} AS {_SAID_NO}, and add "
            f"with --opted-out {_SAID_NO}"
        )
    else:
        view = f"CREATE VIEW {_VIEW} AS SELECT *, {said_no} AS {_SAID_NO}"
        advice = (
            f"Make a view with one, such as {view} FROM {source.label}, and add with "
            f"--table {_VIEW} --opted-out {_SAID_NO}"
        )
    return OpenQuestion(
        "--opted-out COLUMN",
        f"{listed} {look}, and one boolean column has to say to whom nothing is sent. "
        f"{advice}{look_first}; or name the one boolean column that counts, or none "
        "(--opted-out none), and whoever said no elsewhere is sent",
    )


def _advice_on_words(source: SampledSource, opt_outs: Sequence[SourceColumn]) -> str:
    """Return the advice to look at the words of text columns; empty without any."""
    texts = [each for each in opt_outs if _is_text(each)]
    if not texts:
        return ""
    listed = " and ".join(f'"{each.name}"' for each in texts)
    words = f"SELECT DISTINCT {in_sql(texts[0].name)}"
    place = "the source" if source.is_query else source.label
    return (
        f". Look first which words {listed} has ({words} FROM {place}): "
        "every text that is not in the list counts as an opt-out, so add the words "
        "that mean none"
    )


def _is_text(column: SourceColumn) -> bool:
    return column.kind is ColumnKind.TEXT and not column.is_array


def _said_no(column: SourceColumn) -> str:
    """Return SQL that is true where a column probably holds a no, and never NULL."""
    name = in_sql(column.name)
    if column.is_array:
        return f"{name} IS NOT NULL"
    if column.kind is ColumnKind.BOOLEAN:
        return f"coalesce({name}, false)"
    if column.kind in _NUMBERS:
        return f"coalesce({name}, 0) <> 0"
    if _is_text(column):
        words = ", ".join(f"'{word}'" for word in _WORDS_FOR_NONE)
        return f"coalesce(lower(trim({name}::text)), '') NOT IN ({words})"
    return f"{name} IS NOT NULL"


def _question_of_conditions(conditions: Sequence[ProposedCondition]) -> OpenQuestion:
    """Return the question which rows are sent, with the condition that is offered."""
    listed = ", ".join(f'"{each.column}"' for each in conditions)
    known = [each.sql for each in conditions if each.sql is not None]
    offered = " AND ".join(known)
    advice = "give an SQL condition on them"
    default = None
    if len(known) == len(conditions):
        advice = f"give --where '{offered}'"
        default = offered
    return OpenQuestion(
        "--where CONDITION",
        f"{listed} may say who is to be written to: {advice}, and only rows that meet "
        "it are sent, or --where true to send all",
        default=default,
    )


def _conditions(
    source: SampledSource, used: AbstractSet[str | None]
) -> Iterator[ProposedCondition]:
    """Yield columns that say whether somebody is to be written to at all."""
    for column in source.columns:
        role = role_of(column.name)
        if column.name in used or not column.readable:
            continue
        if role in (Role.OPTED_IN, Role.DELETED):
            yield ProposedCondition(column.name, _condition_on(column, role))


def _condition_on(column: SourceColumn, role: Role | None) -> str | None:
    """Return the SQL that selects who may be written to, by a column of this role."""
    name = in_sql(column.name)
    if column.is_array:
        return None
    if role is Role.DELETED:
        if column.kind is ColumnKind.BOOLEAN:
            # A NULL means that nobody has deleted it.
            return f"{name} IS NOT TRUE"
        return f"{name} IS NULL" if column.kind in _DAYS else None
    return name if column.kind is ColumnKind.BOOLEAN else None


def in_sql(name: str) -> str:
    """Return a column's name as SQL has it, quoted where that is needed."""
    if _PLAIN_NAME.fullmatch(name):
        return name
    return '"' + name.replace('"', '""') + '"'


def _notes(
    opt_outs: Sequence[SourceColumn], opted_out: str | None, place: str
) -> Iterator[str]:
    """Yield the columns that may hold people's no, and are not used.

    ``place`` is where a column can be made of others: a view, or the source's query.
    """
    if opted_out == "":
        # Somebody said that none counts.
        return
    for column in opt_outs:
        if column.name != opted_out:
            yield _note_of_opt_out(column, opted_out, place)


def _note_of_opt_out(column: SourceColumn, opted_out: str | None, place: str) -> str:
    """Return the note about a column that may hold people's no, and is not used."""
    if opted_out:
        # The chosen one may have been made of this one, as advised: nobody here knows.
        return (
            f'"{column.name}" looks like an opt-out beside "{opted_out}", which alone '
            f'decides: whoever said no only in "{column.name}" is sent, unless '
            f'"{opted_out}" is made of both (a boolean column of {place})'
        )
    if not _is_flag(column):
        return (
            f'"{column.name}" looks like an opt-out, but has type '
            f"{column.type_name}, so whoever said no there is sent: make a boolean of "
            f"it in {place}, and name it with --opted-out"
        )
    return (
        f'"{column.name}" looks like an opt-out, and is not used: name it with '
        "--opted-out, or whoever said no there is sent"
    )
