"""Whautomate: updates that replace, a loose search, automations that message people."""

from __future__ import annotations

from typing import Final

from syncengine.sandbox.twins.twin import Twin
from syncengine.sandbox.twins.whautomate.twin import WhautomateTwin

TWIN: Final[type[Twin]] = WhautomateTwin
