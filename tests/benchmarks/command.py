"""The command in a process that measures itself.

``python -m tests.benchmarks.command ARGUMENTS OF SYNCENGINE`` prints what the command
prints, and then, as one more line of JSON, the time and memory that it took once
everything was imported.
"""

from __future__ import annotations

import json
import sys
import time

# Registers the verbs, and imports what a run needs, before anything is measured.
from syncengine.cli import run, verbs  # noqa: F401
from syncengine.cli.root import main
from tests.benchmarks.measured import cpu, peak

if __name__ == "__main__":
    used, began = cpu(), time.perf_counter()
    code = main(sys.argv[1:])
    took = {"seconds": time.perf_counter() - began, "cpu": cpu() - used, "peak": peak()}
    sys.stdout.write(json.dumps(took) + "\n")
    sys.exit(code)
