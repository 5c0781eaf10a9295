"""Messages on what a vendor cannot do, or cannot do without, in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncengine import vendors
from tests.support.sample_configs import GOOD, changed, loaded, of, problems

CHARLES_HAS = (
    "charles has no such field (it has: "
    "custom_properties.NAME, first_name, middle_name, last_name, "
    "external_channel_reference_id, phone_numbers.NAME, email_addresses.NAME, "
    "external_reference_id)"
)


@pytest.mark.parametrize("vendor", GOOD)
def test_what_the_changes_below_are_made_to_is_good(
    tmp_path: Path, vendor: str
) -> None:
    assert sorted(GOOD) == list(vendors.names())
    (destination,) = loaded(tmp_path, "", vendor).destinations
    assert destination.vendor.name == vendor


@pytest.mark.parametrize(
    ("vendor", "changes", "told"),
    [
        (
            "charles",
            "fields: {first_nmae: n}",
            f'fields.first_nmae: {CHARLES_HAS}; did you mean "first_name"?',
        ),
        ("charles", "fields: {email: e}", f"fields.email: {CHARLES_HAS}"),
        (
            "charles",
            "fields: {phone_numbers: p}",
            f'fields.phone_numbers: {CHARLES_HAS}; did you mean "phone_numbers.NAME"?',
        ),
        (
            "charles",
            "match_on: [first_name]",
            (
                'match_on: charles cannot recognise contacts by "first_name", only by '
                "external_reference_id"
            ),
        ),
        (
            "charles",
            "match_on: [external_reference_id]",
            (
                'match_on: "external_reference_id" is not a key of fields; '
                "map it there first"
            ),
        ),
        (
            "charles",
            "lists: {from: lists}",
            "lists: charles has no lists; leave them out",
        ),
        (
            "chartmogul",
            "tags: {from: tags}",
            "tags: chartmogul has no tags; leave them out",
        ),
        (
            "chartmogul",
            "fields: {external_id: id}",
            "fields: chartmogul creates no contact without customer_uuid: map it here",
        ),
        (
            "chartmogul",
            "match_on: []",
            (
                "match_on: is missing: chartmogul recognises contacts by email or "
                "external_id; map one, and name it here"
            ),
        ),
        (
            "chartmogul",
            "match_on: [customer_uuid]",
            (
                'match_on: chartmogul cannot recognise contacts by "customer_uuid", '
                "only by email or external_id"
            ),
        ),
        (
            "chartmogul",
            "in_flight: 11",
            (
                "in_flight: must be 10 or less: chartmogul refuses connections beyond "
                "a number, and counts those of "
                "other integrations too"
            ),
        ),
        (
            "hubspot",
            "limits: [{calls: 5, per: 1s}, {items: 99, per: 1s}]",
            (
                "limits.1.items: must be 100 or more: one request to hubspot carries "
                "up to 100 contacts; for a lower pace give it a longer per"
            ),
        ),
        (
            "hubspot",
            'settings: {base_url: "https://api.hubapi.com", token: "${KEY}"}',
            (
                'match_on: hubspot cannot recognise contacts by "crm_id", only by '
                "email; others have to be named in settings.unique_properties"
            ),
        ),
        (
            "hubspot",
            "tags: {from: tags}",
            (
                "tags: hubspot has no tags; leave them out, or set "
                "settings.tags_property"
            ),
        ),
        (
            "respond_io_v2",
            "match_on: [firstName]",
            (
                "match_on: respond_io_v2 creates and updates contacts by phone or "
                "email: map one of them, and name it here"
            ),
        ),
        (
            "whautomate",
            "fields: {name: name, phoneNumber: phone, city: city}",
            (
                "fields.city: whautomate has no such field (it has: "
                "customFields.NAME, name, phoneNumber, stage, notes)"
            ),
        ),
        (
            "whautomate",
            "fields: {phoneNumber: phone}",
            "fields: whautomate creates no contact without name: map it here",
        ),
        (
            "whautomate",
            (
                'settings: {base_url: "https://api.whautomate.com", api_key: '
                '"${KEY}", location_id: ""}'
            ),
            "settings.location_id: must not be empty",
        ),
    ],
)
def test_what_a_vendor_cannot_do_is_refused(
    tmp_path: Path, vendor: str, changes: str, told: str
) -> None:
    files = {"destinations/crm.yaml": changed(GOOD[vendor], changes)}
    assert problems(tmp_path, files) == of("destinations/crm.yaml", told)


def test_a_default_comes_in_the_form_of_its_field(tmp_path: Path) -> None:
    fields = (
        "fields: {crm_id: id, plan: {from: plan, as: lower, default: Free}, age: "
        "{from: age, as: number, default: '7'}}"
    )
    (destination,) = loaded(tmp_path, fields).destinations
    assert [field.default for field in destination.mapping.fields] == [None, "free", 7]
