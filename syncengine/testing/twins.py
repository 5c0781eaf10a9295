"""The parts from which a twin is built: a vendor's behaviour, without a socket.

A twin is built from the vendor's documentation, never from the adapter, and what the
documentation leaves open is a switch. ``ApiTwin`` says what a vendor's own twin has to
define.
"""

from __future__ import annotations

from syncengine.model.http import Json, Response
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.kit.answers import (
    TwinRefusalError,
    answer,
    html_page,
    iso_time,
    retry_header,
)
from syncengine.sandbox.twins.kit.api import ApiTwin
from syncengine.sandbox.twins.kit.fields import picked, set_or_clear, with_prefix
from syncengine.sandbox.twins.kit.requests import (
    TwinRoutes,
    basic_user,
    bearer_token,
    object_of,
    query_of,
)
from syncengine.sandbox.twins.kit.screen import StoreScreen
from syncengine.sandbox.twins.kit.store import (
    IDS_APART,
    TwinAccount,
    TwinStore,
    listed,
)
from syncengine.sandbox.twins.twin import Seed, Twin, TwinRequest
from syncengine.sandbox.validation import STRICT

__all__ = [
    "IDS_APART",
    "STRICT",
    "ApiTwin",
    "Json",
    "Response",
    "Seed",
    "StoreScreen",
    "Twin",
    "TwinAccount",
    "TwinLimit",
    "TwinRefusalError",
    "TwinRequest",
    "TwinRoutes",
    "TwinStore",
    "answer",
    "basic_user",
    "bearer_token",
    "html_page",
    "iso_time",
    "listed",
    "object_of",
    "picked",
    "query_of",
    "retry_header",
    "set_or_clear",
    "with_prefix",
]
