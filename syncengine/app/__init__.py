"""The composition root.

It is the only place that knows configuration, storage, vendors, transport and engine
together.
"""

from __future__ import annotations

from syncengine.app.databases import migrate
from syncengine.app.named_subjects import asked_one_by_one, named, regions
from syncengine.app.run_request import RunRequest
from syncengine.app.verbs.adopt import adopt
from syncengine.app.verbs.alerts import alerts, check_alerts, try_alerts
from syncengine.app.verbs.check import check
from syncengine.app.verbs.confirm import confirm
from syncengine.app.verbs.consent_lists import (
    all_suppressions,
    asked_suppressions,
    erasures,
)
from syncengine.app.verbs.export import export_consent, export_contacts
from syncengine.app.verbs.failures import failures
from syncengine.app.verbs.forget import forget
from syncengine.app.verbs.history import history
from syncengine.app.verbs.import_ import import_consent
from syncengine.app.verbs.merge import merge
from syncengine.app.verbs.plan import plan
from syncengine.app.verbs.prune import prune
from syncengine.app.verbs.rename import rename
from syncengine.app.verbs.run import run
from syncengine.app.verbs.runs import batches, one_run, runs
from syncengine.app.verbs.show import show
from syncengine.app.verbs.suppress import lift, suppress, suppressions
from syncengine.app.verbs.verify import verify
from syncengine.app.verbs.why import why

__all__ = [
    "RunRequest",
    "adopt",
    "alerts",
    "all_suppressions",
    "asked_one_by_one",
    "asked_suppressions",
    "batches",
    "check",
    "check_alerts",
    "confirm",
    "erasures",
    "export_consent",
    "export_contacts",
    "failures",
    "forget",
    "history",
    "import_consent",
    "lift",
    "merge",
    "migrate",
    "named",
    "one_run",
    "plan",
    "prune",
    "regions",
    "rename",
    "run",
    "runs",
    "show",
    "suppress",
    "suppressions",
    "try_alerts",
    "verify",
    "why",
]
