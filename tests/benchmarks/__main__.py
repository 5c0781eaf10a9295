"""``./run bench [NAME] [OPTIONS]``:

every benchmark, or one. Each brings a server of its own and prints its table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tests.benchmarks import backfill, bulk, desk, forecast, pacing, unchanged, undo

BENCHMARKS: dict[str, Callable[[list[str]], None]] = {
    "unchanged": unchanged.main,
    "backfill": backfill.main,
    "bulk": bulk.main,
    "pacing": pacing.main,
    "desk": desk.main,
    "forecast": forecast.main,
    "undo": undo.main,
}


def main(tokens: list[str]) -> None:
    """Run what the command line names."""
    if tokens and tokens[0] in BENCHMARKS:
        BENCHMARKS[tokens[0]](tokens[1:])
        return
    parser = argparse.ArgumentParser(
        prog="./run bench",
        description=__doc__,
        epilog=f"NAME is one of {', '.join(BENCHMARKS)}; each has --help.",
    )
    parser.add_argument(
        "--contacts", type=int, help="fewer (or more) than each takes by itself"
    )
    options = parser.parse_args(tokens)
    for benchmark in BENCHMARKS.values():
        benchmark(
            [] if options.contacts is None else ["--contacts", str(options.contacts)]
        )


if __name__ == "__main__":
    main(sys.argv[1:])
