"""charles: an upsert by external reference, lists that only grow, an erasure job.

There is no look-up and no way to remove a tag, a phone or an e-mail over the API.
"""

from __future__ import annotations

from typing import Final

from syncengine.sandbox.twins.charles.twin import CharlesTwin
from syncengine.sandbox.twins.twin import Twin

TWIN: Final[type[Twin]] = CharlesTwin
