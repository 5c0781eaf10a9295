"""Verbs of the command line, registered by importing this module.

Each verb is the function of its name in the module of its name. A verb that Python
reserves (``import``) has an underscore behind it there, and a hyphen is an underscore.
The module is imported when its verb is called, so that help comes at once.
"""

from __future__ import annotations

import keyword

from syncengine.cli.root import app

VERBS = {
    "demo": "Sync real contacts to two stand-in vendors, here; leaves nothing behind.",
    "init": "Look for your contacts in a database, and write the configuration's main file.",
    "add": "Propose where each of a vendor's fields comes from, and write a destination's file.",
    "check": "Check configuration, database, source and keys; sends each vendor one request.",
    "migrate": "Create the database schema that keeps the state, or bring it up to date.",
    "plan": "Show what a run would send, and how long it would take; sends nothing.",
    "run": "Send what changed in the source, so that the vendors' copies agree with it.",
    "retry": "Try again, with fresh values, what failed in an earlier run, or all dead letters.",
    "undo": "Put back at the vendor what a run changed there; shows first what that would be.",
    "status": "Show each destination's last run, who works on it now, and contacts left alone.",
    "alerts": "Show what is wrong where, look for what no run notices, or try the targets.",
    "runs": "List the last runs, newest first, or the batches of one run.",
    "failures": "List the contacts that fell short, and what to do about each.",
    "why": "Explain one contact: what was sent, what the vendor said, what comes next.",
    "history": "List every run that touched one contact, and what each changed, newest first.",
    "watch": "Show runs that somebody else has started, here or on another host.",
    "report": "Write the report of a run as one HTML page, to read, forward and print.",
    "serve": "Serve read-only pages about destinations, runs, failures and contacts.",
    "metrics": "Write metrics for Prometheus to a file, for node_exporter's textfile collector.",
    "show": "Show one contact: its row, what is known of its copies, what the vendors hold.",
    "verify": "Read contacts back from the vendors; report where they differ from what was sent.",
    "adopt": "Link the source's contacts to those that exist at the vendor; changes none there.",
    "merge": "Merge two contacts at a vendor that can. This cannot be undone.",
    "rename": "Move all that is known of a destination to the destination's new name.",
    "suppress": "Send nothing about somebody any more, to any vendor, from this moment on.",
    "forget": "Erase one contact at every vendor and here; print a receipt for each destination.",
    "suppressions": "List the suppressions, newest first, or tell whether somebody is suppressed.",
    "erasures": "List the erasures that were asked for, those that somebody has to finish first.",
    "export": "List all contacts with their vendor ids and states, or back up who said no.",
    "import": "Add the suppressions and erasures of an exported file to the state.",
    "prune": "Delete old runs from the state; other runs may be under way meanwhile.",
    "completion": "Print a script with which your shell completes verbs and options.",
    "schema": "Print the JSON Schema of the configuration's files, for editors.",
    "new-vendor": "Write the package of a new vendor, which passes its own tests at once.",
    "sandbox": "Serve stand-ins for the vendors on this machine, to try a configuration with.",
}
"""Verb to what it does, as in the first line of its docstring.

It is repeated here, since the verbs' modules are not imported for the list of verbs.
"""

DETAILS = {
    "suppressions": (
        "Only salted hashes are kept, so the list names nobody. Phones and addresses "
        "come from files or standard input, since every user of the machine can read "
        "a command line; the answer has the line's number."
    ),
    "show": "Prints personal data.",
    "completion": (
        "For bash, write it to "
        "`~/.local/share/bash-completion/completions/syncengine`; for fish, to "
        "`~/.config/fish/completions/syncengine.fish`; for zsh, to a file `_syncengine` "
        "in a folder of your `fpath`. Write it anew after an upgrade."
    ),
    "undo": (
        "What somebody or a later run has changed since stays, and is named. Values that "
        "nobody knows are not cleared, opt-outs are not taken back, and nobody is "
        "created again. What was put back is not sent again until its row or the "
        "mapping changes. Without --yes nothing is sent, with exit code 2, unless you "
        "say yes in a terminal."
    ),
    "suppress": (
        "Phones and addresses come from files or standard input, since every user of "
        "the machine can read a command line. A line is read as the same value in a "
        "column would be. A file with a line that is not surely one number or one "
        "address is refused as a whole. Only salted hashes are kept. Without any "
        "option, the number of suppressions is printed."
    ),
    "forget": (
        "Where a vendor's API cannot erase, or a destination has no file any more, the "
        "receipt contains the request to make to the vendor. The erasure stays open, "
        "with exit code 1, until `forget CONTACT --confirmed -d NAME` confirms that "
        "the vendor has done it."
        "\n\n"
        "A salted hash of the contact's id is kept, so that the contact is not created "
        "again should its row be restored; `suppress --lift --forgotten --contact ID` "
        "takes that back. Delete the row from your source yourself. A contact that is "
        "not linked to one at the vendor is looked up by its row, and deleted unless "
        "another contact owns what is found."
    ),
}
"""What a verb's own help says beyond that."""


def python_name(verb: str) -> str:
    """Return the name of a verb's module and function."""
    name = verb.replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


for _verb, _help in VERBS.items():
    _name = python_name(_verb)
    if _verb in DETAILS:
        _help = f"{_help}\n\n{DETAILS[_verb]}"
    app.command(f"syncengine.cli.{_name}:{_name}", name=_verb, help=_help)
