"""Messages on a destination's file.

Each names the file and the key, what is wrong, and what to write instead.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sample_configs import GOOD, changed, of, problems

VENDORS = (
    "charles, chartmogul, dm_champ, hubspot, respond_io, respond_io_v2, whautomate"
)
URL = 'base_url: "https://app.respond.io/api/v1"'
NO_VALUE = "has no value: write one behind the colon, or leave the key out"
TEXT = "must be text (in quotes, if it looks like something else)"
MAPPING = "must be a mapping: keys, each with a value"
LIST = "must be a list: in [ ], or one a line behind a '-'"
COLUMN = "must be a column's name, or a mapping such as {from: COLUMN, as: lower}"
MEMBERS = (
    "must be a mapping: {from: ARRAY_COLUMN}, or {columns: {NAME: BOOLEAN_COLUMN}}"
)
ONE_OF = (
    "needs one of: from (an array column), or columns (a boolean column for each name)"
)
ONE_OF_TWO = (
    "needs one of: calls (a number of requests), or items (a number of contacts in "
    "requests)"
)
DURATION = "must be a duration such as 500ms, 2s, 1m or 1d"
COUNTRY = "must be a country's two capital letters by ISO 3166, such as DE, GB or US"
ADDRESS = "must be an address that starts with http:// or https://"
SECRET = "secrets come from the environment only: write ${NAME} here, without a default"
PROXY = "must be the URL of an HTTP proxy, such as http://proxy.example.org:3128"
PASSWORD = (
    "holds a password: take the URL, or its password, from the environment (${NAME})"
)
FORMS = "must be 'e164', 'text', 'lower', 'number', 'boolean' or 'date'"

KEYS = [
    ("limit: []", 'limit: there is no such key; did you mean "limits"?'),
    ("feilds: {a: b}", 'feilds: there is no such key; did you mean "fields"?'),
    ("Vendor: respond_io", 'Vendor: there is no such key; did you mean "vendor"?'),
    (
        "vendor: respondio",
        (
            f'vendor: there is no vendor "respondio"; there are: {VENDORS}; '
            'did you mean "respond_io"?'
        ),
    ),
    ("vendor: nobody", f'vendor: there is no vendor "nobody"; there are: {VENDORS}'),
    ("vendor: 3", f"vendor: {TEXT}"),
    ("vendor:", f"vendor: {NO_VALUE}"),
    ("account: Main", "account: may hold a-z, 0-9, _ and - only"),
    ("account: 5", f"account: {TEXT}"),
    ("where: ''", "where: must not be empty"),
    ("where: 5", f"where: {TEXT}"),
    ("where:", f"where: {NO_VALUE}"),
    ("opted_out:", f"opted_out: {NO_VALUE}"),
    ("tags:", f"tags: {NO_VALUE}"),
    ("limits:", f"limits: {NO_VALUE}"),
    (
        "where: country = 'DE';",
        "where: is a condition, not a statement: leave the semicolon out",
    ),
    (
        "where: WHERE country = 'DE'",
        "where: is the condition alone: leave the word where out",
    ),
    ("opted_out: true", f"opted_out: {TEXT}"),
    ("opted_out: ''", "opted_out: must not be empty"),
    ("opted_out: {from: opted_out}", f"opted_out: {TEXT}"),
    ("on_removed: Delete", "on_removed: must be 'ignore', 'untag' or 'delete'"),
    ("on_removed:", f"on_removed: {NO_VALUE}"),
    ("on_null: cleared", "on_null: must be 'skip' or 'clear'"),
    ("find_first: maybe", "find_first: must be true or false"),
    ("allow_http: http", "allow_http: must be true or false"),
    ("proxy: proxy.example.org:3128", f"proxy: {PROXY}"),
    ("proxy: socks5://proxy.example.org", f"proxy: {PROXY}"),
    ("proxy: http://", f"proxy: {PROXY}"),
    ("proxy: http://me:word@proxy.example.org:3128", f"proxy: {PASSWORD}"),
    ("in_flight: 0", "in_flight: must be 1 or more"),
    ("in_flight: 501", "in_flight: must be 500 or less"),
    ("in_flight: many", "in_flight: must be a whole number"),
    ("in_flight: '1_0'", "in_flight: must be a whole number"),
    ("in_flight: '8.0'", "in_flight: must be a whole number"),
    ("in_flight: true", "in_flight: must be a number, not true or false"),
    ("attempts: 2.5", "attempts: must be a whole number"),
    ("attempts: 21", "attempts: must be 20 or less"),
    ("timeout: 30 seconds", f"timeout: {DURATION}"),
    ("timeout: 1w", f"timeout: {DURATION}"),
    ("timeout: -1", f"timeout: {DURATION}"),
    ("timeout: 0", "timeout: must be more than 0"),
    ("timeout: true", f"timeout: {DURATION}"),
    ("max_wait: [1m]", f"max_wait: {DURATION}"),
]
SETTINGS = [
    ("settings: x", f"settings: {MAPPING}"),
    ("settings:", f"settings: {NO_VALUE}"),
    ("settings: {}", ["settings.base_url: is missing", "settings.token: is missing"]),
    (f"settings: {{{URL}, token: abc}}", f"settings.token: {SECRET}"),
    (f"settings: {{{URL}, token: 123}}", f"settings.token: {SECRET}"),
    (f"settings: {{{URL}, token: $TOKEN}}", f"settings.token: {SECRET}"),
    (f'settings: {{{URL}, token: "${{TOKEN:-abc}}"}}', f"settings.token: {SECRET}"),
    (f'settings: {{{URL}, token: "Bearer ${{TOKEN}}"}}', f"settings.token: {SECRET}"),
    (f"settings: {{{URL}, token: }}", f"settings.token: {NO_VALUE}"),
    (
        f'settings: {{{URL}, api_key: "${{TOKEN}}"}}',
        [
            "settings.token: is missing",
            (
                "settings.api_key: there is no such key; there are: "
                "base_url, settles_within, opt_outs, "
                "lower_opt_outs, token, viber, viber_alphabet, viber_calls, "
                "clear_with, look_up_phones"
            ),
        ],
    ),
    (
        f'settings: {{{URL}, token: "${{TOKEN}}", viber: ja}}',
        "settings.viber: must be true or false",
    ),
    (
        f'settings: {{{URL}, token: "${{TOKEN}}", vibre: true}}',
        'settings.vibre: there is no such key; did you mean "viber"?',
    ),
    (
        f'settings: {{{URL}, token: "${{TOKEN}}", clear_with: erase}}',
        "settings.clear_with: must be 'empty', 'null' or 'nothing'",
    ),
    (
        f'settings: {{{URL}, token: "${{TOKEN}}", settles_within: soon}}',
        f"settings.settles_within: {DURATION}",
    ),
    (
        'settings: {base_url: app.respond.io, token: "${TOKEN}"}',
        f"settings.base_url: {ADDRESS}",
    ),
    (
        'settings: {base_url: "ftp://app.respond.io", token: "${TOKEN}"}',
        f"settings.base_url: {ADDRESS}",
    ),
    ('settings: {base_url: "", token: "${TOKEN}"}', f"settings.base_url: {ADDRESS}"),
    (
        'settings: {base_url: "https://me:pw@app.respond.io", token: "${TOKEN}"}',
        "settings.base_url: must be a plain address: no user, no ?query, no #fragment",
    ),
    (
        'settings: {base_url: "http://app.respond.io/api/v1", token: "${TOKEN}"}',
        (
            "settings.base_url: sends keys and contacts unencrypted; "
            "use https, or say allow_http: true if that is meant"
        ),
    ),
]
FIELDS = [
    ("fields: x", f"fields: {MAPPING}"),
    (
        "fields: {}",
        "fields: is empty: name at least one vendor field and its column",
    ),
    ("fields: {crm_id: id, firstName: }", f"fields.firstName: {NO_VALUE}"),
    ("fields: {crm_id: id, firstName: 5}", f"fields.firstName: {COLUMN}"),
    ("fields: {crm_id: id, phone: [a, b]}", f"fields.phone: {COLUMN}"),
    ("fields: {crm_id: id, firstName: ''}", "fields.firstName.from: must not be empty"),
    ("fields: {crm_id: id, '': x}", "fields: holds a key that is empty"),
    (
        "fields: {crm_id: id, phone: {form: mobile}}",
        [
            "fields.phone.from: is missing",
            'fields.phone.form: there is no such key; did you mean "from"?',
        ],
    ),
    (
        "fields: {crm_id: id, phone: {from: mobile, as: e146}}",
        f"fields.phone.as: {FORMS}",
    ),
    (
        "fields: {crm_id: id, phone: {from: mobile, as: e164, region: de}}",
        f"fields.phone.region: {COUNTRY}",
    ),
    (
        "fields: {crm_id: id, phone: {from: mobile, as: e164, region: UK}}",
        f"fields.phone.region: {COUNTRY}",
    ),
    (
        "fields: {crm_id: id, phone: {from: mobile, region: DE}}",
        "fields.phone.region: goes with as: e164 only",
    ),
    (
        "fields: {crm_id: id, birthday: {from: born, zone: UTC}}",
        "fields.birthday.zone: goes with as: date only",
    ),
    (
        "fields: {crm_id: id, birthday: {from: born, as: date, zone: Europe/Atlantis}}",
        (
            "fields.birthday.zone: must be a time zone by its name, such as "
            "Europe/Berlin or UTC"
        ),
    ),
    (
        "fields: {crm_id: {from: id, on_invalid: skip}}",
        (
            "fields.crm_id.on_invalid: cannot be skip: this is the only field in "
            "match_on, and a contact without it cannot be found at the vendor"
        ),
    ),
    (
        "fields: {crm_id: id, age: {from: age, as: number, default: unknown}}",
        "fields.age.default: is not a number, which as: number asks for",
    ),
    (
        "fields: {crm_id: id, born: {from: born, as: date, default: 31.12.1999}}",
        "fields.born.default: is not a date (YYYY-MM-DD), which as: date asks for",
    ),
    (
        "fields: {crm_id: id, lists.a: x}",
        "fields.lists.a: lists have a key of their own: lists: {from: COLUMN}",
    ),
    ("match_on: {crm_id: 1}", f"match_on: {LIST}"),
    ("match_on: [5]", f"match_on.0: {TEXT}"),
    (
        "match_on: [crmid]",
        'match_on: "crmid" is not a key of fields; did you mean "crm_id"?',
    ),
    (
        "match_on: [email]",
        'match_on: "email" is not a key of fields; map it there first',
    ),
    (
        "match_on: []",
        (
            "match_on: is missing: respond_io recognises contacts by any field; "
            "map one, and name it here"
        ),
    ),
    ("tags: tags", f"tags: {MEMBERS}"),
    ("tags: {}", f"tags: {ONE_OF}"),
    ("tags: {from: tags, columns: {vip: is_vip}}", f"tags: {ONE_OF}"),
    ("tags: {form: tags}", 'tags.form: there is no such key; did you mean "from"?'),
    ("tags: {columns: [vip]}", f"tags.columns: {MAPPING}"),
    ("tags: {columns: {vip: true}}", f"tags.columns.vip: {TEXT}"),
    ("tags: {from: tags, prefix: 5}", f"tags.prefix: {TEXT}"),
    ("lists: {from: list_ids}", "lists: respond_io has no lists; leave them out"),
]
LIMITS_AND_BRAKES = [
    ("limits: {calls: 5, per: 1s}", f"limits: {LIST}"),
    ("limits: [200/1m]", "limits.0: must be a mapping, such as {calls: 200, per: 1m}"),
    ("limits: [{calls: 0, per: 1s}]", "limits.0.calls: must be 1 or more"),
    ("limits: [{calls: five, per: 1s}]", "limits.0.calls: must be a whole number"),
    ("limits: [{calls: 5}]", "limits.0.per: is missing"),
    ("limits: [{per: 1s}]", f"limits.0: {ONE_OF_TWO}"),
    ("limits: [{calls: 5, items: 9, per: 1s}]", f"limits.0: {ONE_OF_TWO}"),
    ("limits: [{items: 0, per: 1s}]", "limits.0.items: must be 1 or more"),
    ("limits: [{items: , per: 1s}]", f"limits.0.items: {NO_VALUE}"),
    ("limits: [{calls: 5, per: 1 minute}]", f"limits.0.per: {DURATION}"),
    (
        "limits: [{calls: 5, per: 1s}, {calls: 9, per: 1m, method: get}]",
        "limits.1.method: must be 'GET', 'POST', 'PUT', 'PATCH' or 'DELETE'",
    ),
    (
        "limits: [{call: 5, per: 1s}]",
        'limits.0.call: there is no such key; did you mean "calls"?',
    ),
    ("brakes: off", f"brakes: {MAPPING}"),
    (
        "brakes: {removal: {share: 0.1}}",
        'brakes.removal: there is no such key; did you mean "removals"?',
    ),
    ("brakes: {removals: 0.1}", f"brakes.removals: {MAPPING}"),
    ("brakes: {removals: {share: 5}}", "brakes.removals.share: must be 1 or less"),
    ("brakes: {removals: {share: 5%}}", "brakes.removals.share: must be a number"),
    (
        "brakes: {removals: {share: true}}",
        "brakes.removals.share: must be a number, not true or false",
    ),
    ("brakes: {tags: {at_least: 0}}", "brakes.tags.at_least: must be 1 or more"),
    (
        "brakes: {tags: {atleast: 5}}",
        'brakes.tags.atleast: there is no such key; did you mean "at_least"?',
    ),
]
OWN_SOURCE = [
    (
        "source: crm.contacts",
        "source: must be a mapping, such as {table: crm.contacts, key: id}",
    ),
    ("source: {tabel: a}", 'source.tabel: there is no such key; did you mean "table"?'),
    (
        "source: {table: a, query: SELECT 1}",
        "source: names both a table and a query: leave one of them out",
    ),
    ("source: {query: ''}", "source.query: must not be empty"),
    (
        "source: {database: 'mysql://db/crm'}",
        "source.database: must be a URL that begins with postgresql://",
    ),
    ("source: {database: 'postgresql://me:pw@db/crm'}", f"source.database: {PASSWORD}"),
    (
        "source: {database: 'postgresql://me@db/crm?sslmode=require&password=pw'}",
        f"source.database: {PASSWORD}",
    ),
    (
        "source: {database: 'postgresql://me:${PW:-pw}@db/crm'}",
        f"source.database: {PASSWORD}",
    ),
    (
        "source: {database: '${CRM:-postgresql://me:pw@db/crm}'}",
        f"source.database: {PASSWORD}",
    ),
]
VARIABLES = [
    ("in_flight: ${MANY}", "in_flight: the environment variable MANY is not set"),
    ("in_flight: ${MANY:-many}", "in_flight: must be a whole number"),
    (
        "in_flight: ${MANY-4}",
        (
            "in_flight: holds a ${ that begins no variable: "
            "write ${NAME} or ${NAME:-default}, or $${ for the text ${"
        ),
    ),
    (
        "where: country = '${COUNTRY}' and plan = '${PLAN}'",
        [
            "where: the environment variable COUNTRY is not set",
            "where: the environment variable PLAN is not set",
        ],
    ),
]


@pytest.mark.parametrize(
    ("changes", "told"),
    [*KEYS, *SETTINGS, *FIELDS, *LIMITS_AND_BRAKES, *OWN_SOURCE, *VARIABLES],
    ids=str,
)
def test_problems_of_a_destination_are_reported(
    tmp_path: Path, changes: str, told: str | list[str]
) -> None:
    files = {"destinations/crm.yaml": changed(GOOD["respond_io"], changes)}
    assert problems(tmp_path, files) == of("destinations/crm.yaml", told)
