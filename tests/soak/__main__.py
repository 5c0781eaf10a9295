"""``./run soak``: faults and crashes, for as long as you like."""

from __future__ import annotations

import argparse
import importlib
import sys


def main() -> int:
    """Dispatch; each kind of soak is imported when asked for."""
    parser = argparse.ArgumentParser(prog="./run soak", description=__doc__)
    parser.add_argument("--seeds", type=int, metavar="N", help="N histories on virtual time, in memory")
    parser.add_argument("--kills", type=int, metavar="N", help="N kills of the real command, and of Postgres")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first seed (default 1)")
    chosen = parser.parse_args()
    if chosen.seeds is None and chosen.kills is None:
        parser.error("say --seeds N, --kills N or both")
    for kind in ("seeds", "kills"):
        number = getattr(chosen, kind)
        if number is not None:
            importlib.import_module(f"tests.soak.{kind}").soak(number, chosen.first)
    return 0


if __name__ == "__main__":
    sys.exit(main())
