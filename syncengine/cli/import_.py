"""``syncengine import``."""

from __future__ import annotations

from syncengine import app
from syncengine.cli.engine import run_engine
from syncengine.cli.options import (
    FileOrStream,
    Flag,
    FormatOption,
    chosen_format,
    options,
)
from syncengine.cli.rendering.consent import print_imported
from syncengine.cli.rendering.rows import print_reports
from syncengine.input_files import read_handed_over


def import_(
    *,
    consent: FileOrStream,
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """Add the suppressions and erasures of an exported file to the state.

    Parameters
    ----------
    consent
        A file that `syncengine export --consent FILE` wrote; "-" is standard input.
    json
        Print one JSON object.
    """
    chosen = chosen_format(format_, json=json)
    config = options.load()
    content = read_handed_over(consent)
    report = run_engine(app.import_consent(config, str(consent), content))
    print_reports([report], chosen, lambda reports: print_imported(reports[0]))
    return 1 if report.forgotten_here else 0
