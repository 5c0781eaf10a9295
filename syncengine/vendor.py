"""Names that an author of a vendor adapter imports.

An adapter translates calls into HTTP requests and responses into answers. It never
waits, retries, logs or opens a socket: its methods are generators that yield a
``Request``, are sent the ``Response``, and return the result. ``VendorSpec`` describes
the vendor, and an entry point of the group ``syncengine.vendors`` names it.

Nothing else of syncengine is promised to adapters. ``API_VERSION`` is raised when one
of these names changes its meaning or disappears.
"""

from __future__ import annotations

from syncengine.errors import (
    CannotBeSent,
    VendorHalted,
    VendorThrottled,
    VendorUnavailable,
)
from syncengine.model.calls import (
    Action,
    Answer,
    Applied,
    Call,
    CallResult,
    Exists,
    Rejected,
    Unsupported,
    rejected_other_id,
)
from syncengine.model.capabilities import (
    Bulk,
    Capabilities,
    Choice,
    Deletion,
    ListCall,
    OptOut,
    TagCall,
    Write,
    matches,
    whole_number,
)
from syncengine.model.contact import LISTS, Fields, MatchKey, Page, Remote
from syncengine.model.costs import Cost, exactly
from syncengine.model.http import Exchange, Json, Request, Response
from syncengine.model.limits import Limit
from syncengine.model.mapping import FieldMapping, Form, MappingProblem
from syncengine.model.mapping import Mapping as ContactMapping
from syncengine.model.phones import (
    further_spellings,
    local_spellings,
    national_digits,
    plain_spellings,
    usual_spellings,
)
from syncengine.ports import (
    BulkVendor,
    DetailReader,
    Directory,
    FieldChooser,
    MappingChecker,
    Merger,
    RequestCosts,
    SimilarPhoneFinder,
    Vendor,
)
from syncengine.vendors.kit.api_gateway import send_through_api_gateway
from syncengine.vendors.kit.batches import (
    one_each,
    readable_entries,
    sent_values_in,
)
from syncengine.vendors.kit.calls import (
    check_call,
    external_id_of,
    no_request,
    path_segment,
    sent_values,
)
from syncengine.vendors.kit.echo import (
    fields_lost,
    fields_not_taken,
    shortfall,
    tags_not_removed,
    tags_not_taken,
)
from syncengine.vendors.kit.look_ups import (
    MAX_PAGES,
    collect_hits,
    endless_pages,
    look_up,
    none_if_refused,
    probe_with,
)
from syncengine.vendors.kit.messages import clean_message
from syncengine.vendors.kit.not_found import NOT_FOUND_STATUSES
from syncengine.vendors.kit.reading import (
    NULL_AS_LIST,
    NULL_AS_OBJECT,
    ExternalId,
    ExternalIdWithSlashes,
    ListOf,
    TagNames,
    fits_a_path,
    prefixed,
    storable_tags,
)
from syncengine.vendors.kit.refusals import failed_look_up, message_in, rejection
from syncengine.vendors.kit.replies import (
    BASE_URL,
    Reply,
    ReplyModel,
    judge,
    not_from_the_api,
    parse_reply,
    reports_failure,
    retry_after,
    send_request,
)
from syncengine.vendors.kit.settings import ClearWith, Duration, Secret, VendorSettings
from syncengine.vendors.kit.spec import API_VERSION, VendorSpec
from syncengine.vendors.kit.values import (
    as_text,
    digits,
    is_full_phone,
    is_phone_of,
    is_uncommon_spelling,
    may_be_phone_of,
    phone_spellings,
    same_json,
    same_mailbox,
    same_phone,
    same_text,
    same_time,
    with_and_without_plus,
)

__all__ = [
    "API_VERSION",
    "BASE_URL",
    "LISTS",
    "MAX_PAGES",
    "NOT_FOUND_STATUSES",
    "NULL_AS_LIST",
    "NULL_AS_OBJECT",
    "Action",
    "Answer",
    "Applied",
    "Bulk",
    "BulkVendor",
    "Call",
    "CallResult",
    "CannotBeSent",
    "Capabilities",
    "Choice",
    "ClearWith",
    "ContactMapping",
    "Cost",
    "Deletion",
    "DetailReader",
    "Directory",
    "Duration",
    "Exchange",
    "Exists",
    "ExternalId",
    "ExternalIdWithSlashes",
    "FieldChooser",
    "FieldMapping",
    "Fields",
    "Form",
    "Json",
    "Limit",
    "ListCall",
    "ListOf",
    "MappingChecker",
    "MappingProblem",
    "MatchKey",
    "Merger",
    "OptOut",
    "Page",
    "Rejected",
    "Remote",
    "Reply",
    "ReplyModel",
    "Request",
    "RequestCosts",
    "Response",
    "Secret",
    "SimilarPhoneFinder",
    "TagCall",
    "TagNames",
    "Unsupported",
    "Vendor",
    "VendorHalted",
    "VendorSettings",
    "VendorSpec",
    "VendorThrottled",
    "VendorUnavailable",
    "Write",
    "as_text",
    "check_call",
    "clean_message",
    "collect_hits",
    "digits",
    "endless_pages",
    "exactly",
    "external_id_of",
    "failed_look_up",
    "fields_lost",
    "fields_not_taken",
    "fits_a_path",
    "further_spellings",
    "is_full_phone",
    "is_phone_of",
    "is_uncommon_spelling",
    "judge",
    "local_spellings",
    "look_up",
    "matches",
    "may_be_phone_of",
    "message_in",
    "national_digits",
    "no_request",
    "none_if_refused",
    "not_from_the_api",
    "one_each",
    "parse_reply",
    "path_segment",
    "phone_spellings",
    "plain_spellings",
    "prefixed",
    "probe_with",
    "readable_entries",
    "rejected_other_id",
    "rejection",
    "reports_failure",
    "retry_after",
    "same_json",
    "same_mailbox",
    "same_phone",
    "same_text",
    "same_time",
    "send_request",
    "send_through_api_gateway",
    "sent_values",
    "sent_values_in",
    "shortfall",
    "storable_tags",
    "tags_not_removed",
    "tags_not_taken",
    "usual_spellings",
    "whole_number",
    "with_and_without_plus",
]
