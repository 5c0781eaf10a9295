"""Configuration files, good and bad.

A good one for each vendor, and variants of it with one thing changed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from syncengine import vendors
from syncengine.model.mapping import Form

ENVIRON = {
    "KEY": "a-key-of-some-length",
    "N": "5",
    "ADDRESS": "https://vendor.example/api",
    "WORD": "word",
}
PROXY = "http://proxy.example:3128"
ENVIRON["PROXY"] = PROXY
SOURCE = {"table": "crm.contacts", "key": "id"}
_KEY = "${KEY}"
_PHONE = {"from": "mobile", "as": "e164", "region": "DE"}
ENGINE = {
    "database": "embedded",
    "source": SOURCE,
    "batch_size": 500,
    "lease_ttl": "30s",
    "keep_outcomes": "90d",
}
DESTINATIONS: dict[str, dict[str, Any]] = {
    "charles": {
        "settings": {"api_key": _KEY, "source_type": "crm"},
        "fields": {
            "first_name": "first_name",
            "phone_numbers.mobile": _PHONE,
            "custom_properties.plan": {"from": "plan", "default": "free"},
        },
        "tags": {"from": "tags", "prefix": "crm:"},
    },
    "chartmogul": {
        "settings": {"api_key": _KEY, "data_source_uuid": "ds_1"},
        "match_on": ["external_id"],
        "fields": {"external_id": "id", "customer_uuid": "customer", "phone": _PHONE},
    },
    "dm_champ": {
        "settings": {"api_key": _KEY},
        "match_on": ["phoneNumber"],
        "fields": {
            "phoneNumber": _PHONE,
            "firstName": "first_name",
            "is_bot_active": {"from": "bot", "as": "boolean"},
        },
        "tags": {"columns": {"vip": "is_vip"}},
        "lists": {"from": "lists"},
    },
    "hubspot": {
        "settings": {"token": _KEY, "unique_properties": ["crm_id", "email"]},
        "match_on": ["crm_id", "email"],
        "fields": {
            "crm_id": "id",
            "email": {"from": "email", "as": "lower"},
            "phone": _PHONE,
        },
        "lists": {"from": "lists"},
    },
    "respond_io": {
        "settings": {"token": _KEY},
        "match_on": ["crm_id", "phone"],
        "fields": {
            "crm_id": "id",
            "phone": _PHONE,
            "birthday": {"from": "born", "as": "date", "zone": "UTC"},
        },
        "tags": {"from": "tags", "prefix": "crm:"},
    },
    "respond_io_v2": {
        "settings": {"token": _KEY},
        "match_on": ["phone", "email"],
        "fields": {
            "firstName": "first_name",
            "phone": _PHONE,
            "email": {"from": "email", "as": "lower"},
        },
        "tags": {"from": "tags"},
    },
    "whautomate": {
        "settings": {"api_key": _KEY, "location_id": "berlin"},
        "match_on": ["phoneNumber"],
        "fields": {
            "name": "name",
            "phoneNumber": _PHONE,
            "stage": {"from": "stage", "default": "Lead"},
        },
        "tags": {"from": "tags"},
    },
}
"""Good files; vendor and address are added."""
_MISSING = object()


@dataclass(frozen=True)
class File:
    """One file."""

    name: str
    content: dict[str, Any]
    is_common: bool = False


def files() -> list[File]:
    """Every file, each once."""
    unique = {
        repr((each.is_common, each.content)): each
        for each in (*_common(), *_of_vendors())
    }
    return list(unique.values())


def good(vendor: str) -> dict[str, Any]:
    """The good file of a vendor."""
    content = copy.deepcopy(DESTINATIONS[vendor])
    content["settings"]["base_url"] = "https://vendor.example/api"
    return {"vendor": vendor, **content}


def _common() -> Iterator[File]:
    yield File("common", ENGINE, is_common=True)
    for place, values in _COMMON.items():
        for value in values:
            yield File(
                _told("common", place, value),
                _changed(ENGINE, place, value),
                is_common=True,
            )


def _of_vendors() -> Iterator[File]:
    for number, vendor in enumerate(vendors.names()):
        content = good(vendor)
        yield File(vendor, content)
        for place, values in {
            **_ANYWHERE,
            **_of_settings(vendor),
            **_AT[vendor],
        }.items():
            # What few rules touch is tried in parts: each value at some of the vendors.
            for value in values if place in _AT[vendor] else values[number % 4 :: 4]:
                yield File(_told(vendor, place, value), _changed(content, place, value))


def _of_settings(vendor: str) -> dict[str, list[Any]]:
    names = [
        name
        for name in vendors.load(vendor).settings.model_fields
        if name != "base_url"
    ]
    return {
        f"settings/{name}": _SECRET if name in ("token", "api_key") else _SETTING
        for name in names
    }


def _told(name: str, place: str, value: Any) -> str:
    return f"{name}: {place} {'missing' if value is _MISSING else f'= {value!r}'}"


def _changed(content: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    result = copy.deepcopy(content)
    *path, last = place.split("/")
    inside: Any = result
    for part in path:
        inside = (
            inside[int(part)]
            if isinstance(inside, list)
            else inside.setdefault(part, {})
        )
    if value is _MISSING:
        inside.pop(last, None)
    else:
        inside[last] = value
    return result


_DURATIONS: list[Any] = [
    *(
        0,
        "0s",
        "0.0s",
        "0.00d",
        0.5,
        30,
        -1,
        True,
        None,
        "",
        [],
        "2",
        "1w",
        "-1s",
        "1e3s",
        "1 hour",
    ),
    *(
        "500ms",
        "999ms",
        "999.9ms",
        "1000ms",
        "1s",
        "0.99s",
        "1.5m",
        "1 m",
        " 1h ",
        "0.01m",
        "0.016m",
        "0.017m",
    ),
    *(
        "0.0002h",
        "0.0003h",
        "0.00001d",
        "0.00002d",
        "34d",
        "34.9d",
        "35d",
        "840h",
        "839.9h",
        "50400m",
        "3024000s",
    ),
    *(
        "3023999s",
        3024000,
        3023999,
        "3650d",
        "3650.0d",
        "3650.1d",
        "3651d",
        "87600h",
        "87601h",
        "315360000s",
    ),
    *(
        "315360001s",
        315360000,
        315360001,
        "315360000000ms",
        "0003650d",
        "${T:-40d}",
        "${T:-soon}",
        "x${N}",
    ),
]
_TRUTHS = [
    True,
    False,
    "yes",
    "No",
    "on",
    "OFF",
    "true",
    "T",
    "1",
    "ja",
    " yes",
    "",
    1,
    0,
    2,
    None,
    [],
    "${X:-true}",
]
_TEXTS = [
    "",
    "x",
    5,
    True,
    None,
    [],
    {},
    "${WORD}",
    "${X:-}",
    "${X:-y}",
    "${",
    "$${WORD}",
    "a$b",
    "${1}",
    "$${",
]
_NAMES = [*_TEXTS, ["x"]]
_DATABASES = [
    *(
        "postgresql://db/crm",
        "postgres://me@db/crm",
        "mysql://db/crm",
        "db",
        "",
        "embedded",
        "Embedded",
        None,
        5,
    ),
    *(
        "postgresql://me:word@db/crm",
        "postgresql://me:@db/crm",
        "postgresql://me:${WORD}@db/crm",
    ),
    *(
        "postgresql://me:a${WORD}@db/crm",
        "postgresql://me:${X:-word}@db/crm",
        "postgresql://me:${X:-}@db/crm",
    ),
    *(
        "postgresql://${WORD}:word@db/crm",
        "postgresql://me@db/crm?password=word",
        "postgresql://db/crm?sslmode=require",
    ),
    *(
        "postgresql://db/crm?a=b&sslpassword=word",
        "postgresql://db/crm?password=${WORD}",
        "postgresql://db/crm?password=",
    ),
    *(
        "${X:-embedded}",
        "${X:-postgresql://db/crm}",
        "${X:-postgresql://me:word@db/crm}",
        "${X:-mysql://db}",
        "${X:-}",
    ),
]
_SHARES = [
    0,
    0.5,
    1,
    1.0,
    1.5,
    2,
    -0.1,
    "0.5",
    "1",
    "1.0",
    "1.1",
    ".5",
    "5%",
    "half",
    True,
    None,
    "",
    "0.${N}",
    "${N}x",
]
_COUNTS = [
    0,
    1,
    5,
    5.0,
    5.5,
    -1,
    "5",
    "0",
    " 5 ",
    "+5",
    "5.0",
    "five",
    True,
    None,
    "",
    [],
    "${N}",
    "1${N}",
    "${M:-many}",
]
_COMMON: dict[str, list[Any]] = {
    "database": _DATABASES,
    "source": [
        {},
        None,
        [],
        "crm.contacts",
        {"table": "a", "query": "b"},
        {"query": "SELECT 1 AS id"},
        _MISSING,
    ],
    "source/database": [value for value in _DATABASES if value != "embedded"],
    "source/table": _NAMES,
    "source/key": _NAMES,
    "source/keys": ["id"],
    "source/x-note": [1],
    "batch_size": [*_COUNTS, 10_000, 10_001, "10000", "10001", "010000", "99999"],
    "database_wait": _DURATIONS,
    "lease_ttl": _DURATIONS,
    "keep_outcomes": _DURATIONS,
    "keep_changes": _DURATIONS,
    "in_flight": [5],
    "x-anchors": [{"a": "${", "b": [None]}, None],
    "databse": ["x"],
}
_LIMIT = {"calls": 5, "per": "1m"}
_ANYWHERE: dict[str, list[Any]] = {
    "settings": [_MISSING, None, {}, [], "x"],
    "settings/base_url": [
        *(
            _MISSING,
            None,
            "",
            5,
            "vendor.example",
            "ftp://vendor.example",
            "https://",
            "https:///x",
            "HTTPS://Vendor.EU",
        ),
        *(
            "http://vendor.example",
            "http://localhost:80/x",
            "http://LOCALHOST",
            "http://127.0.0.1:1/x",
            "http://[::1]:8",
        ),
        *(
            "https://me:word@vendor.example",
            "https://me@vendor.example",
            "https://v.example?a=b",
            "https://v.example#a",
        ),
        *(
            "https://v.example:0",
            "https://v.example:65535",
            "https://v.example:65536",
            "https://v.example:",
            "https://v..e",
        ),
        *(
            "https://v.example:8a",
            "https://v .example",
            " https://v.example ",
            "https://v.example/a b",
            "https://[::1",
        ),
        *(
            "https://[1:2:3:4:5:6:7:8]",
            "https://[1:2:3:4:5:6:7:8:9]",
            "https://[::g]",
            "https://münchen.example/ä",
        ),
        *(
            "${ADDRESS}",
            "${ADDRESS}/v1",
            "https://${WORD}.example/${N}",
            "${X:-https://v.example}",
            "${X:-v.example}",
        ),
        *(
            "${X:-http://v.example}",
            "${X:-http://localhost}",
            "https://" + "a" * 64 + ".e",
        ),
    ],
    "vendor": [_MISSING, None, "nobody", "Charles", 3, "", "charlie"],
    "account": [
        "a_b-1",
        "Main",
        "a b",
        "",
        7,
        None,
        "${WORD}",
        "${X:-main}",
        "${X:-Main}",
        "a.${WORD}",
        "a\n",
    ],
    "source": [
        {},
        None,
        [],
        "crm.contacts",
        {"table": "a", "query": "b"},
        {"tabel": "a"},
        {"key": "id", "x-a": 1},
    ],
    "source/database": [value for value in _DATABASES if value != "embedded"],
    "where": [
        *_TEXTS,
        "a = 1",
        "a = 1;",
        "a = 1 ; ",
        "where a",
        "WHERE a",
        " Where a",
        "whereabouts = 1",
        "a;b",
    ],
    "opted_out": _NAMES,
    "fields": [_MISSING, None, {}, [], "x"],
    "fields/x-note": ["x"],
    "tags": [
        None,
        {},
        "tags",
        {"from": "a", "columns": {"b": "c"}},
        {"from": "a", "columns": {}},
        {"columns": {}},
    ],
    "tags/prefix": [5, None],
    "lists": [None, {}],
    "limits": [
        *(
            None,
            [],
            {},
            "200/1m",
            [{}],
            [_LIMIT],
            [_LIMIT, _LIMIT],
            [None],
            [{**_LIMIT, "method": "get"}],
            _LIMIT,
        ),
        *(
            [{**_LIMIT, "method": "GET"}],
            [{**_LIMIT, "x-why": 1}],
            [{**_LIMIT, "call": 1}],
            [{**_LIMIT, "items": 5}],
            [{"items": 5, "per": "1m"}],
            [{"items": 99, "per": "1m"}, _LIMIT],
            [_LIMIT, {"items": 100, "per": "1m"}],
            [{"items": True, "per": "1m"}],
            [{"per": "1m"}],
            [{"calls": 5}],
        ),
        *([{**_LIMIT, "calls": value}] for value in _COUNTS),
        *([{**_LIMIT, "per": value}] for value in _DURATIONS),
    ],
    "tight": _TRUTHS,
    "find_first": _TRUTHS,
    "allow_http": _TRUTHS,
    "in_flight": [*_COUNTS, 10, 11, "10", "11", 500, 501, "500", "501"],
    "attempts": [*_COUNTS, 20, 21, "20", "21", "19"],
    "max_wait": _DURATIONS,
    "timeout": _DURATIONS,
    "on_removed": [
        "ignore",
        "untag",
        "delete",
        "Delete",
        "purge",
        "",
        None,
        True,
        "${X:-untag}",
        "${X:-purge}",
        "${WORD:-x}",
    ],
    "on_null": ["skip", "clear", "cleared", None, 5, "${X:-clear}"],
    "brakes": [
        None,
        {},
        "off",
        {"removal": {}},
        {"removals": None},
        {"removals": 0.1},
        {"tags": {}, "x-why": "so"},
    ],
    "brakes/removals/share": _SHARES,
    "brakes/creates/share": _SHARES,
    "brakes/tags/at_least": _COUNTS,
    "proxy": [
        *(
            "http://proxy.example:3128",
            "http://proxy.example/",
            "http://proxy.example/a",
            "https://proxy.example",
            "",
            None,
        ),
        *(
            "proxy.example:3128",
            "socks5://proxy.example",
            "http://",
            "http://me:word@proxy.example",
            "http://me@proxy.example",
        ),
        *(
            "http://proxy.example:0",
            "http://proxy.example:70000",
            "http://proxy.example?a",
            "${X:-}",
            "${PROXY}",
            5,
        ),
    ],
    "x-anchors": [{"a": "${"}, 5],
    "limit": [[]],
    "Vendor": ["charles"],
}
_SECRET = [
    _MISSING,
    None,
    True,
    5,
    "",
    "a-key-of-some-length",
    _KEY,
    "${X:-x}",
    "a${KEY}",
    " ${KEY} ",
    [],
    {},
]
_SETTING = [
    *(
        _MISSING,
        None,
        True,
        "yes",
        1,
        0,
        4,
        5,
        10,
        "9",
        "10",
        9.5,
        "",
        "x",
        "a key",
        "${X:-x}",
    ),
    *(
        "nothing",
        "empty",
        "null",
        "omit",
        "all",
        "documented",
        "array",
        "unknown",
        "refused",
        "everywhere",
        "silenced",
        "30s",
    ),
    *(
        [],
        ["x"],
        ["phoneNumber"],
        ["name", "phoneNumber"],
        {},
        {"first_name": "no"},
        {"phone": "no", "email": 1.5},
        "${X:-}",
        "customer_uuid",
    ),
]
_DEFAULTS: list[Any] = [
    *(
        None,
        "",
        " ",
        5,
        5.5,
        True,
        "x",
        "5",
        "-1.5e3",
        "1e",
        "yes",
        "maybe",
        [],
        {},
        "2024-02-29",
        "2023-02-29",
    ),
    *(
        "2024-04-31",
        "0000-01-01",
        "2024-01-01T10:00",
        "2024-01-01 10:00:00.5+02",
        "2024-01-01T25:00",
        "01.02.2024",
    ),
    *("12", "${X:-5}"),
]
_PHONES: list[Any] = [None, "", " ", 5.5, True, "x", "12", [], {}, "+491711000006"]
_FORMED = [
    {"from": "a", "as": form.value, "default": default}
    for form in Form
    for default in (_PHONES if form is Form.E164 else _DEFAULTS)
]
_FORMED += [
    {"from": "a", "as": "e164", "region": "DE", "default": default}
    for default in (
        None,
        "",
        "0171",
        "12",
        "x",
        "0049 171 1000006",
        "0171 1000006",
        "+49 (0)171 1000006",
        "1" * 18,
    )
]
_FIELD: list[Any] = [
    *(
        "",
        "a",
        5,
        None,
        [],
        {},
        {"from": "a"},
        {"from": ""},
        {"from": 5},
        {"from": "a", "to": "b"},
        {"from": "a", "x-b": 1},
    ),
    *({"from": "a", "as": form.value} for form in Form),
    *({"from": "a", "as": form.value, "region": "DE"} for form in Form),
    *({"from": "a", "as": form.value, "zone": "Europe/Berlin"} for form in Form),
    *(
        {"from": "a", "as": "e164", "region": region}
        for region in ("de", "XX", "NO", "UK", "GB", "", 5, "${X:-DE}", "${X:-XX}")
    ),
    *(
        {"from": "a", "as": "date", "zone": zone}
        for zone in ("UTC", "Europe/Atlantis", "europe/berlin", "", 5, "${X:-UTC}")
    ),
    *(
        {"from": "a", "as": form}
        for form in ("upper", "", None, "${X:-e164}", "${X:-upper}", "Lower")
    ),
    *(
        {"from": "a", "default": default}
        for default in (
            None,
            "",
            0,
            [1, "a"],
            {"a": {"b": 1}},
            "${",
            ["${"],
            {"a": "${1}"},
        )
    ),
    *({"from": "a", "on_invalid": what} for what in ("skip", "reject", "ignore", None)),
    {"from": "a", "region": "DE"},
    {"from": "a", "zone": "UTC"},
]
_SETS = [
    *(
        {"from": "a"},
        {"from": ""},
        {"from": None},
        {"columns": {"a": "b"}},
        {"columns": {"a": ""}},
        {"columns": {"": "b"}},
    ),
    *(
        {"columns": ["a"]},
        {"columns": {"a": True}},
        {"columns": None},
        {"prefix": "a"},
        {"from": "a", "prefix": "${WORD}"},
    ),
    *({"from": "a", "x-b": 1}, {"form": "a"}, "a", None, {}),
]
_MATCHES = [_MISSING, [], None, "", [""], [5], 5, {}, [[]]]
_AT: dict[str, dict[str, list[Any]]] = {
    "charles": {
        "fields/first_name": _FIELD,
        "fields/custom_properties.other": _FORMED,
        "fields/first_nmae": ["a"],
        "fields/phone_numbers": ["a"],
        "fields/": ["a"],
        "fields/lists.a": ["a"],
        "fields/external_reference_id": ["id"],
        "match_on": [*_MATCHES, "first_name", "external_reference_id", ["first_name"]],
        "tags": _SETS,
        "lists": [{"from": "a"}],
    },
    "chartmogul": {
        "in_flight": [1, 10, 11, "10", "11", 12.0],
        "fields/customer_uuid": [_MISSING],
        "fields/data_source_uuid": ["a"],
        "fields/customer_external_id": ["a"],
        "fields/position": [
            {"from": "a", "default": value}
            for value in (5, "5", "5.0", "5.5", 5.5, "x", True, None, "")
        ],
        "fields/external_id": [_MISSING, {"from": "id", "on_invalid": "skip"}],
        "fields/firstname": ["a"],
        "match_on": [
            *_MATCHES,
            "email",
            "external_id",
            ["external_id", "email"],
            ["customer_uuid"],
            "externalid",
        ],
        "tags": [{"from": "a"}],
        "lists": [{"from": "a"}],
    },
    "dm_champ": {
        "fields/phoneNumber": [_MISSING, {"from": "mobile", "on_invalid": "skip"}],
        "fields/is_bot_active": [
            {"from": "a", "default": value}
            for value in (True, "TRUE", " false ", "yes", 1, None, "")
        ],
        "fields/custom_fields.b": ["a"],
        "fields/custom_fields.a": ["a"],
        "fields/unheard": ["a"],
        "settings/opt_outs": [
            {"do_not_disturb": True},
            {"is_bot_active": False},
            {"email": "x", "firstName": "y"},
        ],
        "match_on": [
            *_MATCHES,
            "phoneNumber",
            "email",
            ["phoneNumber", "email"],
            ["firstName"],
        ],
        "lists": _SETS,
    },
    "hubspot": {
        "fields/city": ["a"],
        "fields/crm_id": [_MISSING],
        "match_on": [
            *_MATCHES,
            "crm_id",
            ["email"],
            ["email", "crm_id"],
        ],
        "settings/unique_properties": [["email", "crm_id"], [], None, 5],
        "settings/tags_property": ["crm_tags", None, ""],
        "settings/upserts": [True, False, "yes"],
        "settings/batch_size": [1, 100],
        "tags": [{"from": "a"}],
    },
    "respond_io": {
        "fields/other": _FIELD,
        "fields/lists.a": ["a"],
        "fields/lists": ["a"],
        "fields/crm_id": [_MISSING],
        "match_on": [
            *_MATCHES,
            "crm_id",
            ["phone"],
            ["crm_id", "crm_id"],
            "${X:-phone}",
            "email",
            ["crm_id", "email"],
        ],
        "lists": [{"from": "a"}],
    },
    "respond_io_v2": {
        "fields/firstName": [_MISSING],
        "fields/lastNam": ["a"],
        "fields/custom_fields.a": ["a"],
        "fields/phone": [_MISSING],
        "match_on": [
            *_MATCHES,
            "phone",
            ["email"],
            ["firstName"],
            ["firstName", "phone"],
            ["phone", "nobody"],
        ],
        "lists": [{"from": "a"}],
    },
    "whautomate": {
        "fields/name": [_MISSING],
        "fields/city": ["a"],
        "fields/customFields.city": ["a"],
        "fields/stage": [
            {"from": "a", "default": value}
            for value in ("lead", " CUSTOMER ", "friend", 5, True, None, "")
        ],
        "fields/phoneNumber": [_MISSING, {"from": "mobile", "on_invalid": "skip"}],
        "match_on": [
            *_MATCHES,
            "phoneNumber",
            ["name"],
            ["phoneNumber", "name"],
            ["notes"],
        ],
        "settings/lower_opt_outs": ["stage", ["stage"]],
        "settings/opt_outs": [{"stage": "gone"}, {"city": True}, {"notes": True}],
        "lists": [{"from": "a"}],
    },
}
