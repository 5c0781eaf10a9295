"""``./run soak``: faults and crashes, for as long as you like."""

from __future__ import annotations

import argparse
import os
import sys

from syncengine import vendors
from tests.soak import answers, kills, seeds


def main() -> int:
    """Do what the command line asks for; return 1 when anything was violated."""
    chosen = _arguments()
    names = chosen.vendor or vendors.names()
    passed = True
    if chosen.seeds is not None:
        passed = seeds.soak(chosen.seeds, chosen.first, names, chosen.jobs)
    if chosen.answers is not None:
        # Both are done, whatever the first one found.
        passed = answers.soak(chosen.answers, chosen.first, names) and passed
    if chosen.kills is not None:
        kills.soak(chosen.kills, chosen.first, names)
    return 0 if passed else 1


def _arguments() -> argparse.Namespace:
    """Parse the command line; leave with exit code 2 where it asks for nothing."""
    parser = argparse.ArgumentParser(prog="./run soak", description=__doc__)
    parser.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        help="N histories of each vendor, in memory on virtual time",
    )
    parser.add_argument(
        "--kills",
        type=int,
        metavar="N",
        help="N kills of the real command, and of Postgres",
    )
    parser.add_argument(
        "--answers",
        type=int,
        metavar="N",
        help="N hostile answers to each adapter's requests",
    )
    parser.add_argument(
        "--first",
        type=int,
        default=1,
        metavar="SEED",
        help="the first seed (default 1)",
    )
    parser.add_argument(
        "--vendor",
        choices=vendors.names(),
        action="append",
        help="this one only",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        help="--seeds: processes (default: the cores)",
    )
    chosen = parser.parse_args()
    if chosen.seeds is None and chosen.kills is None and chosen.answers is None:
        parser.error("say --seeds N, --answers N, --kills N, or several of them")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
