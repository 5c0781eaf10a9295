"""ChartMogul: a create that repeats, attributes that vanish, a limit without headers.

The twin comes with one data source and five customers: every contact belongs to both.
"""

from __future__ import annotations

from typing import Final

from syncengine.sandbox.twins.chartmogul.twin import ChartMogulTwin
from syncengine.sandbox.twins.twin import Twin

TWIN: Final[type[Twin]] = ChartMogulTwin
