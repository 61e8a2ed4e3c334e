"""What do reports cost, as the ledger grows?

Ledgers of 100,000, a million and ten million calls, of the same 500 people and 8 models over 90
days, on each store. Prints the 30-day report, which has nothing cached, beside the same sums as
plain aggregations of the ledger; what a row costs with its buckets; and 200 at one moment.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks._common import ROOT, STORES, introduce, show, tell
from tests.fakes.mongodb import mongod

SIZES = (100_000, 1_000_000, 10_000_000)
# The indexes of ten million calls, as a server of such an installation would have room for.
MONGODB_CACHE_GIB = 4
HELD_TO_SECONDS, HELD_TO_GROWTH = 0.1, 1.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without the ten million")
    parser.add_argument("--store", choices=STORES)
    parser.add_argument("--markdown", action="store_true", help="for docs/performance.md")
    given = parser.parse_args()
    sizes = SIZES[:2] if given.quick else SIZES
    introduce("Reports of administrators", markdown=given.markdown)
    for store, name in STORES.items():
        if given.store in (None, store):
            measured = {size: measure(store, size) for size in sizes}
            print(f"\n### {name}\n" if given.markdown else f"\n{name}")
            show(table(measured), markdown=given.markdown)


def measure(store: str, size: int) -> dict[str, float]:
    tell(f"{STORES[store]}: {size:,} calls ...")
    with tempfile.TemporaryDirectory() as folder, environment_of(store) as more:
        environment = {**os.environ, "ENV_FILE": "", "DATA_DIR": folder, **more}
        command = [sys.executable, "-m", "benchmarks._ledger", str(size)]
        said = subprocess.run(
            command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE
        )
        figures: dict[str, float] = json.loads(said.stdout)
        return figures


@contextmanager
def environment_of(store: str) -> Iterator[dict[str, str]]:
    if store == "sqlite":
        yield {}
        return
    with mongod(cache_gib=MONGODB_CACHE_GIB) as server:
        if server is None:
            raise SystemExit("There is no mongod; see docs/performance.md.")
        yield {"MONGODB_URI": f"{server.uri}bench?directConnection=true"}


def table(measured: dict[int, dict[str, float]]) -> list[list[str]]:
    smallest = min(measured)
    rows = [
        [
            *("calls", "30 days", "growth", "in Kolkata", "plain aggregation", "to plain"),
            *("a row", "without buckets", "200 at once", "lost", "buckets made anew", "held to"),
        ]
    ]
    for size, each in measured.items():
        growth = each["report"] / measured[smallest]["report"]
        is_held = each["report"] <= HELD_TO_SECONDS and growth <= HELD_TO_GROWTH
        rows.append(
            [
                f"{size:,}",
                ms(each["report"]),
                f"{growth:.2f} x",
                ms(each["report in Kolkata"]),
                *against(each["report"], each.get("plain")),
                ms(each["recorded"], 2),
                ms(each["recorded without buckets"], 2),
                f"{each['at once']:.2f} s",
                f"{each['lost at once']:.0f}",
                f"{each['rebuilt']:.0f} s",
                f"<= 100 ms, <= 1.3 x: {'held' if is_held else 'missed'}",
            ]
        )
    return rows


def against(report: float, plain: float | None) -> tuple[str, str]:
    return ("–", "–") if plain is None else (ms(plain), f"{report / plain:.3f} x")


def ms(seconds: float, places: int = 1) -> str:
    return f"{seconds * 1000:.{places}f} ms"


if __name__ == "__main__":
    main()
