"""Ways to write a configuration.

Anchors under keys of their own, single names for lists, texts with a dollar.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from syncengine.config.loading import load_config
from tests.support.sample_configs import (
    ENGINE,
    ENVIRON,
    GOOD,
    loaded,
    of,
    problems,
    written,
)

ANCHORS = """
x-phone: &phone {from: mobile, as: e164, region: DE}
x-unread: {any: [thing, "${", "${NOT_SET}"]}
vendor: respond_io
settings: {base_url: "https://app.respond.io/api/v1", token: "${TOKEN}", x-note: asked for in May}
match_on: phone
fields:
  phone: *phone
  second: {<<: *phone, from: landline, x-note: rarely there}
  x-custom: custom
tags: {columns: {x-vip: is_vip}, x-note: all of them}
limits: [{calls: 5, per: 1s, x-note: by mail}]
brakes: {x-note: usual ones, removals: {x-note: few leave, share: 0.1}}
source: {x-note: the same}
"""


def test_keys_that_begin_with_x_are_not_read_where_the_keys_are_ours(
    tmp_path: Path,
) -> None:
    common = f"x-anchors: &all {{any: [thing]}}\n{ENGINE}"
    file = written(
        tmp_path / "config",
        {"syncengine.yaml": common, "destinations/crm.yaml": ANCHORS},
    )
    (destination,) = load_config(file, ENVIRON).destinations
    columns = {
        field.field: (field.column, field.region)
        for field in destination.mapping.fields
    }
    assert columns == {
        "phone": ("mobile", "DE"),
        "second": ("landline", "DE"),
        "x-custom": ("custom", None),
    }
    assert destination.mapping.tags is not None
    assert destination.mapping.tags.columns == (("x-vip", "is_vip"),)
    assert destination.options.brakes.removals.share == 0.1


def test_a_secret_behind_an_anchor_is_found_where_it_is_used(tmp_path: Path) -> None:
    text = GOOD["respond_io"].replace(
        'settings: {base_url: "https://app.respond.io/api/v1", token: "${TOKEN}"}',
        "settings: *all",
    )
    text = (
        f"x-all: &all {{base_url: 'https://app.respond.io/api/v1', token: "
        f"abcdefghij}}\n{text}"
    )
    told = (
        "settings.token: secrets come from the environment only: "
        "write ${NAME} here, without a default"
    )
    assert problems(tmp_path, {"destinations/crm.yaml": text}) == of(
        "destinations/crm.yaml", told
    )


@pytest.mark.parametrize("vendor", [name for name in GOOD if name != "charles"])
def test_a_single_match_field_needs_no_list(tmp_path: Path, vendor: str) -> None:
    field = GOOD[vendor].partition("match_on: [")[2].partition("]")[0]
    (destination,) = loaded(tmp_path, f"match_on: {field}", vendor).destinations
    assert destination.mapping.match_on == (field,)


def test_single_names_in_settings_need_no_list(tmp_path: Path) -> None:
    settings = (
        'settings: {base_url: "https://api.whautomate.com", api_key: '
        '"${KEY}", location_id: a, '
    )
    one = loaded(
        tmp_path / "one", settings + "found_by: phoneNumber, tagged: vip}", "whautomate"
    )
    many = loaded(
        tmp_path / "many",
        settings + "found_by: [phoneNumber], tagged: [vip]}",
        "whautomate",
    )
    (first,), (second,) = one.destinations, many.destinations
    assert first.options.settings != second.options.settings
    assert first.vendor.capabilities == second.vendor.capabilities
    assert vars(first.vendor)["_search_query"] == vars(second.vendor)["_search_query"]


def test_a_text_with_a_dollar_and_a_brace_is_sent_as_it_is(tmp_path: Path) -> None:
    fields = "fields: {crm_id: id, plan: {from: plan, default: '$${price}'}}"
    (destination,) = loaded(tmp_path, fields).destinations
    assert [field.default for field in destination.mapping.fields] == [None, "${price}"]
