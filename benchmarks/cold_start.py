"""How long from the command to the first HTTP answer, and how much memory then idles?

Runs the product (`manage.py start`, SQLite, migrated) with the demo and with both providers' SDKs
and, beside it in the same run, the least that uvicorn can serve: one ASGI function without Django.
Prints medians and their ratio.
"""

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.fakes.ports import free_port  # noqa: E402

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
        wait_for_answer(port)
        seconds = time.perf_counter() - begun
        time.sleep(IDLE_SECONDS)
        return seconds, psutil.Process(process.pid).memory_info().rss / 1e6
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_for_answer(port: int, limit: float = 30) -> None:
    deadline = time.perf_counter() + limit
    while time.perf_counter() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=limit)
        try:
            connection.request("GET", "/login")
            connection.getresponse().read()
            return
        except ConnectionRefusedError:
            time.sleep(0.01)
        finally:
            connection.close()
    raise TimeoutError("the server did not answer")


def main() -> None:
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
        bare = [sys.executable, "-m", "uvicorn", "--port", str(port), "--loop", "asyncio"]
        bare.append("bare:application")
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

    medians = {
        name: tuple(statistics.median(column) for column in zip(*runs, strict=True))
        for name, runs in figures.items()
    }
    print(f"Cold start, medians of {RUNS} runs, Python {sys.version.split()[0]}")
    base = medians["uvicorn alone"]
    print(f"{'':<20}{'first answer':>14}{'idle memory':>14}{'ratios':>14}")
    for name, (seconds, megabytes) in medians.items():
        ratios = f"{seconds / base[0]:.1f} x {megabytes / base[1]:.1f} x"
        print(f"{name:<20}{seconds:>12.2f} s{megabytes:>11.0f} MB{ratios:>14}")
    print(f"The very first start, which also makes the tables: {first:.2f} s")


if __name__ == "__main__":
    main()
