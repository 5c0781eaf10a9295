"""Propose how a source is mapped to a vendor's fields.

The proposals rest on names, types, indexes and numbers of values in a sample, never on
a value. What they do not show is left open: as a question that a person has to answer,
or as a note beside the proposal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from syncengine.model.capabilities import matches
from syncengine.model.columns import (
    ColumnKind,
    SampledSource,
    SourceColumn,
    ValueCounts,
)
from syncengine.model.mapping import Form
from syncengine.model.proposals import (
    ANY_FIELD,
    MappingProposal,
    OpenQuestion,
    ProposedField,
    VendorFields,
    Wishes,
)
from syncengine.planning.column_roles import (
    CONTACT_ROLES,
    REACHING_ROLES,
    Role,
    country_of,
    is_plain_name,
    role_of,
    role_of_field,
    same_name,
)
from syncengine.planning.selection_proposal import in_sql, propose_selection

_LIKELY = 0.5
"""Share of the values that have to look like what the column's name says."""
_SURE = 0.8
"""Share of the values by which a column is recognised whatever its name is."""
_MANY_EMPTY = 0.2
"""Share of empty rows that speaks against a column as a match key."""
_FURTHER = 12
"""Number of further columns that are suggested at most."""
_SOURCES_OF: Mapping[Role, tuple[Role, ...]] = {
    # Messages go to mobile phones, so that one of these is meant by "phone" first.
    Role.PHONE: (Role.MOBILE, Role.PHONE),
    Role.MOBILE: (Role.MOBILE, Role.PHONE),
    Role.FULL_NAME: (Role.FULL_NAME, Role.FIRST_NAME, Role.LAST_NAME),
    Role.FIRST_NAME: (Role.FIRST_NAME,),
}
"""Roles of the columns that a field of a role may be read from, the best one first."""
_KINDS_OF: Mapping[Role, frozenset[ColumnKind]] = {
    Role.PHONE: frozenset({ColumnKind.TEXT, ColumnKind.INTEGER, ColumnKind.NUMERIC}),
    Role.MOBILE: frozenset({ColumnKind.TEXT, ColumnKind.INTEGER, ColumnKind.NUMERIC}),
    Role.BIRTHDAY: frozenset({ColumnKind.TEXT, ColumnKind.DATE, ColumnKind.TIMESTAMP}),
}
"""Types of columns that a role may have; text only, for all others."""
_FORMS: Mapping[Role, Form] = {
    Role.PHONE: Form.E164,
    Role.MOBILE: Form.E164,
    Role.EMAIL: Form.LOWER,
    Role.BIRTHDAY: Form.DATE,
}
_MAPPABLE = frozenset(ColumnKind) - {
    ColumnKind.COMPOSITE,
    ColumnKind.JSON,
    ColumnKind.OTHER,
}
_NEVER_SENT = frozenset({Role.DELETED, Role.OPTED_IN, Role.OPTED_OUT, Role.SECRET})
"""Roles of columns that decide about a contact, or are nobody else's business."""


def propose_mapping(
    source: SampledSource, key: str, vendor: VendorFields, wishes: Wishes
) -> MappingProposal:
    """Return the mapping of a source to a vendor's fields."""
    fields = _fields(source, key, vendor, wishes)
    match_on = wishes.match_on or _match_on(fields, source, vendor)
    tags = _tags(source, vendor, wishes)
    fields, asked = _with_regions(fields, source, wishes.region)
    selection = propose_selection(source, wishes, {key, tags})
    used = {each.column for each in fields} | {key, tags, selection.opted_out}
    missing = _missing(fields, match_on, source, vendor)
    questions = [*asked, *missing, *selection.questions]
    further = _further(source, vendor, used, wishes)
    notes = [*_notes(source, fields, match_on, vendor), *selection.notes]
    if vendor.has_tags and wishes.tags is None and not tags:
        notes += _notes_of_text_tags(source)
    notes += _notes_of_passed_over(source, {*used, *(each.column for each in further)})
    return MappingProposal(
        fields=fields,
        match_on=match_on,
        tags=tags or None,
        opted_out=selection.opted_out,
        where=wishes.where,
        further=further,
        conditions=selection.conditions,
        questions=tuple(questions),
        notes=tuple(notes),
    )


def with_usual_form(wished: ProposedField, source: SampledSource) -> ProposedField:
    """Return a field that somebody chose the column of, in the form of its kind.

    Without ``as: e164`` a phone would be sent, and looked up, as it is written.
    """
    role = role_of_field(wished.field)
    column = source.column(wished.column)
    if wished.form is not None or role is None or column is None or column.is_array:
        return wished
    return replace(wished, form=_FORMS.get(role))


def _fields(
    source: SampledSource, key: str, vendor: VendorFields, wishes: Wishes
) -> tuple[ProposedField, ...]:
    """Return the mapped fields: what was wished, then what is proposed."""
    wished = {each.field: with_usual_form(each, source) for each in wishes.fields}
    chosen_by_a_person = set(wished)
    fields: dict[str, ProposedField] = {}
    names = dict.fromkeys((*vendor.required, *vendor.usual))
    for name in names:
        if name in wishes.left_out:
            continue
        found = wished.pop(name, None) or _proposed(name, source, key, vendor)
        # A column goes to one field, unless somebody says otherwise. Required fields
        # come first, and are filled by the next best column.
        taken = {each.column for each in fields.values()}
        if found is None:
            continue
        if name not in chosen_by_a_person and found.column in taken:
            continue
        fields[name] = found
    ordered = {name: fields[name] for name in vendor.usual if name in fields}
    return (*{**ordered, **fields}.values(), *wished.values())


def _proposed(
    name: str, source: SampledSource, key: str, vendor: VendorFields
) -> ProposedField | None:
    """Return the column for a field; None where none looks like it."""
    role = role_of_field(name)
    if role is Role.OWN_KEY and name not in vendor.required:
        return _proposed_own_key(name, source, key)
    if role is None:
        return _proposed_by_name(name, source)
    takes_lists = matches(name, vendor.several)
    for wanted in _SOURCES_OF.get(role, (role,)):
        column = _best(source, wanted, takes_lists=takes_lists)
        if column is not None:
            return ProposedField(name, column.name, _FORMS.get(role))
    return None


def _proposed_own_key(name: str, source: SampledSource, key: str) -> ProposedField:
    """Return the key's column for a field of our own key, as text."""
    column = source.column(key)
    if column is not None and column.kind is ColumnKind.TEXT:
        return ProposedField(name, key)
    return ProposedField(name, key, Form.TEXT)


def _proposed_by_name(name: str, source: SampledSource) -> ProposedField | None:
    """Return the column of the same name for a field whose name means nothing to us."""
    last_part = name.rpartition(".")[2]
    for column in source.columns:
        if same_name(last_part, column.name):
            return ProposedField(name, column.name)
    return None


def _best(
    source: SampledSource, role: Role, *, takes_lists: bool = False
) -> SourceColumn | None:
    """Return the column that most likely has a role; None where none has it."""
    named = [
        column
        for column in source.columns
        if role_of(column.name) is role
        and _fits(column, role, takes_lists=takes_lists)
        and not _contradicts(column, role)
    ]
    if named:
        return min(named, key=_name_rank)
    for column in source.columns:
        if role_of(column.name) is None and _is_surely(column, role):
            return column
    return None


def _name_rank(column: SourceColumn) -> tuple[bool, float]:
    """Put plain names first, then columns with fewer gaps."""
    empty = _empty_share(column)
    # A plain name does not help a column that is nearly empty.
    return (not is_plain_name(column.name) or empty > 1 - _MANY_EMPTY, empty)


def _empty_share(column: SourceColumn | None) -> float:
    """Return the share of rows without a value, to a tenth; 0.0 if nobody looked."""
    if column is None or column.counts is None:
        return 0.0
    return round(column.counts.empty_share, 1)


def _fits(column: SourceColumn, role: Role, *, takes_lists: bool) -> bool:
    """Return whether a column's type fits the values that a role means."""
    kinds = _KINDS_OF.get(role, frozenset({ColumnKind.TEXT}))
    is_right_type = column.kind in kinds and (takes_lists or not column.is_array)
    return is_right_type and column.readable


def _contradicts(column: SourceColumn, role: Role) -> bool:
    """Return whether the values are something else than the name says."""
    counts = column.counts
    if counts is None or counts.values == 0 or column.is_array:
        return False
    if role is Role.EMAIL:
        return counts.share(counts.emails) < _LIKELY
    if role in (Role.PHONE, Role.MOBILE):
        return counts.share(counts.phones) < _LIKELY
    return role is Role.BIRTHDAY and not _holds_days(column)


def _is_surely(column: SourceColumn, role: Role) -> bool:
    """Return whether the values alone show what a column is."""
    counts = column.counts
    if counts is None or counts.values == 0 or column.is_array or not column.readable:
        return False
    if column.kind is not ColumnKind.TEXT:
        return False
    if role is Role.EMAIL:
        return counts.share(counts.emails) >= _SURE
    if role is Role.PHONE:
        # National numbers look like any other number.
        return counts.share(counts.international) >= _SURE
    return False


def _match_on(
    fields: Sequence[ProposedField], source: SampledSource, vendor: VendorFields
) -> tuple[str, ...]:
    """Return the fields by which contacts are found: the own key, then the surest."""
    if vendor.identity is not None:
        return ()
    usable = [each.field for each in fields if matches(each.field, vendor.match_keys)]
    own = [name for name in usable if role_of_field(name) is Role.OWN_KEY]
    by_field = {each.field: each for each in fields}

    def rank(name: str) -> tuple[bool, bool, float]:
        empty = _empty_share(source.column(by_field[name].column))
        is_phone = role_of_field(name) in (Role.PHONE, Role.MOBILE)
        return (matches(name, vendor.shows_one), empty > _MANY_EMPTY, not is_phone)

    reaches = [name for name in usable if role_of_field(name) in REACHING_ROLES]
    if vendor.upsert_keys:
        reaches = [name for name in reaches if name in vendor.upsert_keys]
    surest = sorted(reaches, key=rank)
    if own:
        return (own[0], *surest[:1])
    # By a field that shows any one of several contacts it is not looked up twice.
    certain = [name for name in surest[1:] if not matches(name, vendor.shows_one)]
    return (*surest[:1], *certain)


def _tags(source: SampledSource, vendor: VendorFields, wishes: Wishes) -> str | None:
    if wishes.tags is not None:
        return wishes.tags
    if not vendor.has_tags:
        return None
    for column in source.columns:
        is_list = column.is_array and column.kind is ColumnKind.TEXT
        is_list = is_list or (column.kind is ColumnKind.JSON and not column.is_array)
        if role_of(column.name) is Role.TAGS and is_list and column.readable:
            return column.name
    return None


def _with_regions(
    fields: Sequence[ProposedField], source: SampledSource, region: str | None
) -> tuple[tuple[ProposedField, ...], list[OpenQuestion]]:
    """Give phone fields their region, or ask for it where numbers need one."""
    completed: list[ProposedField] = []
    questions: list[OpenQuestion] = []
    for each in fields:
        column = source.column(each.column)
        if each.form is not Form.E164 or each.region or column is None:
            completed.append(each)
            continue
        chosen = region or _seen_region(column)
        completed.append(replace(each, region=chosen))
        if chosen is None and _needs_region(column) and not questions:
            names = tuple(column.name for column in source.columns)
            question = OpenQuestion(
                "--region CC",
                f'many numbers in "{column.name}" have no country code: which country '
                "are they of (two letters, such as DE)?",
                default=country_of(names),
            )
            questions.append(question)
    return tuple(completed), questions


def _seen_region(column: SourceColumn) -> str | None:
    """Return the country whose form nearly all numbers have, if there is one."""
    counts = column.counts
    if counts is not None and counts.share(counts.north_american) >= _SURE:
        return "US"
    return None


def _needs_region(column: SourceColumn) -> bool:
    counts = column.counts
    if counts is None or counts.phones == 0:
        return False
    return counts.international < counts.phones


def _missing(
    fields: Sequence[ProposedField],
    match_on: Sequence[str],
    source: SampledSource,
    vendor: VendorFields,
) -> Iterator[OpenQuestion]:
    """Yield what the vendor needs and no column looks like."""
    mapped = {each.field for each in fields}
    for name in vendor.required:
        if name not in mapped:
            yield _question_of_required(name, source, vendor)
    if vendor.identity is not None:
        return
    if not match_on:
        keys = " or ".join(
            each.replace("*", "NAME")
            for each in vendor.upsert_keys or vendor.match_keys
        )
        keys = "a field of your own" if keys == "NAME" else keys
        yield OpenQuestion(
            f"--field {ANY_FIELD}=COLUMN",
            f"{vendor.name} recognises contacts by {keys}, and no column of "
            f"{source.label} looks like that: map one, and name it with --match-on",
        )
    elif not fields:
        option = f"--field {ANY_FIELD}=COLUMN"
        yield OpenQuestion(option, "no field is mapped: name one")


def _question_of_required(
    name: str, source: SampledSource, vendor: VendorFields
) -> OpenQuestion:
    """Return the question where a field comes from that a contact must have."""
    words = (
        f"{vendor.name} creates no contact without {name}: which column of "
        f"{source.label} is it read from?"
    )
    setting = None
    if name in vendor.settings:
        setting = name
        words += f" (the same for all contacts: --setting {name}=VALUE)"
    instead = tuple(vendor.instead.get(name, ()))
    for other in instead:
        words += f" ({other} does as well: --field {other}=COLUMN)"
    return OpenQuestion(
        f"--field {name}=COLUMN", words, setting=setting, instead=instead
    )


def _further(
    source: SampledSource,
    vendor: VendorFields,
    used: set[str | None],
    wishes: Wishes,
) -> tuple[ProposedField, ...]:
    """Return columns that the vendor could take as fields of the user's own."""
    pattern = next((each for each in vendor.written if each.endswith("*")), None)
    if pattern is None:
        return ()
    mapped = {each.field for each in wishes.fields}
    found = []
    for column in source.columns:
        name = pattern.replace("*", column.name)
        if column.name in used or name in mapped or not _is_worth_sending(column):
            continue
        is_day = role_of(column.name) is Role.BIRTHDAY and _holds_days(column)
        form = Form.DATE if is_day else None
        found.append(ProposedField(name, column.name, form))
    return tuple(found[:_FURTHER])


def _holds_days(column: SourceColumn) -> bool:
    """Return whether all values are dates as ``as: date`` reads them."""
    if column.kind is not ColumnKind.TEXT:
        return True
    # A text such as 28.11.2026 would have its whole contact rejected.
    counts = column.counts
    return counts is not None and 0 < counts.values == counts.dates


def _is_worth_sending(column: SourceColumn) -> bool:
    is_plain = column.kind in _MAPPABLE and not column.is_array and column.readable
    is_empty = column.counts is not None and column.counts.values == 0
    return is_plain and not is_empty and role_of(column.name) not in _NEVER_SENT


def _notes(
    source: SampledSource,
    fields: Sequence[ProposedField],
    match_on: Sequence[str],
    vendor: VendorFields,
) -> Iterator[str]:
    """Yield what a person should know before the first run."""
    if source.unsampled is not None:
        yield (
            f"no values of {source.label} were looked at ({source.unsampled}); the "
            "proposal goes by names and types alone"
        )
    elif all(c.counts is None or c.counts.rows == 0 for c in source.columns):
        yield f"{source.label} has no rows; the proposal goes by names and types alone"
    for each in fields:
        column = source.column(each.column)
        if column is not None:
            yield from _notes_of(each, column, each.field in match_on, vendor)
    for column in source.columns:
        if not column.readable and role_of(column.name) in CONTACT_ROLES:
            yield f'"{column.name}" is not proposed: this role may not select it'


def _notes_of_text_tags(source: SampledSource) -> Iterator[str]:
    """Yield a note about each column that looks like tags, and is no list."""
    place = "the source query" if source.is_query else "a view"
    for column in source.columns:
        is_text = column.kind is ColumnKind.TEXT and not column.is_array
        if role_of(column.name) is Role.TAGS and is_text and column.readable:
            yield (
                f'"{column.name}" looks like tags, but is {column.type_name} and no '
                "list: make one of it in "
                f"{place}, such as string_to_array({in_sql(column.name)}, ','), and "
                "name that column with --tags"
            )


def _notes_of_passed_over(
    source: SampledSource, used: AbstractSet[str | None]
) -> Iterator[str]:
    """Yield a note about the lists and JSON columns that no field is read from."""
    # Roles of the others say why they are not sent, and some have notes of their own.
    passed_over = [
        column
        for column in source.columns
        if column.name not in used
        and role_of(column.name) not in _NEVER_SENT
        and (column.is_array or column.kind in (ColumnKind.JSON, ColumnKind.COMPOSITE))
    ]
    if not passed_over:
        return
    listed = ", ".join(f'"{each.name}" ({each.type_name})' for each in passed_over)
    place = "the source query" if source.is_query else "a view"
    yield (
        f"{listed}: not proposed, since most fields take a single value; select such "
        f"a value as a column of its own in {place}, or name the field that takes a "
        "list with --field"
    )


def _notes_of(
    each: ProposedField,
    column: SourceColumn,
    is_match_key: bool,  # noqa: FBT001
    vendor: VendorFields,
) -> Iterator[str]:
    """Yield what the sample says against one mapped field."""
    counts = column.counts
    if counts is None or counts.values == 0:
        return
    if not column.is_array:
        yield from _notes_of_values(each, column.name, counts)
    if each.form is Form.DATE and column.kind is ColumnKind.TEXT:
        odd = counts.values - counts.dates
        if odd:
            yield (
                f'{_percent(odd, counts.values)} of the values in "{column.name}" are '
                f"no date such as 2026-11-28, and as: date rejects such contacts: "
                f"convert them in the source, or write --field {each.field}="
                f"{column.name}:text to send them as they are"
            )
    empty = counts.rows - counts.values
    if empty and each.field in vendor.required:
        yield (
            f'{_percent(empty, counts.rows)} of the rows have no "{column.name}", '
            f"without which {vendor.name} creates no contact: these are rejected"
        )
    if is_match_key and counts.repeats:
        yield (
            f'some values of "{column.name}" are there more than once: of contacts '
            f"that share their {each.field}, one keeps it, even if it has opted out, and "
            "the others are rejected, whatever else is in match_on: correct them in "
            "the source, or name other fields with --match-on"
        )


def _notes_of_values(
    each: ProposedField, column: str, counts: ValueCounts
) -> Iterator[str]:
    """Yield a note where values of a phone or e-mail field look like none."""
    if each.form is Form.E164:
        fitting, what = counts.phones, "a phone number"
        then = "such contacts are rejected"
    elif role_of_field(each.field) is Role.EMAIL:
        fitting, what = counts.emails, "an e-mail address"
        # No form of a field refuses an address: only the vendor may.
        then = (
            "they are sent all the same, and the vendor may refuse the contact or keep "
            "them: correct them in the source"
        )
    else:
        return
    odd = counts.values - fitting
    if odd:
        yield (
            f'{_percent(odd, counts.values)} of the values in "{column}" do not '
            f"look like {what}: {then}"
        )


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole
    return "less than 1 %" if share < 1 else f"{share:.0f} %"
