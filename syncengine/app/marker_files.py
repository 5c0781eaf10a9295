"""Files of the markers, beside the configuration.

Each state has a file of its own, named by the state's id; each machine that runs has
files of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from syncengine.app.databases import FOLDER
from syncengine.config.project import Config
from syncengine.errors import ConfigError
from syncengine.input_files import read_regular
from syncengine.model.markers import Marker
from syncengine.output_files import FreshFile

_MARKER = TypeAdapter(Marker)


def is_writable(config: Config) -> bool:
    """Return whether markers can be kept."""
    folder = _folder(config)
    existing = folder if folder.exists() else folder.parent
    return os.access(existing, os.W_OK | os.X_OK)


def marker_file(config: Config, state_id: str) -> Path:
    """Return the path of a state's marker."""
    return _folder(config) / f"state-{state_id}.json"


def read_markers(config: Config) -> dict[str, Marker]:
    """Return the markers of all states, by state id."""
    return {marker.state_id: marker for marker in _all(config)}


def read_marker(config: Config, state_id: str) -> Marker | None:
    """Return the marker of a state; None where there is none that can be read."""
    return _read(marker_file(config, state_id))


def write_marker(config: Config, marker: Marker) -> None:
    """Write a marker whole or not at all.

    Does nothing where the folder cannot be written: a run must not fail for that.
    """
    file = marker_file(config, marker.state_id)
    content = orjson.dumps(
        marker, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    )
    try:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        # Whoever reads it meanwhile, or after a crash, finds the old marker or the new
        # one.
        with FreshFile(file) as fresh:
            fresh.stream.write(content)
            fresh.finish()
    except OSError:
        return


def _all(config: Config) -> Iterator[Marker]:
    for file in sorted(_folder(config).glob("state-*.json")):
        marker = _read(file)
        if marker is not None:
            yield marker


def _read(file: Path) -> Marker | None:
    try:
        return _MARKER.validate_json(read_regular(file))
    except (ConfigError, ValidationError):
        return None


def _folder(config: Config) -> Path:
    return config.file.parent / FOLDER
