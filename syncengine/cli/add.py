"""``syncengine add``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from syncengine.app.verbs.add import (
    NewDestination,
    common_source,
    pairs,
    propose,
    refuse_other_file,
    refuse_secrets,
    refuse_unknown_columns,
    sample,
    secret_variables,
    settings_questions,
    vendor_spec,
    wished_fields,
    write_destination,
)
from syncengine.cli.engine import run_engine
from syncengine.cli.options import Flag, Names, options
from syncengine.cli.questions import agree, ask, may_ask
from syncengine.cli.rendering.layout import print_line
from syncengine.cli.rendering.proposals import print_mapping
from syncengine.config.paths import quoted, relative_to_here
from syncengine.errors import ConfigError, Problem
from syncengine.model.columns import SampledSource
from syncengine.planning.proposal import (
    ANY_FIELD,
    MappingProposal,
    OpenQuestion,
    ProposedField,
    Wishes,
    propose_key,
)
from syncengine.vendors.kit.spec import VendorSpec


def add(
    name: str,
    /,
    *,
    vendor: str,
    base_url: str | None = None,
    setting: Names = (),
    secret: str | None = None,
    account: str | None = None,
    table: str | None = None,
    key: str | None = None,
    match_on: Names = (),
    field: Names = (),
    region: str | None = None,
    tags: str | None = None,
    opted_out: str | None = None,
    where: str | None = None,
    yes: Flag = False,
    force: Flag = False,
) -> int:
    """Propose where each of a vendor's fields comes from, and write a destination's file.

    Parameters
    ----------
    name
        The new destination's name: its file is destinations/NAME.yaml.
    vendor
        The vendor's name, such as respond_io.
    base_url
        The address of the vendor's API. Default: the vendor's usual one.
    setting
        Another of the vendor's settings, as NAME=VALUE; may be repeated.
    secret
        The environment variable that holds the vendor's key or token. Default: such as
        RESPOND_IO_TOKEN.
    account
        The account's name, where several destinations share its credentials.
    table
        The table or view, where it is not that of syncengine.yaml.
    key
        The column that tells contacts apart, where it is not that of syncengine.yaml.
    match_on
        A field by which contacts are found at the vendor; may be repeated, in order.
    field
        A field and its column, as FIELD=COLUMN or FIELD=COLUMN:FORM (e164, text,
        lower, number, boolean, date); FIELD= leaves a proposed one out. May be
        repeated.
    region
        The country of phone numbers without a country code, such as DE.
    tags
        The column with a contact's tags; "" for none.
    opted_out
        A boolean column: where it is true, nothing is sent; "" for none.
    where
        SQL condition: only rows that meet it are sent.
    yes
        Accept what is proposed, without a question.
    force
        Replace a file that is there already.
    """
    config = options.load()
    refuse_other_file(config, name, force=force)
    spec = vendor_spec(vendor)
    fields, left_out = wished_fields(field)
    new = NewDestination(
        name=name,
        vendor=vendor,
        base_url=base_url,
        settings=pairs("--setting", setting),
        secret=secret,
        account=account,
        table=table,
        key=key,
        where=where,
        wishes=Wishes(fields, left_out, match_on, tags, opted_out, region),
    )
    refuse_secrets(spec, new)
    asks = may_ask() and not yes
    new = _with_settings(spec, new, asks=asks)
    place = common_source(config, new)
    source = run_engine(sample(config, place))
    chosen_key = place.key or _key(source)
    if place.key is None:
        new = replace(new, key=chosen_key)
    refuse_unknown_columns(source, new, chosen_key)
    mapping = propose(spec, source, chosen_key, new)
    if asks:
        new, mapping = _agreed(spec, source, chosen_key, new, mapping)
    _refuse_open(mapping.questions)
    print_mapping(mapping)
    if not yes and not asks:
        what = "is missing: the proposal above is written once you accept it"
        raise ConfigError([Problem("--yes", what)])
    file = write_destination(config, spec, new, mapping, os.environ, force=force)
    _print_next(file, spec, new)
    return 0


def _with_settings(
    spec: VendorSpec, new: NewDestination, *, asks: bool
) -> NewDestination:
    """Return the destination with the settings that it needs. Raises ConfigError."""
    questions = settings_questions(spec, new)
    if not asks:
        _refuse_open(questions)
        return new
    for question in questions:
        answer = ask(_sentence(question.words), question.default)
        option, _, name = question.option.partition(" ")
        if option == "--base-url":
            new = replace(new, base_url=answer)
        else:
            setting = name.partition("=")[0]
            new = replace(new, settings={**new.settings, setting: answer})
    return new


def _key(source: SampledSource) -> str:
    """Return the key that is proposed. Raises ConfigError where none is."""
    proposed = propose_key(source)
    if proposed.column is None:
        raise ConfigError([Problem("--key", f"is missing: {proposed.reason}")])
    return proposed.column


def _agreed(
    spec: VendorSpec,
    source: SampledSource,
    key: str,
    new: NewDestination,
    mapping: MappingProposal,
) -> tuple[NewDestination, MappingProposal]:
    """Ask for what is open, and then whether the mapping is right."""
    new = _answered(new, mapping.questions, source)
    mapping = propose(spec, source, key, new)
    _refuse_open(mapping.questions)
    print_mapping(mapping)
    if agree("Is this right? (n asks field by field)"):
        return new, mapping
    new = _field_by_field(new, mapping, source)
    mapping = propose(spec, source, key, new)
    return new, mapping


def _answered(
    new: NewDestination, questions: Sequence[OpenQuestion], source: SampledSource
) -> NewDestination:
    """Return the destination with the answers to open questions."""
    for question in questions:
        wishes = new.wishes
        option, _, value = question.option.partition(" ")
        field = value.partition("=")[0]
        if field == ANY_FIELD:
            # A column alone is no answer. The other answers may settle it: what is
            # still open after them is refused.
            continue
        answer = ask(_sentence(question.words), question.default)
        if option == "--region":
            wishes = replace(wishes, region=answer)
        else:
            _refuse_column(source, answer)
            wished = ProposedField(field, answer)
            wishes = replace(wishes, fields=(*wishes.fields, wished))
        new = replace(new, wishes=wishes)
    return new


def _field_by_field(
    new: NewDestination, mapping: MappingProposal, source: SampledSource
) -> NewDestination:
    """Ask for the column of each proposed field, and for what goes with them."""
    wishes = new.wishes
    fields: list[ProposedField] = []
    left_out = set(wishes.left_out)
    for each in mapping.fields:
        column = ask(f"{each.field}: which column (- for none)?", each.column)
        if column == "-":
            left_out.add(each.field)
            continue
        _refuse_column(source, column)
        fields.append(replace(each, column=column))
    mapped = {each.field for each in fields}
    kept = [name for name in mapping.match_on if name in mapped]
    match_on = tuple(kept)
    if mapping.match_on:
        words = "Which fields is a contact found by (in order, with blanks between)?"
        match_on = tuple(ask(words, " ".join(kept)).replace(",", " ").split())
    tags = ask("tags: which column (- for none)?", mapping.tags or "-")
    opted_out = ask("opt-out: which column (- for none)?", mapping.opted_out or "-")
    for column in (tags, opted_out):
        if column != "-":
            _refuse_column(source, column)
    wishes = replace(
        wishes,
        fields=tuple(fields),
        left_out=frozenset(left_out),
        match_on=match_on,
        tags="" if tags == "-" else tags,
        opted_out="" if opted_out == "-" else opted_out,
    )
    return replace(new, wishes=wishes)


def _refuse_column(source: SampledSource, column: str) -> None:
    if source.column(column) is None:
        names = ", ".join(each.name for each in source.columns)
        what = f'"{column}" is no column of {source.label} (it has: {names})'
        raise ConfigError([Problem("answer", what)])


def _refuse_open(questions: Sequence[OpenQuestion]) -> None:
    """Raise ConfigError with the option that answers each open question."""
    if questions:
        raise ConfigError(
            [
                Problem(question.option, f"is missing: {question.words}")
                for question in questions
            ]
        )


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _print_next(file: Path, spec: VendorSpec, new: NewDestination) -> None:
    """Print what to do until the first contact is sent."""
    print_line(f"{relative_to_here(file)} is written. Next:")
    for variable in secret_variables(spec, new).values():
        if not os.environ.get(variable):
            print_line(f"  export {variable}=...  # the vendor's key or token")
    option = ""
    if options.config != type(options)().config:
        option = f" --config {quoted(options.config)}"
    print_line(f"  syncengine{option} migrate")
    print_line(f"  syncengine{option} check")
    print_line(f"  syncengine{option} plan -d {new.name}")
    print_line(f"  syncengine{option} run -d {new.name} --contact ID")
