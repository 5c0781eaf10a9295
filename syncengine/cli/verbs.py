"""Verbs of the command line, registered by importing this module.

The modules that a verb needs are imported when it is called.
"""

from __future__ import annotations

from syncengine.cli.root import app

VERBS = {
    "demo": "Two nights of syncing real contacts to two vendors, start to finish; leaves nothing behind.",
    "check": "Check configuration, database, source and credentials; sends one harmless request a vendor.",
    "migrate": "Bring the state schema up to date.",
    "plan": "Show what a run would send, and how long it would take; sends nothing.",
    "run": "Bring the vendors' copies in step with the source.",
    "retry": "Try again, with fresh values: what did not make it in a former run, or all dead letters.",
    "show": "Show what the source asks for one contact, what is known of its copies, and what each vendor holds.",
    "verify": "Read contacts back from the vendors, and tell where they are not as the last sync left them.",
    "adopt": "Find out which of the source's contacts an account holds already; creates and changes nothing there.",
    "merge": "Make one contact of two at a vendor that can. It cannot be undone.",
    "rename": "Move everything the state has of a destination to its new name.",
    "suppress": "Send nothing about somebody any more, anywhere; not even what a run under way has planned.",
    "forget": "Erase one contact, at every vendor that can and here, and print a receipt for each destination.",
    "export": "Write suppressions and tombstones into a file: no vendor can give them back.",
    "import": "Merge suppressions and tombstones from a file into the state; none is lifted.",
    "prune": "Delete old runs with their batches and outcomes; runs may be under way meanwhile.",
    "schema": "Print the JSON Schema of the configuration's files, for editors.",
    "sandbox": "Serve stand-ins of the vendors to try a configuration against (keys: sandbox-key, sandbox-token).",
}
"""Verb to what it does, as in the first line of its own help."""
_ELSEWHERE = {
    "retry": "run:retry",
    "export": "consent_file:export",
    "import": "consent_file:import_",
}
"""Verbs that are defined in another file, or under a name that Python allows."""

for _verb, _help in VERBS.items():
    app.command(
        f"syncengine.cli.{_ELSEWHERE.get(_verb, f'{_verb}:{_verb}')}",
        name=_verb,
        help=_help,
    )
