"""What is proposed for a source, over the columns that CRMs and countries have."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from syncengine.app.verbs.add import (
    NewDestination,
    propose,
    vendor_spec,
    wished_fields,
    with_chosen_fields,
)
from syncengine.cli.rendering.proposals import print_mapping
from syncengine.config.new_files import scalar
from syncengine.config.yaml_files import read_yaml
from syncengine.errors import ConfigError
from syncengine.model.columns import (
    ColumnKind,
    SampledSource,
    SourceColumn,
    SourceTable,
    ValueCounts,
)
from syncengine.model.mapping import Form
from syncengine.model.proposals import MappingProposal, Wishes
from syncengine.planning.source_proposal import (
    propose_key,
    propose_table,
    rank_tables,
)
from tests.support.repository import ROOT

_KINDS = {
    "int": ("integer", ColumnKind.INTEGER, False),
    "bool": ("boolean", ColumnKind.BOOLEAN, False),
    "date": ("date", ColumnKind.DATE, False),
    "time": ("timestamp with time zone", ColumnKind.TIMESTAMP, False),
    "num": ("numeric", ColumnKind.NUMERIC, False),
    "json": ("jsonb", ColumnKind.JSON, False),
    "list": ("text[]", ColumnKind.TEXT, True),
}
_FULL = ValueCounts(100, 100, 100)
_EMAILS = replace(_FULL, emails=100)
_NATIONAL = replace(_FULL, phones=100)
_WORLDWIDE = replace(_FULL, phones=100, international=100)
_AMERICAN = replace(_FULL, phones=100, north_american=100)

HUBSPOT = (
    "Record ID:int, First Name, Last Name, Email, Phone Number, Contact owner, "
    "Lead Status, Unsubscribed from all email:bool, Create Date:time"
)
SALESFORCE = (
    "Id, FirstName, LastName, Email, MobilePhone, Phone, HasOptedOutOfEmail:bool, "
    "IsDeleted:bool, Title, MailingCountry, Segment__c"
)
DJANGO = (
    "id:int, password, last_login:time, is_superuser:bool, username, first_name, "
    "last_name, email, is_staff:bool, is_active:bool, date_joined:time"
)
SHOPIFY = (
    "id:int, first_name, last_name, email, accepts_marketing:bool, phone, tags:list, "
    "total_spent:num, note, default_address_city"
)
GERMAN = (
    "kundennr:int, Vorname, Nachname, Straße, PLZ, Ort, Telefon, Handynummer, "
    "E-Mail-Adresse, Geburtsdatum:date, Werbesperre:bool, Schlagwörter:list"
)
FRENCH = (
    "id:int, prénom, nom, courriel, téléphone portable, date de naissance:date, "
    "désabonné:bool, étiquettes:list"
)
SPANISH = (
    "id:int, nombre, apellidos, correo electrónico, móvil, fecha de nacimiento:date, "
    "baja:bool, etiquetas:list"
)


def columns(text: str, **counts: ValueCounts) -> tuple[SourceColumn, ...]:
    """Return columns of ``name:type`` texts; the first one is the primary key."""
    found = []
    for number, part in enumerate(text.split(", ")):
        name, _, kind = part.partition(":")
        type_name, column_kind, is_array = _KINDS.get(
            kind, ("text", ColumnKind.TEXT, False)
        )
        found.append(
            SourceColumn(
                name,
                type_name,
                column_kind,
                is_array,
                nullable=number > 0,
                primary=number == 0,
                unique=number == 0,
                counts=counts.get(name.replace(" ", "_")),
            )
        )
    return tuple(found)


def source(text: str, **counts: ValueCounts) -> SampledSource:
    found = columns(text, **counts)
    return SampledSource("crm.people", found, key_columns=(found[0].name,))


def proposal(
    text: str, vendor: str, wishes: Wishes | None = None, **counts: ValueCounts
) -> MappingProposal:
    """Return the proposal for columns and a vendor."""
    seen = source(text, **counts)
    key = propose_key(seen).column
    assert key is not None
    new = NewDestination("x", vendor, wishes=wishes or Wishes())
    return propose(vendor_spec(vendor), seen, key, new)


def mapped(found: MappingProposal) -> dict[str, str]:
    return {each.field: each.column for each in found.fields}


@pytest.mark.parametrize(
    ("text", "first", "last", "phone", "email", "opted_out", "tags"),
    [
        (
            *(HUBSPOT, "First Name", "Last Name", "Phone Number", "Email"),
            *("Unsubscribed from all email", None),
        ),
        (
            *(SALESFORCE, "FirstName", "LastName", "MobilePhone", "Email"),
            *("HasOptedOutOfEmail", None),
        ),
        (DJANGO, "first_name", "last_name", None, "email", None, None),
        (SHOPIFY, "first_name", "last_name", "phone", "email", None, "tags"),
        (
            *(GERMAN, "Vorname", "Nachname", "Handynummer", "E-Mail-Adresse"),
            *("Werbesperre", "Schlagwörter"),
        ),
        (
            *(FRENCH, "prénom", "nom", "téléphone portable", "courriel"),
            *("désabonné", "étiquettes"),
        ),
        (
            *(SPANISH, "nombre", "apellidos", "móvil", "correo electrónico"),
            *("baja", "etiquetas"),
        ),
    ],
    ids=["hubspot", "salesforce", "django", "shopify", "german", "french", "spanish"],
)
def test_usual_columns_are_recognised(
    text: str,
    first: str,
    last: str,
    phone: str | None,
    email: str,
    opted_out: str | None,
    tags: str | None,
) -> None:
    found = proposal(text, "respond_io")
    expected = {"firstName": first, "lastName": last, "phone": phone, "email": email}
    got = mapped(found)
    assert {name: got.get(name) for name in expected} == expected
    assert got["crm_id"] == source(text).columns[0].name
    assert (found.opted_out, found.tags) == (opted_out, tags)
    assert found.match_on == ("crm_id", "phone" if phone else "email")
    assert "password" not in {each.column for each in found.further}


def test_the_members_of_congress_have_american_phones_and_no_address() -> None:
    day = min((ROOT / "tests" / "data" / "congress").glob("*.csv.gz"))
    with gzip.open(day, "rt", encoding="utf-8") as file:
        header = next(csv.reader(file))
    text = ", ".join("tags:list" if name == "tags" else name for name in header)
    found = proposal(text, "respond_io", phone=_AMERICAN)
    assert found.questions == ()
    assert mapped(found) == {
        "crm_id": "id",
        "firstName": "first_name",
        "lastName": "last_name",
        "phone": "phone",
    }
    (phone,) = [each for each in found.fields if each.field == "phone"]
    assert (phone.form, phone.region) == (Form.E164, "US")
    whole = mapped(proposal(text, "whautomate", phone=_AMERICAN))
    assert whole == {"name": "official_full", "phoneNumber": "phone"}


@pytest.mark.parametrize(
    ("counts", "region", "asks", "default"),
    [
        (_NATIONAL, None, 1, "DE"),
        (_WORLDWIDE, None, 0, None),
        (_AMERICAN, "US", 0, None),
        (ValueCounts(0, 0), None, 0, None),
    ],
    ids=["national", "international", "american", "no rows"],
)
def test_a_country_is_asked_for_where_numbers_have_none(
    counts: ValueCounts, region: str | None, asks: int, default: str | None
) -> None:
    found = proposal(GERMAN, "respond_io", Handynummer=counts)
    (phone,) = [each for each in found.fields if each.form is Form.E164]
    assert phone.region == region
    assert [each.option for each in found.questions] == ["--region CC"] * asks
    assert [each.default for each in found.questions] == [default] * asks
    answered = proposal(
        GERMAN, "respond_io", Wishes(region="AT"), Handynummer=_NATIONAL
    )
    assert answered.questions == ()


def test_values_speak_louder_than_names() -> None:
    text = "id:int, email, irgendwas, phone, nummer, first_name"
    found = proposal(
        text,
        "respond_io",
        email=replace(_FULL, emails=10),
        irgendwas=_EMAILS,
        phone=replace(_FULL, phones=20),
        nummer=_WORLDWIDE,
    )
    assert mapped(found)["email"] == "irgendwas"
    assert mapped(found)["phone"] == "nummer"


def test_what_the_sample_shows_is_said() -> None:
    mixed = ValueCounts(100, 50, 40, emails=45)
    found = proposal("id:int, email, phone", "dm_champ", email=mixed, phone=_WORLDWIDE)
    assert found.match_on == ("phoneNumber",)
    (odd,) = [note for note in found.notes if '10 % of the values in "email"' in note]
    assert "they are sent all the same" in odd, "no form refuses an address"
    assert "rejected" not in odd
    gaps = replace(_WORLDWIDE, values=80, distinct=60, phones=80, international=80)
    noted = " ".join(proposal("id:int, phone", "dm_champ", phone=gaps).notes)
    assert '20 % of the rows have no "phone"' in noted
    assert 'some values of "phone" are there more than once' in noted
    assert "whatever else is in match_on" in noted, "one equal key is enough"
    assert "no rows" in " ".join(
        proposal("id:int, phone", "dm_champ", phone=ValueCounts(0, 0)).notes
    )


@pytest.mark.parametrize(
    ("vendor", "text", "asked_for"),
    [
        ("dm_champ", "id:int, email", ["phoneNumber"]),
        ("dm_champ", "id:int, name", ["phoneNumber", "FIELD"]),
        ("whautomate", "id:int, email", ["name", "phoneNumber", "FIELD"]),
        ("chartmogul", "id:int, email", ["customer_uuid", "data_source_uuid"]),
        ("chartmogul", "id:int, customer_uuid, data_source_uuid", []),
        ("respond_io_v2", "id:int, mobile", ["firstName"]),
        ("charles", "id:int, mobile", []),
    ],
)
def test_what_a_vendor_needs_is_found_or_asked_for(
    vendor: str, text: str, asked_for: list[str]
) -> None:
    asked = [question.option for question in proposal(text, vendor).questions]
    assert asked == [f"--field {name}=COLUMN" for name in asked_for]


def test_a_persons_words_go_before_what_is_proposed() -> None:
    fields, left_out = wished_fields(
        ["firstName=nick:lower", "lastName=", "plan=a:b", "phone=tel:e164:AT"]
    )
    wishes = Wishes(fields, left_out, ("plan",), tags="", opted_out="")
    text = f"{SHOPIFY}, nick, tel, a:b, optedout:bool"
    found = proposal(text, "respond_io", wishes)
    by_field = {each.field: each for each in found.fields}
    assert (by_field["firstName"].column, by_field["firstName"].form) == (
        "nick",
        Form.LOWER,
    )
    assert (by_field["phone"].form, by_field["phone"].region) == (Form.E164, "AT")
    assert by_field["plan"].column == "a:b"
    assert "lastName" not in by_field
    assert (found.tags, found.opted_out, found.match_on) == (None, None, ("plan",))
    with pytest.raises(ConfigError, match="FIELD=COLUMN"):
        wished_fields(["lastName"])


def test_consent_is_left_to_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    found = proposal(SHOPIFY, "respond_io")
    print_mapping(found)
    assert 'note: "accepts_marketing" may say whether' in capsys.readouterr().out
    assert [(each.column, each.sql) for each in found.conditions] == [
        ("accepts_marketing", "accepts_marketing")
    ]
    assert "accepts_marketing" not in {each.column for each in found.further}
    text = "id:int, email, unsubscribed"
    assert "looks like an opt-out" in " ".join(proposal(text, "respond_io").notes)


@pytest.mark.parametrize(
    "column",
    [
        "Unsubscribed from all email",
        "HasOptedOutOfEmail",
        "DoNotCall",
        "OPT_OUT",
        "unsubscribed_at",
        "marketing opt-out",
        "do_not_disturb",
    ],
)
def test_no_column_that_may_hold_a_no_is_passed_over_in_silence(column: str) -> None:
    as_flag = proposal(f"id:int, email, {column}:bool", "respond_io")
    assert as_flag.opted_out == column
    as_text = proposal(f"id:int, email, {column}", "respond_io")
    assert as_text.opted_out is None
    assert f'"{column}" looks like an opt-out' in " ".join(as_text.notes)
    assert column not in {each.column for each in (*as_text.fields, *as_text.further)}
    beside = proposal(f"id:int, email, dnc:bool, {column}:bool", "respond_io")
    assert beside.opted_out == "dnc"
    assert f'"{column}" looks like an opt-out beside "dnc"' in " ".join(beside.notes)


def open_options(found: MappingProposal) -> list[str]:
    return [question.option for question in found.questions]


@pytest.mark.parametrize(
    ("columns_", "expression"),
    [
        ("dnc:bool, optout:bool", "coalesce(dnc, false) OR coalesce(optout, false)"),
        (
            "unsubscribed",
            "coalesce(lower(trim(unsubscribed::text)), '') NOT IN ('', '-'",
        ),
        ("Opt Out:int", 'coalesce("Opt Out", 0) <> 0'),
        ("unsubscribed_at:time", "unsubscribed_at IS NOT NULL"),
        ("dnc:bool, optouts:list", "coalesce(dnc, false) OR optouts IS NOT NULL"),
    ],
)
def test_who_said_no_is_never_guessed(columns_: str, expression: str) -> None:
    text = f"id:int, email, {columns_}"
    found = proposal(text, "respond_io")
    assert open_options(found) == ["--opted-out COLUMN"]
    assert found.questions[0].default is None
    assert f"SELECT *, {expression}" in found.questions[0].words
    for name in (columns_.partition(",")[0].partition(":")[0], ""):
        assert open_options(proposal(text, "respond_io", Wishes(opted_out=name))) == []


@pytest.mark.parametrize(
    ("columns_", "offered"),
    [
        ("opt_in:bool, deleted:bool", "opt_in AND deleted IS NOT TRUE"),
        ("opt_in:int, deleted:bool", None),
        ("newsletter:bool", "newsletter"),
    ],
)
def test_who_did_not_say_yes_is_not_sent_unasked(
    columns_: str, offered: str | None
) -> None:
    text = f"id:int, email, {columns_}"
    (question,) = proposal(text, "respond_io").questions
    assert (question.option, question.default) == ("--where CONDITION", offered)
    answered = proposal(text, "respond_io", Wishes(where="true"))
    assert (answered.questions, answered.where) == ((), "true")


def test_a_setting_that_chooses_a_field_follows_the_column() -> None:
    text = "id:int, email, customer_external_id, source"
    fields, _ = wished_fields(["customer_external_id=source"])
    spec, seen = vendor_spec("chartmogul"), source(text)
    for wishes, chosen in (
        (Wishes(), "customer_external_id"),
        (Wishes(fields), "source"),
    ):
        new = NewDestination("x", "chartmogul", wishes=wishes)
        new = with_chosen_fields(spec, seen, new)
        assert new.settings == {"customer_by": "customer_external_id"}
        found = propose(spec, seen, "id", new)
        assert open_options(found) == ["--field data_source_uuid=COLUMN"]
        assert found.questions[0].setting == "data_source_uuid"
        assert mapped(found)["customer_external_id"] == chosen
    (customer, _) = proposal("id:int, email", "chartmogul").questions
    assert customer.instead == ("customer_external_id",)
    assert "--field customer_external_id=COLUMN" in customer.words


def test_names_of_a_table_kept_by_hand_are_known() -> None:
    text = "id:int, Tel. (mobil), E-Mail Adresse, Newsletter J/N"
    found = proposal(text, "respond_io", Wishes(region="DE"))
    assert mapped(found)["phone"] == "Tel. (mobil)"
    assert [each.column for each in found.conditions] == ["Newsletter J/N"]


@pytest.mark.parametrize("column", ["adoption", "Options", "option_info", "adopting"])
def test_a_word_inside_of_another_is_no_consent(column: str) -> None:
    found = proposal(f"id:int, email, {column}:bool", "respond_io")
    assert (found.opted_out, found.conditions) == (None, ())


@pytest.mark.parametrize(
    ("column", "sql"),
    [
        ("deleted:bool", "deleted IS NOT TRUE"),
        ("Is Archived:bool", '"Is Archived" IS NOT TRUE'),
        ("deleted_at:time", "deleted_at IS NULL"),
        ("opt_in:bool", "opt_in"),
        ("opt_in:int", None),
        ("deleted", None),
    ],
)
def test_an_offered_condition_leaves_out_whoever_is_gone(
    column: str, sql: str | None
) -> None:
    (found,) = proposal(f"id:int, email, {column}", "respond_io").conditions
    assert found.sql == sql


def test_a_column_that_somebody_chose_is_brought_into_the_usual_form() -> None:
    fields, left_out = wished_fields(["phone=nick", "email=mail2:text"])
    wishes = Wishes(fields, left_out, region="DE")
    found = proposal("id:int, nick, mail2, tel", "respond_io", wishes)
    by_field = {each.field: each for each in found.fields}
    assert (by_field["phone"].column, by_field["phone"].form) == ("nick", Form.E164)
    assert by_field["phone"].region == "DE"
    assert by_field["email"].form is Form.TEXT


def test_a_text_that_is_no_iso_date_is_not_offered_as_one() -> None:
    text = "id:int, Mobile Phone Number, birthday"
    for dates, form in ((100, Form.DATE), (99, None)):
        counts = replace(_FULL, dates=dates)
        found = proposal(text, "respond_io", birthday=counts)
        assert [each.form for each in found.further] == [form]
        assert mapped(found)["phone"] == "Mobile Phone Number"


def test_a_text_named_as_a_date_is_noted_where_it_is_none() -> None:
    fields, left_out = wished_fields(["birthday=born"])
    wishes = Wishes(fields, left_out)
    for dates, noted in ((100, False), (60, True)):
        counts = replace(_FULL, dates=dates)
        found = proposal("id:int, email, born", "respond_io", wishes, born=counts)
        notes = " ".join(found.notes)
        words = '40 % of the values in "born" are no date such as 2026-11-28'
        assert (words in notes) is noted
        assert ("--field birthday=born:text" in notes) is noted


def test_columns_that_are_passed_over_are_named() -> None:
    text = "id:int, email, address:json, phones:list, Labels, city"
    noted = " ".join(proposal(text, "respond_io").notes)
    assert '"address" (jsonb), "phones" (text[]): not proposed' in noted
    assert '"Labels" looks like tags, but is text and no list' in noted
    assert "string_to_array(\"Labels\", ',')" in noted
    assert "city" not in noted
    assert "tags" not in " ".join(proposal(text, "respond_io", Wishes(tags="")).notes)
    lists = proposal("id:int, email, tags:list, opt_outs:list", "respond_io").notes
    assert "not proposed" not in " ".join(lists)


def test_a_query_is_told_to_select_what_a_table_needs_a_view_for() -> None:
    query = replace(source("id:int, email, dnc:bool, opt_out, labels"), is_query=True)
    new = NewDestination("x", "respond_io")
    found = propose(vendor_spec("respond_io"), query, "id", new)
    (question,) = found.questions
    assert "in the source query, such as coalesce(dnc, false) OR" in question.words
    assert "VIEW" not in question.words
    assert "view" not in " ".join(found.notes)


def test_two_hundred_columns_are_a_proposal_too() -> None:
    text = ", ".join(["id:int", *(f"c{number}" for number in range(200)), "email"])
    found = proposal(text, "respond_io")
    assert mapped(found) == {"crm_id": "id", "email": "email"}
    assert len(found.further) == 12


def _key(*columns: SourceColumn, **more: object) -> SampledSource:
    return replace(SampledSource("crm.people", columns), **more)  # type: ignore[arg-type]


_INT = SourceColumn("number", "integer", ColumnKind.INTEGER)
_TEXT = SourceColumn("code", "text", ColumnKind.TEXT)


@pytest.mark.parametrize(
    ("seen", "column", "reason"),
    [
        (_key(replace(_INT, primary=True)), "number", "primary key"),
        (
            _key(
                replace(_TEXT, unique=True, nullable=False),
                replace(_INT, unique=True, nullable=False),
            ),
            "number",
            "unique index",
        ),
        (_key(replace(_INT, unique=True)), None, "may be NULL"),
        (_key(_INT), None, "no primary key"),
        (_key(_INT, _TEXT, key_columns=("a", "b")), None, "has 2 columns"),
        (_key(replace(_INT, readable=False, primary=True)), None, "no primary key"),
        (
            _key(replace(_INT, name="person_id", counts=_FULL), has_indexes=False),
            "person_id",
            "in a sample",
        ),
        (
            _key(
                replace(_INT, name="id", counts=ValueCounts(10, 10, 9)),
                has_indexes=False,
            ),
            None,
            "looks like a key",
        ),
    ],
)
def test_a_key_is_proposed_or_a_clear_sentence(
    seen: SampledSource, column: str | None, reason: str
) -> None:
    found = propose_key(seen)
    assert found.column == column
    assert reason in found.reason


def test_a_view_of_the_common_table_has_the_same_key() -> None:
    seen = replace(source("id:int, Kunden-Nr, email"), has_indexes=False)
    plain = [replace(each, primary=False, unique=False) for each in seen.columns]
    view = replace(seen, columns=tuple(plain))
    assert propose_key(view, "Kunden-Nr").column == "Kunden-Nr"
    assert propose_key(view, "kundennr").column == "id", "the view has no such column"
    assert propose_key(seen, "Kunden-Nr").column == "id", "an index tells more"
    repeats = [replace(each, counts=ValueCounts(10, 10, 9)) for each in plain]
    assert propose_key(replace(view, columns=tuple(repeats)), "email").column is None


def _table(name: str, names: str, **more: object) -> SourceTable:
    made = SourceTable(name, "table", 10, 8192, tuple(names.split()))
    return replace(made, **more)  # type: ignore[arg-type]


def _ranked(tables: Iterable[SourceTable]) -> tuple[list[str], str | None]:
    listed = list(tables)
    proposed = propose_table(listed)
    name = None if proposed is None else proposed.name
    return [each.name for each in rank_tables(listed)], name


def test_the_table_of_contacts_is_told_from_others() -> None:
    people = _table("crm.people", "id email phone first_name")
    orders = _table("crm.orders", "id amount email")
    staff = _table("hr.staff", "id name last_name")
    assert _ranked([orders, staff, people]) == (
        ["crm.people", "crm.orders", "hr.staff"],
        "crm.people",
    )
    assert _ranked([people, replace(people, name="crm.old")])[1] is None
    hidden = replace(people, readable=False)
    assert _ranked([hidden, orders]) == (["crm.orders", "crm.people"], "crm.orders")
    assert _ranked([staff]) == (["hr.staff"], None)
    assert _ranked([]) == ([], None)


@pytest.mark.parametrize(
    "text",
    [
        "id",
        "Straße",
        "a b",
        "yes",
        "12",
        "a: b",
        "a #b",
        "ÿ\u0085\t'\"\\",
        "😀",
        "${X}",
    ],
)
def test_any_name_survives_yaml(text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(f"{{k: {scalar(text, literal=False)}}}\n", encoding="utf-8")
    assert read_yaml(file) == {"k": text}
