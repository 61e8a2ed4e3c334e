"""How long from the command to the first HTTP answer, and how much memory then idles?

Runs the product (`manage.py start`, SQLite, migrated) with the demo and with both providers' SDKs
and, beside it in the same run, the least that uvicorn can serve: one ASGI function without Django.
Prints medians and their ratio.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks._common import ROOT, introduce, medians, server_alone, show, wait_for_answer
from tests.fakes.ports import free_port

RUNS = 7
IDLE_SECONDS = 5
BARE = """
async def application(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
"""


def measure(command: list[str], port: int, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds until the first answer, and resident memory in MB after IDLE_SECONDS."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_answer(port, "/login")
        seconds = time.perf_counter() - begun
        time.sleep(IDLE_SECONDS)
        return seconds, psutil.Process(process.pid).memory_info().rss / 1e6
    finally:
        process.terminate()
        process.wait(timeout=20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="for docs/performance.md")
    markdown = parser.parse_args().markdown
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "bare.py").write_text(BARE)
        port = free_port()
        environment = {
            **os.environ,
            "ENV_FILE": "",
            "DATA_DIR": folder,
            "PORT": str(port),
            "PYTHONPATH": folder,
        }
        product = [sys.executable, "manage.py", "start"]
        bare = server_alone("bare:application", port)
        keys = {**environment, "OPENAI_API_KEY": "sk-none", "ANTHROPIC_API_KEY": "sk-none"}
        first, _ = measure(product, port, environment)
        contestants = {
            "Chatcore, demo": (product, environment),
            "Chatcore, both SDKs": (product, keys),
            "uvicorn alone": (bare, environment),
        }
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
        for _ in range(RUNS):
            for name, (command, variables) in contestants.items():
                figures[name].append(measure(command, port, variables))

    introduce(f"Cold start, medians of {RUNS} runs", markdown=markdown)
    base = medians(figures["uvicorn alone"])
    rows = [["", "first answer", "idle memory", "time, ratio", "memory, ratio"]]
    for name, runs in figures.items():
        seconds, megabytes = medians(runs)
        ratios = [f"{seconds / base[0]:.1f} x", f"{megabytes / base[1]:.1f} x"]
        rows.append([name, f"{seconds:.2f} s", f"{megabytes:.0f} MB", *ratios])
    show(rows, markdown=markdown)
    print(f"\nThe very first start, which also makes the tables: {first:.2f} s")


if __name__ == "__main__":
    main()
