"""Messages on the common file, on unreadable files, and on files that disagree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from syncengine import vendors
from syncengine.config.loading import load_config
from syncengine.errors import ConfigError
from tests.support.sample_configs import (
    ENGINE,
    ENVIRON,
    GOOD,
    changed,
    of,
    problems,
    written,
)

URL = 'base_url: "https://app.respond.io/api/v1"'
NO_VALUE = "has no value: write one behind the colon, or leave the key out"
TEXT = "must be text (in quotes, if it looks like something else)"
DURATION = "must be a duration such as 500ms, 2s, 1m or 1d"
PASSWORD = (
    "holds a password: take the URL, or its password, from the environment (${NAME})"
)
VENDORS = ", ".join(vendors.names())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ("databse: x", 'databse: there is no such key; did you mean "database"?'),
        ("database:", f"database: {NO_VALUE}"),
        ("database: ''", "database: must not be empty"),
        ("database: 5", f"database: {TEXT}"),
        (
            "database: mysql://db/crm",
            "database: must be embedded, or a URL that begins with postgresql://",
        ),
        ("database: postgresql://me:pw@db/crm", f"database: {PASSWORD}"),
        ("database: postgresql://me:pw${STATE}@db/crm", f"database: {PASSWORD}"),
        (
            "source: crm.contacts",
            "source: must be a mapping, such as {table: crm.contacts, key: id}",
        ),
        (
            "source: {table: crm.contacts, keys: id}",
            'source.keys: there is no such key; did you mean "key"?',
        ),
        (
            "source: {table: a, query: b, key: c}",
            "source: names both a table and a query: leave one of them out",
        ),
        (
            "source: {table: 5, key: 3}",
            [f"source.table: {TEXT}", f"source.key: {TEXT}"],
        ),
        (
            "source: {database: 'postgresql://me:pw@db/crm', table: a, key: id}",
            f"source.database: {PASSWORD}",
        ),
        ("batch_size: 0", "batch_size: must be 1 or more"),
        ("batch_size: 10001", "batch_size: must be 10000 or less"),
        ("lease_ttl: 500ms", "lease_ttl: must be 1s or more"),
        ("lease_ttl: long", f"lease_ttl: {DURATION}"),
        (
            "keep_outcomes: 30d",
            (
                "keep_outcomes: must be 35d or more: "
                "limits with long windows count the "
                "requests of past runs by their outcomes"
            ),
        ),
    ],
)
def test_problems_of_the_common_file_are_reported(
    tmp_path: Path, changes: str, told: str | list[str]
) -> None:
    files = {
        "syncengine.yaml": changed(ENGINE, changes),
        "destinations/crm.yaml": GOOD["respond_io"],
    }
    assert problems(tmp_path, files) == of("syncengine.yaml", told)


@pytest.mark.parametrize(
    ("written", "environ", "told"),
    [
        (
            "${STATE}",
            {"STATE": ""},
            ["the environment variable STATE is set, but empty"],
        ),
        ("${STATE}", {}, ["the environment variable STATE is not set"]),
        (
            "${STATE:-embedded}",
            {"STATE": ""},
            [
                (
                    "the environment variable STATE is set, but empty; "
                    "give it the database's URL, or unset it to use "
                    "embedded"
                )
            ],
        ),
    ],
)
def test_the_state_is_never_silently_another_one(
    tmp_path: Path, written: str, environ: dict[str, str], told: list[str]
) -> None:
    files = {
        "syncengine.yaml": changed(ENGINE, f"database: {written}"),
        "destinations/crm.yaml": GOOD["respond_io"],
    }
    found = problems(tmp_path, files, {"TOKEN": "token-value", **environ})
    assert found[:1] == of("syncengine.yaml", [f"database: {line}" for line in told])


def test_embedded_is_the_default_of_a_variable_that_is_not_set(
    tmp_path: Path,
) -> None:
    files = {
        "syncengine.yaml": changed(ENGINE, "database: ${STATE:-embedded}"),
        "destinations/crm.yaml": GOOD["respond_io"],
    }
    config = load_config(written(tmp_path / "config", files), {"TOKEN": "token-value"})
    assert config.engine.database == "embedded"


def test_a_key_of_the_other_kind_of_file_brings_the_keys_there_are(
    tmp_path: Path,
) -> None:
    files = {
        "syncengine.yaml": changed(ENGINE, "fields: {}"),
        "destinations/crm.yaml": GOOD["respond_io"],
    }
    (told,) = problems(tmp_path, files)
    assert told.startswith(
        "syncengine.yaml: fields: there is no such key; there are: "
        "database, source, batch_size, "
    )


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            "{}",
            [
                (
                    "source: names no table and no query: write table: "
                    "SCHEMA.NAME or query: SELECT ..., "
                    "here or in syncengine.yaml"
                ),
                (
                    "source.key: is missing: name the column that tells contacts "
                    "apart, here or in syncengine.yaml"
                ),
            ],
        ),
        (
            "{table: crm.contacts}",
            [
                (
                    "source.key: is missing: name the column that tells contacts "
                    "apart, here or in syncengine.yaml"
                )
            ],
        ),
    ],
)
def test_what_a_source_lacks_is_reported_where_it_is_needed(
    tmp_path: Path, source: str, told: list[str]
) -> None:
    files = {
        "syncengine.yaml": changed(ENGINE, f"source: {source}"),
        "destinations/crm.yaml": GOOD["respond_io"],
    }
    assert problems(tmp_path, files) == of("destinations/crm.yaml", told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "",
            [
                f"vendor: is missing; there are: {VENDORS}",
                "settings: is missing",
                "fields: is missing",
            ],
        ),
        (
            "fields: {a: b}\nfields: {c: d}",
            'is not valid YAML: "fields" stands there twice (line 2, column 1)',
        ),
        (
            "fields: {a: b, a: c}",
            'is not valid YAML: "a" stands there twice (line 1, column 16)',
        ),
        (
            "- vendor: charles",
            "has to be a mapping of keys to values (line 1, column 1)",
        ),
        (
            "fields:\n\tname: name",
            (
                "is not valid YAML: found character '\\t' that cannot start any token "
                "(line 2, column 1); "
                "indent with blanks, not with tabs"
            ),
        ),
        (
            "settings: {token: ${TOKEN}}",
            (
                "is not valid YAML: expected ',' or '}', but got '{' (line 1, column "
                "20); inside { } a ${NAME} needs quotes"
            ),
        ),
        (
            "where: name = 'a' and note: b",
            (
                "is not valid YAML: mapping values are not allowed here (line 1, "
                "column 27); "
                "a value with a colon in it needs quotes"
            ),
        ),
        (
            "vendor: 'charles",
            (
                "is not valid YAML: found unexpected end of stream (line 1, column "
                "17); a quote is not closed"
            ),
        ),
        (
            "fields: {a: b",
            (
                "is not valid YAML: expected ',' or '}', but got '<stream end>' (line "
                "1, "
                "column 14); a { or [ is not closed"
            ),
        ),
        (
            "vendor: charles\n---\nvendor: charles",
            (
                "is not valid YAML: but found another document (line 2, column 1); "
                "a file holds one document: leave the --- out"
            ),
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_place(
    tmp_path: Path, text: str, told: str | list[str]
) -> None:
    assert problems(tmp_path, {"destinations/crm.yaml": text}) == of(
        "destinations/crm.yaml", told
    )


def test_every_missing_variable_is_named_at_once(tmp_path: Path) -> None:
    files = {
        "syncengine.yaml": "database: ${STATE}\nsource: {database: '${CRM}', table: a, key: id}\n",
        "destinations/a.yaml": GOOD["respond_io"],
        "destinations/b.yaml": GOOD["charles"],
    }
    assert problems(tmp_path, files, {"KEY": ""}) == [
        "syncengine.yaml: database: the environment variable STATE is not set",
        "syncengine.yaml: source.database: the environment variable CRM is not set",
        (
            "destinations/a.yaml: settings.token: "
            "the environment variable TOKEN is not set"
        ),
        (
            "destinations/b.yaml: settings.api_key: "
            "the environment variable KEY is set, but empty"
        ),
    ]


@pytest.mark.parametrize(
    ("token", "told"),
    [
        (" \n", "is empty: is the environment variable set?"),
        ("two words", "must be one word of printable ASCII characters"),
        ("clé", "must be one word of printable ASCII characters"),
    ],
)
def test_a_secret_that_cannot_be_one_is_refused_but_not_shown(
    tmp_path: Path, token: str, told: str
) -> None:
    files = {"destinations/crm.yaml": GOOD["respond_io"]}
    told_of = problems(tmp_path, files, {**ENVIRON, "TOKEN": token})
    assert told_of == of("destinations/crm.yaml", f"settings.token: {told}")


def test_every_file_is_read_though_another_is_broken(tmp_path: Path) -> None:
    files = {
        "syncengine.yaml": "source: {table: a",
        "destinations/a.yaml": "vendor: charlie",
        "destinations/b.yaml": changed(GOOD["charles"], "in_flight: 0"),
    }
    told = [line.partition(": ")[0] for line in problems(tmp_path, files)]
    assert sorted(set(told)) == [
        "destinations/a.yaml",
        "destinations/b.yaml",
        "syncengine.yaml",
    ]


ACCOUNTS = [
    (
        "",
        GOOD["respond_io"],
        (
            "account: has the same credentials as a.yaml, and the vendor counts their "
            "requests together: write "
            "account: a in both files"
        ),
    ),
    (
        "account: main",
        GOOD["respond_io"],
        (
            "account: has the same credentials as a.yaml, and the vendor counts their "
            "requests together: write "
            "account: main in both files"
        ),
    ),
    (
        "account: main",
        changed(GOOD["charles"], "account: main"),
        "vendor: {same} another vendor; {make}",
    ),
    (
        "account: main",
        changed(
            GOOD["respond_io"],
            "account: main\nsettings: {base_url: "
            '"https://eu.respond.io/api/v1", token: "${TOKEN}"}',
        ),
        "settings.base_url: {same} another base_url; {make}",
    ),
    (
        "account: main",
        changed(
            GOOD["respond_io"],
            "account: main\nsettings: {base_url: "
            '"https://app.respond.io/api/v1", token: "${KEY}"}',
        ),
        "settings: {same} other credentials; {make}",
    ),
    (
        "account: main",
        changed(GOOD["respond_io"], "account: main\nlimits: [{calls: 5, per: 1s}]"),
        "limits: {same} other limits; {make}",
    ),
]


@pytest.mark.parametrize(("first", "second", "told"), ACCOUNTS)
def test_two_files_that_disagree_about_an_account_are_refused(
    tmp_path: Path, first: str, second: str, told: str
) -> None:
    same = "a.yaml is in the same account (main) and has"
    make = "make them the same, or give one of the two files another account"
    files = {
        "destinations/a.yaml": changed(GOOD["respond_io"], first),
        "destinations/b.yaml": second,
    }
    assert problems(tmp_path, files) == of(
        "destinations/b.yaml", told.format(same=same, make=make)
    )


def test_two_files_of_one_account_are_good(tmp_path: Path) -> None:
    text = changed(GOOD["respond_io"], "account: main")
    files = {
        "syncengine.yaml": ENGINE,
        "destinations/a.yaml": text,
        "destinations/b.yaml": text,
    }
    config = load_config(written(tmp_path / "config", files), ENVIRON)
    assert [destination.account for destination in config.destinations] == [
        "main",
        "main",
    ]


def test_a_file_with_a_wrong_name_is_refused_with_a_right_one(tmp_path: Path) -> None:
    text, ends = GOOD["respond_io"], "is not read: a destination's file ends in .yaml;"
    names = "a destination's name may hold a-z, 0-9, _ and - only;"
    files = {
        f"destinations/{name}": text
        for name in ("a.yml", "b.YAML", "c.yaml.bak", ".d.yaml", "Mein CRM.yaml")
    }
    folder = tmp_path / "config/destinations"
    assert [
        line.replace(f"{folder}", "destinations") for line in problems(tmp_path, files)
    ] == [
        f"destinations/a.yml: {ends} mv destinations/a.yml destinations/a.yaml",
        f"destinations/b.YAML: {ends} mv destinations/b.YAML destinations/b.yaml",
        (
            f"destinations/Mein CRM.yaml: {names} mv 'destinations/Mein CRM.yaml' "
            "destinations/mein_crm.yaml"
        ),
    ]


def test_a_folder_without_destinations_brings_what_to_copy(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, {"destinations/crm.yaml.example": GOOD["charles"]})
    first, *copies = told.splitlines()
    assert first.endswith(
        "destinations: holds no destination; "
        "`syncengine add NAME --vendor VENDOR` proposes one, or "
        "copy the commented example of your vendor, and edit it:"
    )
    assert [line.split()[0] for line in copies] == ["cp"] * len(vendors.names())
    for line, name in zip(copies, vendors.names(), strict=True):
        _, example, target = line.split()
        assert example.endswith(f"destinations/{name}.yaml.example")
        assert Path(example).is_file()
        assert target.endswith("destinations/NAME.yaml")


def test_where_there_is_no_file_the_message_has_a_command_that_makes_one(
    tmp_path: Path,
) -> None:
    file = tmp_path / "my config/syncengine.yaml"
    with pytest.raises(ConfigError) as told:
        load_config(file, ENVIRON)
    (problem,) = told.value.problems
    assert problem.where == str(file)
    assert re.fullmatch(
        r"there is no such file; name another one \(on the command line: --config\), "
        r"or let `syncengine init` write it, "
        r"or begin with the commented example: mkdir -p "
        rf"'{file.parent}' && cp \S*config/syncengine.yaml '{file}'",
        problem.what,
    )


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as told:
        load_config(tmp_path, ENVIRON)
    assert str(told.value) == f"{tmp_path}: cannot be read: it is a folder; name a file"


def test_a_password_is_recognised_anywhere_in_a_url(tmp_path: Path) -> None:
    environ = {
        **ENVIRON,
        "STATE": "postgresql://me:ol%40d@db/crm?sslmode=require&password=query%20one",
    }
    file = written(
        tmp_path / "config",
        {"syncengine.yaml": ENGINE, "destinations/crm.yaml": GOOD["charles"]},
    )
    assert load_config(file, environ).secrets == {
        "ol%40d",
        "ol@d",
        "query%20one",
        "query one",
        "key-value",
    }
