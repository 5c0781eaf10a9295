"""The names that are promised to authors of vendors, frozen.

A change is a new ``API_VERSION``.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from syncengine import testing, vendor, vendors
from syncengine.testing import twins

PROMISED = """
API_VERSION BASE_URL LISTS MAX_PAGES NOT_FOUND_STATUSES NULL_AS_LIST NULL_AS_OBJECT

Action Answer Applied Bulk BulkVendor Call CallResult CannotBeSent Capabilities Choice
ClearWith ContactMapping Cost Deletion DetailReader Directory Duration Exchange Exists
ExternalId ExternalIdWithSlashes FieldChooser FieldMapping Fields Form Json Limit
ListCall ListOf MappingChecker MappingProblem MatchKey Merger OptOut Page Rejected
Remote Reply ReplyModel Request RequestCosts Response Secret SimilarPhoneFinder TagCall
TagNames Unsupported Vendor VendorHalted VendorSettings VendorSpec VendorThrottled
VendorUnavailable Write

as_text check_call clean_message collect_hits digits endless_pages exactly
external_id_of failed_look_up fields_lost fields_not_taken fits_a_path
further_spellings is_full_phone is_phone_of is_uncommon_spelling judge local_spellings
look_up matches may_be_phone_of message_in national_digits no_request none_if_refused
not_from_the_api one_each parse_reply path_segment phone_spellings plain_spellings
prefixed probe_with readable_entries rejected_other_id rejection reports_failure
retry_after same_json same_mailbox same_phone same_text same_time send_request
send_through_api_gateway sent_values sent_values_in shortfall storable_tags
tags_not_removed tags_not_taken usual_spellings whole_number with_and_without_plus
"""

PROMISED_FOR_TESTS = """
ContractHints Sandbox answer contract_suite drive html requested scripted serve
"""
PROMISED_FOR_TWINS = """
IDS_APART STRICT

ApiTwin Json Response Seed StoreScreen Twin TwinAccount TwinLimit TwinRefusalError
TwinRequest TwinRoutes TwinStore

answer basic_user bearer_token html_page iso_time listed object_of picked query_of
retry_header set_or_clear with_prefix
"""


def test_the_names_are_those_that_were_promised() -> None:
    assert sorted(vendor.__all__) == sorted(PROMISED.split())
    assert vendor.API_VERSION == 1
    assert all(hasattr(vendor, name) for name in vendor.__all__)


def test_so_are_those_for_tests_and_twins() -> None:
    assert sorted(testing.__all__) == sorted(PROMISED_FOR_TESTS.split())
    assert sorted(twins.__all__) == sorted(PROMISED_FOR_TWINS.split())
    for module in (testing, twins):
        assert all(hasattr(module, name) for name in module.__all__)


@pytest.mark.parametrize("name", vendors.OWN)
def test_our_own_adapters_need_nothing_else(name: str) -> None:
    folder = Path(vendors.__file__).parent
    # A vendor is a module, or a package of modules.
    files = list((folder / name).glob("*.py")) or [folder / f"{name}.py"]
    imported = {
        node.module or ""
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
    }
    own_parts = f"syncengine.vendors.{name}"
    ours = {
        module
        for module in imported
        if module.startswith("syncengine") and not module.startswith(own_parts)
    }
    assert ours == {"syncengine.vendor"}
