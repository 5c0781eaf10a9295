"""One destination's configuration, checked and ready to be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from syncengine.config.models import DestinationFile, SourceModel
from syncengine.config.urls import is_loopback
from syncengine.model.http import Json
from syncengine.model.limits import Limit
from syncengine.model.mapping import Mapping as ContactMapping
from syncengine.ports import Vendor


@dataclass(frozen=True, slots=True)
class DestinationConfig:
    """One destination, checked and ready to be used."""

    name: str
    file: Path
    account: str
    """The account's name: the key ``account``, or else the destination's own name."""
    vendor: Vendor
    version: int
    """The vendor adapter's version, a part of the source hash's salt."""
    base_url: str
    identity: Mapping[str, Json]
    """Settings that tell one account from another and are no secrets."""
    limits: tuple[Limit, ...]
    mapping: ContactMapping
    options: DestinationFile = field(repr=False)
    source: SourceModel = field(repr=False)
    """The destination's source settings, completed by the common ones."""
    secrets: frozenset[str] = field(repr=False)

    @property
    def credentials(self) -> str | None:
        """Return what the vendor recognises the account by; None without a secret.

        The address is left out: one account can be addressed in several ways. On this
        machine there are only stand-ins for vendors, which accept any key. There port
        and path are what tells two accounts apart.
        """
        if not self.secrets:
            return None
        parts = [self.vendor.name, *sorted(self.secrets)]
        if is_loopback(self.base_url):
            address = urlsplit(self.base_url)
            parts += [str(address.port), address.path]
        return "\n".join(parts)

    def place(self, key: str) -> str:
        """Return a key of the destination's file, for messages."""
        return f"{self.file}: {key}"
