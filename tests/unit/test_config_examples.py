"""Examples that people copy load as they are.

What they call a default is one, and editors can check them.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from syncengine import vendors
from syncengine.config import models as config_models
from syncengine.config.destination import DestinationConfig
from syncengine.config.loading import load_config
from syncengine.config.models import (
    DestinationFile,
    EngineFile,
    FieldModel,
    LimitModel,
    MembersModel,
)
from syncengine.config.new_files import is_untouched_example
from syncengine.config.project import Config
from syncengine.config.schema import as_text
from syncengine.config.yaml_files import read_yaml
from tests.support.repository import ROOT

CONFIG = ROOT / "config"
VENDORS = vendors.names()
VALIDATOR = Draft202012Validator(orjson.loads((CONFIG / "schema.json").read_bytes()))
_DEFAULT = re.compile(r"^( *)#([a-z_]+:)", re.MULTILINE)


def example(vendor: str) -> Path:
    return CONFIG / "destinations" / f"{vendor}.yaml.example"


def loaded(folder: Path, *, defaults_spelled_out: bool) -> Config:
    """Load every example, copied as a user copies it."""
    (folder / "destinations").mkdir(parents=True)
    shutil.copy(CONFIG / "syncengine.yaml", folder)
    for vendor in VENDORS:
        shutil.copy(example(vendor), folder / "destinations" / f"{vendor}.yaml")
    variables: set[str] = set()
    for file in folder.rglob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        variables |= {
            name
            for name, default in re.findall(r"\$\{(\w+)(:-)?", _without_comments(text))
            if not default
        }
        if defaults_spelled_out:
            file.write_text(_DEFAULT.sub(r"\1\2", text), encoding="utf-8")
    # Everybody's own, since two destinations with the same credentials have to share an
    # account.
    return load_config(
        folder / "syncengine.yaml", {name: f"value-of-{name}" for name in variables}
    )


def _without_comments(text: str) -> str:
    return re.sub(r"(^|\s)#.*", "", text)


def _meaning(destination: DestinationConfig) -> object:
    settings = vendors.load(destination.vendor.name).settings.model_validate(
        destination.options.settings
    )
    return (
        settings,
        destination.limits,
        destination.options.model_copy(update={"settings": {}, "limits": None}),
    )


def test_every_vendor_has_an_example_that_loads_as_it_is(tmp_path: Path) -> None:
    config = loaded(tmp_path / "config", defaults_spelled_out=False)
    assert [destination.name for destination in config.destinations] == list(VENDORS)
    assert all(
        destination.vendor.name == destination.name
        for destination in config.destinations
    )


def test_what_the_examples_call_a_default_is_one(tmp_path: Path) -> None:
    plain = loaded(tmp_path / "plain", defaults_spelled_out=False)
    spelled_out = loaded(tmp_path / "spelled_out", defaults_spelled_out=True)
    assert spelled_out.engine == plain.engine
    for one, other in zip(plain.destinations, spelled_out.destinations, strict=True):
        assert _meaning(one) == _meaning(other), one.name
        assert (
            len(other.options.model_fields_set)
            >= len(one.options.model_fields_set) + 10
        ), "nothing was spelled out"


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_example_names_every_key(vendor: str) -> None:
    text = example(vendor).read_text(encoding="utf-8")
    models = (
        DestinationFile,
        vendors.load(vendor).settings,
        FieldModel,
        MembersModel,
        LimitModel,
    )
    keys = [key for model in models for key in _keys(model)]
    assert [key for key in keys if not re.search(rf"\b{key}\b", text)] == []


def test_the_common_example_names_every_key() -> None:
    text = (CONFIG / "syncengine.yaml").read_text(encoding="utf-8")
    assert [
        key
        for key in _keys(EngineFile)
        if not re.search(rf"^#?{key}:", text, re.MULTILINE)
    ] == []
    assert [
        key
        for key in _keys(config_models.SourceModel)
        if not re.search(rf"^ *#? *{key}: ", text, re.MULTILINE)
    ] == []


def _keys(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def test_the_schema_is_up_to_date() -> None:
    told = (
        "the models or the vendors changed: "
        "./run syncengine schema > /tmp/schema.json && mv /tmp/schema.json config/"
    )
    assert (CONFIG / "schema.json").read_text(encoding="utf-8") == as_text(), told


@pytest.mark.parametrize(
    "file",
    [
        CONFIG / "syncengine.yaml",
        *map(example, VENDORS),
        *sorted((CONFIG / "demo").rglob("*.yaml")),
    ],
    ids=lambda file: str(file.relative_to(CONFIG)),
)
def test_a_shipped_file_fits_the_schema(file: Path) -> None:
    assert places(read_yaml(file)) == []


@pytest.mark.parametrize(
    "file",
    [CONFIG / "syncengine.yaml", *map(example, VENDORS)],
    ids=lambda file: file.name,
)
def test_an_example_tells_editors_where_the_schema_is(file: Path) -> None:
    first, *_ = file.read_text(encoding="utf-8").splitlines()
    place = first.removeprefix("# yaml-language-server: $schema=")
    assert (file.parent / place).resolve() == CONFIG / "schema.json"


def places(content: Any) -> list[str]:
    """Return the places where the schema finds something wrong."""
    errors = VALIDATOR.iter_errors(content)
    return sorted({"/".join(map(str, error.absolute_path)) for error in errors})


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"limit": []}, ""),
        ({"in_flight": 0}, "in_flight"),
        ({"in_flight": "many"}, "in_flight"),
        ({"max_wait": "a while"}, "max_wait"),
        ({"on_removed": "explode"}, "on_removed"),
        ({"vendor": "charlie"}, "vendor"),
        ({"fields": {"first_name": {"as": "lower"}}}, "fields/first_name"),
        ({"tags": {"prefix": "crm:"}}, "tags"),
        (
            {"settings": {"base_url": "https://a.example", "source_type": "crm"}},
            "settings",
        ),
        (
            {
                "settings": {
                    "base_url": "https://a.example",
                    "source_type": "x",
                    "api_key": "plain",
                }
            },
            "settings/api_key",
        ),
    ],
)
def test_the_schema_finds_the_place_of_a_mistake(
    changes: dict[str, Any], place: str
) -> None:
    assert places({**read_yaml(example("charles")), **changes}) == [place]


def test_the_schema_finds_the_place_of_a_mistake_in_the_common_file() -> None:
    assert places({"batch_size": 0, "sauce": {}}) == ["", "batch_size"]


def test_only_the_example_itself_counts_as_untouched(tmp_path: Path) -> None:
    # In a checkout the example is the very file that people edit.
    file = tmp_path / "syncengine.yaml"
    text = (CONFIG / "syncengine.yaml").read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    assert is_untouched_example(file), "EXAMPLE_DIGEST is that of an older example"
    file.write_text(f"{text}keep_outcomes: 90d\n", encoding="utf-8")
    assert not is_untouched_example(file)
