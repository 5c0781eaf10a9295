"""HubSpot: what of a mapping does not fit the account's properties."""

from __future__ import annotations

import pytest

from syncengine.errors import VendorHalted
from syncengine.model.http import Json
from syncengine.model.mapping import FieldMapping, Form, Mapping, SetMapping
from syncengine.testing.driving import answer, html, scripted
from tests.support.vendors.of_hubspot import hubspot


def _property(name: str, **more: Json) -> Json:
    return {"name": name, "type": "string", "fieldType": "text", "options": [], **more}


def _options(*values: str) -> list[Json]:
    return [{"value": value, "label": value.title()} for value in values]


DEFINED = answer(
    {
        "results": [
            _property("email"),
            _property("city"),
            _property("crm_id", hasUniqueValue=True),
            _property("old_id"),
            _property("vip", type="bool", fieldType="booleancheckbox"),
            _property("visits", type="number"),
            _property("born", type="date"),
            _property("plan", type="enumeration", options=_options("free", "gold")),
            _property(
                "crm_tags",
                type="enumeration",
                fieldType="checkbox",
                options=_options("crm:vip"),
            ),
            _property("createdate", modificationMetadata={"readOnlyValue": True}),
            _property("days_open", calculated=True),
        ]
    }
)


def _problems(mapping: Mapping, **settings: Json) -> dict[str, str]:
    """The problems by their key path."""
    _, found = scripted(hubspot(**settings).mapping_problems(mapping), DEFINED)
    return {problem.key: problem.what for problem in found}


def _mapping(*fields: FieldMapping, tags: SetMapping | None = None) -> Mapping:
    return Mapping(fields=fields, tags=tags)


def test_a_fitting_mapping_has_none() -> None:
    mapping = _mapping(
        FieldMapping("crm_id", "id"),
        FieldMapping("email", "mail", Form.LOWER),
        FieldMapping("vip", "vip", Form.BOOLEAN),
        FieldMapping("visits", "visits", Form.NUMBER, default=0),
        FieldMapping("born", "born", Form.DATE),
        FieldMapping("plan", "plan", default="free"),
        tags=SetMapping(columns=(("vip", "is_vip"),), prefix="crm:"),
    )
    assert _problems(mapping, tags_property="crm_tags") == {}


def test_every_mismatch_is_named() -> None:
    mapping = _mapping(
        FieldMapping("citi", "city"),
        FieldMapping("createdate", "made"),
        FieldMapping("days_open", "days"),
        FieldMapping("vip", "vip", Form.DATE),
        FieldMapping("plan", "plan", default="Gold"),
        FieldMapping("crm_tags", "tags"),
        tags=SetMapping(columns=(("vip", "a"), ("new", "b")), prefix="crm:"),
    )
    problems = _problems(
        mapping,
        tags_property="crm_tags",
        unique_properties=["lost_id", "email"],
        phone_properties=["mobil"],
        opt_outs={"plan": "none"},
    )
    assert "old_id" in problems["settings.unique_properties"] or "lost_id" in str(
        problems
    )
    assert 'did you mean "city"?' in problems["fields.citi"]
    assert "read-only" in problems["fields.createdate"]
    assert "read-only" in problems["fields.days_open"]
    assert "of the type bool" in problems["fields.vip.as"]
    assert problems["fields.plan.default"].endswith("its options: free, gold")
    assert "settings.opt_outs.plan" in problems
    assert "holds the tags" in problems["fields.crm_tags"]
    assert problems["tags.columns"].endswith("lacks the options: crm:new")
    assert "mobil" in problems["settings.phone_properties"]


def test_a_look_up_property_has_to_be_unique() -> None:
    problems = _problems(_mapping(), unique_properties=["old_id", "email"])
    assert "not defined as unique" in problems["settings.unique_properties"]


@pytest.mark.parametrize("name", ["city", "plan"])
def test_tags_need_checkboxes(name: str) -> None:
    problems = _problems(_mapping(), tags_property=name)
    assert problems["settings.tags_property"].endswith("several checkboxes")


def test_a_missing_address_is_a_halt() -> None:
    with pytest.raises(VendorHalted):
        scripted(hubspot().mapping_problems(_mapping()), html(404))
