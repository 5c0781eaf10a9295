"""docker-compose.yml and the Dockerfile name real commands, files and variables.

They open nothing to the network.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from syncengine.config.loading import load_config

_ROOT = Path(__file__).resolve().parents[2]
_COMPOSE = yaml.safe_load((_ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
_SERVICES: dict[str, Any] = _COMPOSE["services"]
_OURS = {name: service for name, service in _SERVICES.items() if "build" in service}


def test_it_has_what_a_first_sync_needs() -> None:
    assert set(_OURS) == {"sandbox", "migrate", "sync"}
    assert re.fullmatch(
        r"postgres:\d+@sha256:[0-9a-f]{64}", _SERVICES["postgres"]["image"]
    )


@pytest.mark.parametrize("service", sorted(_OURS))
def test_its_commands_are_real(service: str) -> None:
    verb, *options = _OURS[service]["command"]
    help_ = [sys.executable, "-m", "syncengine", verb, "--help"]
    answer = subprocess.run(
        help_, cwd=_ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    words = answer.stdout.split()
    assert [
        option for option in options if option.startswith("--") and option not in words
    ] == []


def test_its_files_are_there() -> None:
    mounts = [
        volume.split(":")
        for service in _SERVICES.values()
        for volume in service.get("volumes", [])
    ]
    files = [source for source, *_ in mounts if source.startswith(".")]
    named = [source for source, *_ in mounts if not source.startswith(".")]
    assert files
    assert [path for path in files if not (_ROOT / path).exists()] == []
    assert set(named) == set(_COMPOSE["volumes"])


def test_only_loopback_is_published() -> None:
    ports = [
        port for service in _SERVICES.values() for port in service.get("ports", [])
    ]
    assert len(ports) == 2
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_whoever_is_waited_for_can_be() -> None:
    for service in _SERVICES.values():
        for name, how in service.get("depends_on", {}).items():
            assert how["condition"] in {
                "service_healthy",
                "service_completed_successfully",
            }
            assert ("healthcheck" in _SERVICES[name]) == (
                how["condition"] == "service_healthy"
            )


def test_its_configuration_is_valid_with_the_variables_it_sets() -> None:
    environment = _OURS["sync"]["environment"]
    mounted = {
        target: _ROOT / source
        for source, target, *_ in (v.split(":") for v in _OURS["sync"]["volumes"])
    }
    file = Path(environment["SYNCENGINE_CONFIG"])
    config = load_config(mounted[str(file.parent)] / file.name, environment)
    assert {destination.name for destination in config.destinations} == {
        "charles",
        "respond_io",
    }
    sandbox = f"http://sandbox:{_SERVICES['sandbox']['command'][-1]}"
    assert {destination.base_url for destination in config.destinations} == {
        f"{sandbox}/charles",
        f"{sandbox}/respond_io",
    }


def test_the_contacts_fit_their_table() -> None:
    script = (_ROOT / "docker" / "contacts.sql").read_text(encoding="utf-8")
    [name] = re.findall(r"/demo/(\S+\.csv\.gz)", script)
    with gzip.open(_ROOT / "config" / "demo" / name, "rt", encoding="utf-8") as file:
        header = file.readline().strip().split(",")
    assert re.findall(r"^ {4}(\w+) +\w", script, re.MULTILINE) == header


def test_the_image_is_built_from_what_is_there_and_let_in() -> None:
    instructions = (_ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copies = [line.split()[1:-1] for line in instructions if line.startswith("COPY ")]
    copied = [
        path for paths in copies if not paths[0].startswith("--from=") for path in paths
    ]
    let_in = (_ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{path}" for path in copied} == {
        line for line in let_in if line.startswith("!")
    }
    assert [path for path in copied if not (_ROOT / path).exists()] == []


def test_base_images_are_named_by_digest() -> None:
    instructions = (_ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    bases = {line.split()[1] for line in instructions if line.startswith("FROM ")}
    assert len(bases) == 1
    assert [
        base
        for base in bases
        if not re.fullmatch(r"python:[\d.]+-slim@sha256:[0-9a-f]{64}", base)
    ] == []
