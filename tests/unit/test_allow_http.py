"""Keys and contacts go unencrypted to this machine only.

Anything else has to be allowed in the configuration.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from syncengine.config.loading import load_config
from syncengine.errors import ConfigError
from tests.support.people_project import RESPOND_IO


def _load(folder: Path, base_url: str, **keys: object) -> None:
    (folder / "destinations").mkdir()
    engine = {"database": "postgresql:///x", "source": {"table": "t", "key": "id"}}
    destination = {
        **RESPOND_IO,
        **keys,
        "settings": {**RESPOND_IO["settings"], "base_url": base_url},
    }
    (folder / "syncengine.yaml").write_text(yaml.safe_dump(engine), encoding="utf-8")
    (folder / "destinations" / "whatsapp.yaml").write_text(
        yaml.safe_dump(destination), encoding="utf-8"
    )
    load_config(
        folder / "syncengine.yaml", {"RESPOND_IO_TOKEN": "a-token-of-some-length"}
    )


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.example/v1",
        "http://localhost:8080",
        "http://127.0.0.1:1/x",
        "http://127.8.9.10",
        "http://[::1]:8080",
    ],
)
def test_https_and_this_machine_are_fine(tmp_path: Path, base_url: str) -> None:
    _load(tmp_path, base_url)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.example/v1",
        "http://10.0.0.7",
        "http://0.0.0.0",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://[2001:db8::1]",
        "HTTP://api.example",
    ],
)
def test_plain_http_to_anybody_else_has_to_be_meant(
    tmp_path: Path, base_url: str
) -> None:
    with pytest.raises(
        ConfigError,
        match=r"whatsapp.yaml: settings.base_url: sends keys and contacts unencrypted",
    ):
        _load(tmp_path, base_url)


def test_somebody_may_mean_it(tmp_path: Path) -> None:
    _load(tmp_path, "http://api.example/v1", allow_http=True)
