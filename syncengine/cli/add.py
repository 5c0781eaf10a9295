"""``syncengine add``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from syncengine.app.named_columns import (
    column_complaint,
    field_complaint,
    match_complaint,
    opt_out_complaint,
    region_complaint,
    tags_complaint,
)
from syncengine.app.verbs.add import (
    NewDestination,
    common_source,
    given_settings,
    propose,
    refuse_other_file,
    refuse_secrets,
    refuse_unusable,
    sample,
    secret_variables,
    setting_complaint,
    setting_value,
    settings_questions,
    vendor_fields,
    vendor_spec,
    wished_fields,
    with_chosen_fields,
    write_destination,
)
from syncengine.cli.engine import run_engine
from syncengine.cli.options import Flag, Names, options
from syncengine.cli.questions import agree, ask, may_ask, until_right
from syncengine.cli.rendering.layout import print_line
from syncengine.cli.rendering.proposals import print_mapping
from syncengine.cli.source_questions import ask_for_key, proposed_key
from syncengine.config.paths import quoted, relative_to_here
from syncengine.errors import ConfigError, Problem
from syncengine.model.columns import SampledSource
from syncengine.model.proposals import (
    ANY_FIELD,
    MappingProposal,
    OpenQuestion,
    ProposedField,
    VendorFields,
    Wishes,
)
from syncengine.vendors.kit.spec import VendorSpec

NONE = "none"
"""Stands for no column."""


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
        Another of the vendor's settings, as NAME=VALUE; may be repeated. A list is
        NAME=A,B or NAME=[A, B], or one NAME=VALUE for each.
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
        The column with a contact's tags, such as a text[]; none for none.
    opted_out
        A boolean column: where it is true, nothing is sent; none for none.
    where
        SQL condition: only rows that meet it are sent; true for all rows.
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
        settings=given_settings(spec, setting),
        secret=secret,
        account=account,
        table=table,
        key=key,
        wishes=Wishes(
            fields=fields,
            left_out=left_out,
            match_on=match_on,
            tags=_none_as_empty(tags),
            opted_out=_none_as_empty(opted_out),
            region=None if region is None else region.upper(),
            where=where,
        ),
    )
    refuse_secrets(spec, new)
    asks = may_ask() and not yes
    new = _with_settings(spec, new, asks=asks)
    place = common_source(config, new)
    source = run_engine(sample(config, place))
    usual_key = config.engine.source.key
    if place.key is not None:
        chosen_key = place.key
    elif asks:
        chosen_key = ask_for_key(source, usual_key)
    else:
        chosen_key = proposed_key(source, usual_key)
    if place.key is None:
        new = replace(new, key=chosen_key)
    refuse_unusable(spec, source, new, chosen_key)
    if asks:
        new, mapping = _Conversation(spec, source, chosen_key).agreed(new)
    else:
        new, mapping = _proposal(spec, source, chosen_key, new)
        _refuse_open(mapping.questions)
        print_mapping(mapping)
    if not yes and not asks:
        what = "is missing: the proposal above is written once you accept it"
        raise ConfigError([Problem("--yes", what)])
    file = write_destination(config, spec, new, mapping, os.environ, force=force)
    _print_next(file, spec, new)
    return 0


def _none_as_empty(column: str | None) -> str | None:
    return "" if column == NONE else column


def _with_settings(
    spec: VendorSpec, new: NewDestination, *, asks: bool
) -> NewDestination:
    """Return the destination with the settings that it needs. Raises ConfigError."""
    questions = settings_questions(spec, new)
    if not asks:
        _refuse_open(questions)
        return new
    for question in questions:
        option, _, name = question.option.partition(" ")
        if option == "--base-url":
            answer = _asked(question, partial(setting_complaint, spec, "base_url"))
            new = replace(new, base_url=answer)
        else:
            setting = name.partition("=")[0]
            answer = _asked(question, partial(setting_complaint, spec, setting))
            value = setting_value(spec, setting, answer)
            new = replace(new, settings={**new.settings, setting: value})
    return new


@dataclass(frozen=True, slots=True)
class _Conversation:
    """Questions to somebody at a terminal about one destination.

    A wrong answer is asked for again: what was answered before is not lost.
    """

    spec: VendorSpec
    source: SampledSource
    key: str

    def agreed(self, new: NewDestination) -> tuple[NewDestination, MappingProposal]:
        """Ask for what is open, and then whether the mapping is right."""
        new, mapping = self._complete(new)
        print_mapping(mapping)
        if agree("Is this right? (n asks field by field)"):
            return new, mapping
        new, mapping = self._complete(self._field_by_field(new, mapping))
        print_mapping(mapping)
        return new, mapping

    def _complete(self, new: NewDestination) -> tuple[NewDestination, MappingProposal]:
        """Ask one open question after the other: an answer may settle others."""
        new, mapping = _proposal(self.spec, self.source, self.key, new)
        while mapping.questions:
            questions = sorted(mapping.questions, key=_is_of_any_field)
            new = self._answered(new, mapping, questions[0])
            new, mapping = _proposal(self.spec, self.source, self.key, new)
        return new, mapping

    def _answered(
        self, new: NewDestination, mapping: MappingProposal, question: OpenQuestion
    ) -> NewDestination:
        """Return the destination with the answer to one open question."""
        wishes = new.wishes
        option = question.option.partition(" ")[0]
        if question.setting is not None:
            return self._with_value(new, question, question.setting)
        if option == "--region":
            region = _asked(question, lambda text: region_complaint(text.upper()))
            wishes = replace(wishes, region=region.upper())
        elif option == "--opted-out":
            wishes = replace(wishes, opted_out=self._opt_out(question))
        elif option == "--where":
            wishes = replace(wishes, where=_asked(question))
        elif _is_of_any_field(question):
            wishes = self._with_any_field(new, mapping, question)
        else:
            wished = self._field(new, question)
            wishes = replace(wishes, fields=(*wishes.fields, wished))
        return replace(new, wishes=wishes)

    def _with_value(
        self, new: NewDestination, question: OpenQuestion, setting: str
    ) -> NewDestination:
        """Ask for a value that all contacts have; or for the column that holds it."""
        words = (
            f"{self.spec.name} creates no contact without {setting}: what is it, for "
            "all contacts (or =COLUMN where each row has its own)?"
        )

        def complaint(text: str) -> str | None:
            if not text.startswith("="):
                return setting_complaint(self.spec, setting, text)
            return column_complaint(self.source, text[1:])

        answer = until_right(lambda: ask(words, question.default), complaint)
        if not answer.startswith("="):
            return replace(new, settings={**new.settings, setting: answer})
        wished = ProposedField(setting, answer[1:])
        fields = (*new.wishes.fields, wished)
        return replace(new, wishes=replace(new.wishes, fields=fields))

    def _opt_out(self, question: OpenQuestion) -> str:
        """Return the opt-out's column, or the empty text for none."""

        def complaint(text: str) -> str | None:
            if text == NONE:
                return None
            return opt_out_complaint(self.source, text)

        answer = _asked(question, complaint)
        return "" if answer == NONE else answer

    def _field(self, new: NewDestination, question: OpenQuestion) -> ProposedField:
        """Return a field that the vendor needs, with its column."""
        usual = question.option.partition(" ")[2].partition("=")[0]
        vendor = vendor_fields(self.spec, new)

        def wished(text: str) -> ProposedField:
            name, _, column = text.partition("=")
            if name in question.instead:
                return ProposedField(name, column)
            return ProposedField(usual, text)

        answer = _asked(
            question, lambda text: field_complaint(self.source, vendor, wished(text))
        )
        return wished(answer)

    def _with_any_field(
        self, new: NewDestination, mapping: MappingProposal, question: OpenQuestion
    ) -> Wishes:
        """Ask for a field and its column; contacts are found by it."""
        vendor = vendor_fields(self.spec, new)

        def complaint(text: str) -> str | None:
            name, equals, column = text.partition("=")
            if not name or not equals:
                return "write FIELD=COLUMN: the vendor's field, and a column for it"
            wrong = field_complaint(self.source, vendor, ProposedField(name, column))
            if wrong is None and not mapping.match_on:
                wrong = match_complaint((name,), {name}, vendor)
            return wrong

        name, _, column = _asked(question, complaint).partition("=")
        fields = (*new.wishes.fields, ProposedField(name, column))
        match_on = mapping.match_on or (name,)
        return replace(new.wishes, fields=fields, match_on=match_on)

    def _field_by_field(
        self, new: NewDestination, mapping: MappingProposal
    ) -> NewDestination:
        """Ask for the column of each proposed field, and for what goes with them."""
        vendor = vendor_fields(self.spec, new)
        fields: list[ProposedField] = []
        left_out = set(new.wishes.left_out)
        for each in mapping.fields:
            chosen = self._column_of(each, vendor)
            if chosen is None:
                left_out.add(each.field)
            else:
                fields.append(chosen)
        wishes = replace(
            new.wishes,
            fields=tuple(fields),
            left_out=frozenset(left_out),
            match_on=_match_on(mapping, {each.field for each in fields}, vendor),
            tags=self._or_none("tags", mapping.tags, tags_complaint),
            opted_out=self._or_none("opt-out", mapping.opted_out, opt_out_complaint),
        )
        if mapping.where is not None:
            where = ask("where: which rows are sent (true for all)?", mapping.where)
            wishes = replace(wishes, where=where)
        return replace(new, wishes=wishes)

    def _column_of(
        self, proposed: ProposedField, vendor: VendorFields
    ) -> ProposedField | None:
        """Return a proposed field with the column that somebody wants; None: no field."""

        def wished(text: str) -> ProposedField:
            if text == proposed.column:
                return proposed
            # Another column may need another form.
            return ProposedField(proposed.field, text)

        def complaint(text: str) -> str | None:
            if text == "-":
                return None
            return field_complaint(self.source, vendor, wished(text))

        words = f"{proposed.field}: which column (- for none)?"
        answer = until_right(lambda: ask(words, proposed.column), complaint)
        return None if answer == "-" else wished(answer)

    def _or_none(
        self,
        what: str,
        proposed: str | None,
        complaint_about: Callable[[SampledSource, str], str | None],
    ) -> str:
        """Return the column for tags or opt-out, or the empty text for none."""

        def complaint(text: str) -> str | None:
            return None if text == "-" else complaint_about(self.source, text)

        words = f"{what}: which column (- for none)?"
        answer = until_right(lambda: ask(words, proposed or "-"), complaint)
        return "" if answer == "-" else answer


def _proposal(
    spec: VendorSpec, source: SampledSource, key: str, new: NewDestination
) -> tuple[NewDestination, MappingProposal]:
    """Return the destination with the settings that its columns choose, and a mapping."""
    new = with_chosen_fields(spec, source, new)
    return new, propose(spec, source, key, new)


def _is_of_any_field(question: OpenQuestion) -> bool:
    return question.option.startswith(f"--field {ANY_FIELD}=")


def _asked(
    question: OpenQuestion, complaint: Callable[[str], str | None] = lambda _: None
) -> str:
    """Return the answer to an open question."""
    words = _sentence(question.words)
    return until_right(lambda: ask(words, question.default), complaint)


def _match_on(
    mapping: MappingProposal, mapped: set[str], vendor: VendorFields
) -> tuple[str, ...]:
    """Return the fields by which contacts are found, in the order that is wanted."""
    kept = tuple(name for name in mapping.match_on if name in mapped)
    if not mapping.match_on:
        return kept
    words = "Which fields is a contact found by (in order, with blanks between)?"
    answer = until_right(
        lambda: ask(words, " ".join(kept) or None),
        lambda text: match_complaint(_names_in(text), mapped, vendor),
    )
    return _names_in(answer)


def _names_in(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


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
