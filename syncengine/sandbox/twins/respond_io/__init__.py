"""respond.io, legacy v1: a create that repeats, 403 for nearly everything, only text.

Every token is a channel with contacts of its own.
"""

from __future__ import annotations

from typing import Final

from syncengine.sandbox.twins.respond_io.twin import RespondIoTwin
from syncengine.sandbox.twins.twin import Twin

TWIN: Final[type[Twin]] = RespondIoTwin
