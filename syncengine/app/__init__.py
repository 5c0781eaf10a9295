"""The composition root.

It is the only place that knows configuration, storage, vendors, transport and engine
together.
"""

from __future__ import annotations

from syncengine.app.adopt import adopt
from syncengine.app.check import check
from syncengine.app.consent_file import export_consent, import_consent
from syncengine.app.databases import migrate
from syncengine.app.forecast import plan
from syncengine.app.forget import confirm, forget
from syncengine.app.merge import merge
from syncengine.app.prune import prune
from syncengine.app.rename import rename
from syncengine.app.runs import Request, run
from syncengine.app.show import show
from syncengine.app.suppress import lift, named, regions, suppress, suppressions
from syncengine.app.verify import verify

__all__ = [
    "Request",
    "adopt",
    "check",
    "confirm",
    "export_consent",
    "forget",
    "import_consent",
    "lift",
    "merge",
    "migrate",
    "named",
    "plan",
    "prune",
    "regions",
    "rename",
    "run",
    "show",
    "suppress",
    "suppressions",
    "verify",
]
