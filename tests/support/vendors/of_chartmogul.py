"""An adapter for ChartMogul, and the samples of the contract suite."""

from __future__ import annotations

from typing import Any

from syncengine.model.calls import Action
from syncengine.model.http import Json
from syncengine.sandbox.twins.chartmogul.store import CUSTOMERS, DATA_SOURCE
from syncengine.vendors.chartmogul import ChartMogul, ChartMogulSettings

UUID = "con_00000000-1111-4111-8222-333333333333"


def chartmogul(**settings: Any) -> ChartMogul:
    return ChartMogul(
        ChartMogulSettings.model_validate(
            {"base_url": "https://api.example/v1", "api_key": "k-123", **settings}
        )
    )


VARIANTS: dict[str, tuple[dict[str, Json], dict[str, Json]]] = {
    "one data source": ({"data_source_uuid": DATA_SOURCE}, {}),
    "nothing clears": ({"clear_with": "nothing"}, {"null_mode": "ignore"}),
    "unknown filters": ({}, {"unknown_filter": "404"}),
    "unique external ids": ({}, {"external_id_unique": True}),
}


def sample(number: int) -> dict[str, Json]:
    """One of each kind of value, and the fields that have a form of their own."""
    return {
        "customer_uuid": CUSTOMERS[0],
        "data_source_uuid": DATA_SOURCE,
        "external_id": f"crm-{number}",
        "email": f"Ilse.{number}@example.org",
        "first_name": f"Žofia 李 {number}",
        "last_name": f"O'Brien & <Söhne> {number}",
        "phone": f"+49151112233{number:02}",
        "title": f"Head of {number}",
        "linked_in": f"https://linkedin.example/in/{number}",
        "notes": f"line one\nline {number}",
        "last_seen": f"2025-03-02T08:15:{number:02}+00:00",
        "position": number,
        "custom.plan": f"gold {number}",
        "custom.visits": 1_000_000 + number,
        "custom.score": number + 0.125,
        "custom.vip": True,
        "custom.spam": False,
    }


UNSAID = ((Action.DELETE, False),)
"""A deletion is answered with an empty object."""
