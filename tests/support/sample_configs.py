"""Good configurations to break, and the problems reported for broken ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from syncengine.config.loading import load_config
from syncengine.config.project import Config
from syncengine.errors import ConfigError

ENGINE = """
database: ${STATE}
source: {table: crm.contacts, key: id}
"""
GOOD = {
    "respond_io": """
vendor: respond_io
settings: {base_url: "https://app.respond.io/api/v1", token: "${TOKEN}"}
match_on: [crm_id]
fields: {crm_id: id, firstName: first_name}
""",
    "charles": """
vendor: charles
settings: {base_url: "https://acme.example", api_key: "${KEY}", source_type: crm}
fields: {first_name: first_name}
""",
    "chartmogul": """
vendor: chartmogul
settings: {base_url: "https://api.chartmogul.com/v1", api_key: "${KEY}", data_source_uuid: ds_1}
match_on: [external_id]
fields: {external_id: id, customer_uuid: company}
""",
    "dm_champ": """
vendor: dm_champ
settings: {base_url: "https://api.dmchamp.com/v1", api_key: "${KEY}"}
match_on: [phoneNumber]
fields: {phoneNumber: phone}
""",
    "hubspot": """
vendor: hubspot
settings: {base_url: "https://api.hubapi.com", token: "${KEY}", unique_properties: [crm_id]}
match_on: [crm_id]
fields: {crm_id: id, email: email}
""",
    "respond_io_v2": """
vendor: respond_io_v2
settings: {base_url: "https://api.respond.io/v2", token: "${KEY}"}
match_on: [phone]
fields: {phone: phone, firstName: first_name}
""",
    "whautomate": """
vendor: whautomate
settings: {base_url: "https://api.whautomate.com", api_key: "${KEY}", location_id: berlin}
match_on: [phoneNumber]
fields: {name: name, phoneNumber: phone}
""",
}
ENVIRON = {
    "STATE": "postgresql://sync:state-password@db/crm",
    "TOKEN": "token-value",
    "KEY": "key-value",
}


def changed(text: str, changes: str) -> str:
    """The file with top-level keys put in place of those of the same name."""
    keys = {line.partition(":")[0] for line in changes.splitlines()}
    kept = [line for line in text.splitlines() if line.partition(":")[0] not in keys]
    return "\n".join([*kept, changes]) + "\n"


def written(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """The files on disk; the common one's path."""
    (folder / "destinations").mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )
    return folder / "syncengine.yaml"


def problems(
    folder: Path, files: Mapping[str, str | bytes], environ: Mapping[str, str] = ENVIRON
) -> list[str]:
    """Return the problems that are reported for these files.

    They stand beside a common one, which is good unless given. Paths are relative to
    its folder.
    """
    file = written(folder / "config", {"syncengine.yaml": ENGINE, **files})
    with pytest.raises(ConfigError) as told:
        load_config(file, environ)
    assert not [
        value for value in environ.values() if value and value in str(told.value)
    ], "a secret is shown"
    return [
        str(problem).replace(f"{folder / 'config'}/", "")
        for problem in told.value.problems
    ]


def of(file: str, told: str | Sequence[str]) -> list[str]:
    """Lines as they are told of one file."""
    return [f"{file}: {line}" for line in ([told] if isinstance(told, str) else told)]


def loaded(folder: Path, changes: str, vendor: str = "respond_io") -> Config:
    """A good configuration with changes that leave it good."""
    files = {
        "syncengine.yaml": ENGINE,
        "destinations/crm.yaml": changed(GOOD[vendor], changes),
    }
    return load_config(written(folder / "config", files), ENVIRON)
