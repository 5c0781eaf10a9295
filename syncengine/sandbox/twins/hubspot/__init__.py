"""HubSpot: a hundred contacts a request, results in any order, ids that merges change.

Two modules are its own: ``properties`` defines what contacts hold and checks values,
``search`` finds contacts by what they held some seconds ago.
"""

from __future__ import annotations

from typing import Final

from syncengine.sandbox.twins.hubspot.twin import HubSpotTwin
from syncengine.sandbox.twins.twin import Twin

TWIN: Final[type[Twin]] = HubSpotTwin
