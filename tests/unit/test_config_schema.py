"""``config/schema.json`` and the engine accept the same files.

As far as one file alone decides that.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import orjson
import pytest
from jsonschema import Draft202012Validator

from syncengine import vendors
from syncengine.config.loading import load_config
from syncengine.errors import ConfigError
from tests.support.config_corpus import (
    DESTINATIONS,
    ENGINE,
    ENVIRON,
    SOURCE,
    File,
    files,
    good,
)
from tests.support.repository import ROOT

SCHEMA = orjson.loads((ROOT / "config/schema.json").read_bytes())
VALIDATOR = Draft202012Validator(SCHEMA)


@cache
def corpus() -> tuple[File, ...]:
    return tuple(files())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config")


@cache
def refused(folder: Path, name: str) -> str:
    """Return the engine's message on the file, or nothing where it takes it."""
    file = next(each for each in corpus() if each.name == name)
    return problems_in(folder, file)


def problems_in(folder: Path, file: File) -> str:
    other = {**good("charles"), "source": SOURCE}
    common, destination = (
        (file.content, other) if file.is_common else (ENGINE, file.content)
    )
    (folder / "destinations").mkdir(exist_ok=True)
    # JSON is YAML.
    (folder / "syncengine.yaml").write_text(json.dumps(common), encoding="utf-8")
    (folder / "destinations/crm.yaml").write_text(
        json.dumps(destination), encoding="utf-8"
    )
    try:
        load_config(folder / "syncengine.yaml", ENVIRON)
    except ConfigError as error:
        return str(error)
    return ""


def test_the_corpus_is_large_and_has_good_and_bad_files_of_every_vendor(
    folder: Path,
) -> None:
    assert len(corpus()) >= 1000
    assert sorted(DESTINATIONS) == list(vendors.names())
    judged = Counter(
        (file.content.get("vendor"), not refused(folder, file.name))
        for file in corpus()
    )
    for vendor in vendors.names():
        assert judged[vendor, True] >= 20, vendor
        assert judged[vendor, False] >= 20, vendor


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def patterns(part: object) -> Iterator[str]:
    """Yield every regular expression in a part of the schema."""
    if isinstance(part, dict):
        yield from (
            text
            for key, text in part.items()
            if key == "pattern" and isinstance(text, str)
        )
        part = list(part.values())
    for each in part if isinstance(part, list) else ():
        yield from patterns(each)


def test_its_expressions_are_such_as_editors_take() -> None:
    """Editors use those of JavaScript, where a needless escape is an error."""
    found = set(patterns(SCHEMA))
    assert len(found) > 50
    needless = {
        escape for each in found for escape in re.findall(r"\\(.)", each)
    } - set("^$\\.*+?()[]{}|nsS-")
    assert not needless


@pytest.mark.parametrize("part", ["common", *vendors.names()])
def test_what_the_engine_takes_the_schema_takes_and_nothing_else(
    folder: Path, part: str
) -> None:
    wrong = []
    for file in corpus():
        if file.name.partition(":")[0] != part:
            continue
        told = refused(folder, file.name)
        complaints = [
            error.message[:200] for error in VALIDATOR.iter_errors(file.content)
        ]
        if bool(told) != bool(complaints):
            wrong.append(
                f"{file.name}\n    engine: {told or 'takes it'}\n    schema: "
                f"{complaints or 'takes it'}"
            )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"match_on": ["nobody"]}, 'match_on: "nobody" is not a key of fields'),
        (
            {
                "settings": {
                    **good("respond_io")["settings"],
                    "opt_outs": {"nobody": True},
                }
            },
            '"nobody" is not a key of fields',
        ),
        (
            {
                "fields": {
                    "crm_id": "id",
                    "phone": {"from": "a", "as": "e164", "default": "+0001234567"},
                }
            },
            "phone.default",
        ),
        ({"in_flight": "1${N}00"}, "in_flight: must be 500 or less"),
    ],
)
def test_what_a_schema_cannot_express_is_checked_by_the_engine(
    folder: Path, changes: dict[str, object], told: str
) -> None:
    """JSON Schema compares no names with each other, knows no phone numbers and no
    environment.
    """
    content = {**good("respond_io"), **changes}
    assert told in problems_in(folder, File("", content))
    assert VALIDATOR.is_valid(content)


@pytest.mark.parametrize("place", ["opt_outs", "lower_opt_outs"])
def test_where_a_vendors_fields_are_known_it_says_it(folder: Path, place: str) -> None:
    content = good("whautomate")
    content["settings"][place] = {"notes": "no"} if place == "opt_outs" else ["notes"]
    assert problems_in(folder, File("", content))
    assert not VALIDATOR.is_valid(content)
    content["fields"]["notes"] = "notes"
    content["settings"]["opt_outs"] = {"notes": "no"}
    assert problems_in(folder, File("", content)) == ""
    assert VALIDATOR.is_valid(content)


def test_an_empty_file_is_a_common_one() -> None:
    """The file's name decides that, which a schema does not see."""
    assert VALIDATOR.is_valid({})
    assert not VALIDATOR.is_valid({"fields": {"a": "b"}})
