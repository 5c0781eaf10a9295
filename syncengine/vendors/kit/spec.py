"""The description of a vendor: what its module declares under the name ``VENDOR``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from syncengine.model.limits import Limit
from syncengine.ports import Vendor
from syncengine.vendors.kit.settings import VendorSettings

API_VERSION = 1
"""The version of ``syncengine.vendor``, raised when adapters have to be changed for it.
A spec names the version that it was written for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorSpec:
    """A vendor: its settings, its limits, and the function that builds its adapter.

    Raises ValueError for a mistake in it, so that its author sees it at once.
    """

    name: str
    """Name under which destinations choose it (``vendor: acme``), an identifier."""
    api_version: int
    """The ``syncengine.vendor.API_VERSION`` that the adapter was written for: write the
    number, so that a later syncengine can tell."""
    settings: type[VendorSettings]
    """The model of ``settings`` in a destination's file."""
    build: Callable[[Any], Vendor]
    """Builds the adapter from an instance of ``settings``."""
    version: int
    """Raised when the meaning of what is sent changes. It is part of the source hash's
    salt: all contacts are then compared again, and differences are sent."""
    limits: tuple[Limit, ...]
    """Limits of an account where the configuration names none."""
    identity: tuple[str, ...] = ()
    """Settings that say which account it is, beside ``base_url``; none may be a secret.
    A run is refused when one of them changes, until that is accepted."""
    max_in_flight: int | None = None
    """Requests of an account that may be under way at once, where the vendor caps its
    connections; None: the vendor sets no limit."""
    address: str = ""
    """The usual ``base_url``, which ``syncengine add`` writes; empty where each customer
    has one of their own."""
    usual_fields: tuple[str, ...] = ()
    """Names of the fields that a mapping usually has, in its order, custom ones that
    hold the customer's own key among them (``custom_fields.crm_id``). ``syncengine add``
    looks for their columns. Empty: all names that the capabilities list."""
    widened_by: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Settings that let a destination's ``match_on`` or ``tags`` have more than usual,
    by that key (``{"tags": "tags_property"}``): a message about what the vendor cannot
    do names them."""
    twin: str | None = None
    """The vendor's stand-in for tests and ``syncengine sandbox``, as ``module:CLASS``,
    imported on use only; None: there is none."""

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or self.name != self.name.lower():
            raise ValueError(f'name: "{self.name}" is no identifier in small letters')
        if self.version < 1:
            raise ValueError("version: begins with 1")
        self._check_widened()
        if not self.limits:
            raise ValueError("limits: an account needs one, if only a cautious guess")
        fields = self.settings.model_fields
        for name in self.identity:
            if name not in fields:
                raise ValueError(f'identity: there is no setting "{name}"')
            # It is kept in the state, in messages and in plain text.
            if fields[name].annotation is SecretStr:
                raise ValueError(f'identity: the setting "{name}" is a secret')
        if self.twin is not None and ":" not in self.twin:
            raise ValueError(f'twin: "{self.twin}" is not of the form module:CLASS')

    def _check_widened(self) -> None:
        """Raise ValueError for settings that cannot widen anything."""
        for key, name in self.widened_by.items():
            if key not in ("match_on", "tags"):
                raise ValueError(f'widened_by: "{key}" is neither match_on nor tags')
            if name not in self.settings.model_fields:
                raise ValueError(f'widened_by: there is no setting "{name}"')
