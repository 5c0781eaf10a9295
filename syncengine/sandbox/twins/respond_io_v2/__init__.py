"""respond.io v2: creates wait in a queue, 403 means three things, limits by route."""

from __future__ import annotations

from typing import Final

from syncengine.sandbox.twins.respond_io_v2.twin import RespondIoV2Twin
from syncengine.sandbox.twins.twin import Twin

TWIN: Final[type[Twin]] = RespondIoV2Twin
