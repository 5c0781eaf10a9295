"""DM Champ: a success that may be an error, defaults like data, tags that only grow."""

from __future__ import annotations

from typing import Final

from syncengine.sandbox.twins.dm_champ.twin import DmChampTwin
from syncengine.sandbox.twins.twin import Twin

TWIN: Final[type[Twin]] = DmChampTwin
