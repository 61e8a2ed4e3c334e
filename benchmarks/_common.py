"""What the benchmarks share: a bare server, cores, CPU time, medians, the machine in words."""

import http.client
import os
import platform
import re
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import psutil

from tests.fakes.mongodb import mongod_path

ROOT = Path(__file__).resolve().parent.parent
STORES = {"sqlite": "SQLite", "mongodb": "MongoDB"}
# What `manage.py start` serves with.
SERVER = "uvicorn"


def server_alone(application: str, port: int) -> list[str]:
    """The command that serves `module:name` by the server that `manage.py start` uses."""
    return [
        *(sys.executable, "-m", SERVER, "--port", str(port)),
        *("--loop", "asyncio", "--http", "httptools", "--lifespan", "off"),
        *("--ws", "websockets-sansio", "--ws-per-message-deflate", "false"),
        *("--no-access-log", "--log-level", "warning", "--no-server-header", application),
    ]


@contextmanager
def started(command: Sequence[str], **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that runs meanwhile."""
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment})
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_for_answer(port: int, path: str = "/", limit: float = 30) -> None:
    """Return at the first HTTP answer, whatever its status. Raises TimeoutError."""
    deadline = time.perf_counter() + limit
    while time.perf_counter() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=limit)
        try:
            connection.request("GET", path)
            connection.getresponse().read()
            return
        except ConnectionRefusedError:
            # Nobody listens yet; a hundredth of the second that a start takes.
            time.sleep(0.01)
        finally:
            connection.close()
    raise TimeoutError("the server did not answer")


def medians(runs: Iterable[Sequence[float]]) -> tuple[float, ...]:
    """The median of each column."""
    return tuple(statistics.median(column) for column in zip(*runs, strict=True))


def cores() -> tuple[int, int] | None:
    """One core for the server, another one for all else; None where they cannot be told apart."""
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        return None
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Keep this process there meanwhile; what is started inside stays there. None: anywhere."""
    if sys.platform != "linux" or core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, that of its ended threads included."""
    if sys.platform == "linux":
        # The id that clock_getcpuclockid(3) gives. Exact, where psutil counts hundredths.
        return time.clock_gettime(~pid << 3 | 2)
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def machine() -> list[str]:
    """What the figures depend on, a line each: processor, versions. No name of the host."""
    names = ("Django", SERVER, "channels", "djangorestframework", "django-mongodb-backend")
    return [
        f"{_processor()}, {os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB,"
        f" {platform.system()} {platform.machine()}",
        ", ".join(
            [
                f"Python {platform.python_version()}",
                *(f"{name} {version(name)}" for name in names),
                f"SQLite {sqlite3.sqlite_version}",
                *_mongod(),
            ]
        ),
    ]


def _processor() -> str:
    with suppress(OSError):
        if found := re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()):
            return found[1]
    return platform.processor() or "unknown processor"


def _mongod() -> list[str]:
    path = mongod_path()
    if path is None:
        return []
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    return [f"mongod {found[1]}"] if (found := re.search(r"version v(\S+)", said)) else []


def tell(line: str) -> None:
    """How far it is, apart from the results."""
    print(line, file=sys.stderr, flush=True)


def introduce(title: str, *, markdown: bool) -> None:
    """Print what is measured, where, and by which command."""
    command = " ".join(["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]])
    if markdown:
        print(f"## {title}", *machine(), f"`{command}`", sep="\n\n", end="\n\n")
    else:
        print(title, *machine(), command, sep="\n", end="\n\n")


def show(rows: Sequence[Sequence[str]], *, markdown: bool) -> None:
    """Print a table; the first row is its heading. Numbers stand to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    is_number = [
        any(re.fullmatch(r"[\d.]+( x| s| ms| kB| MB)?", cell) for cell in column)
        for column in zip(*rows, strict=True)
    ]
    lines = [
        [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, is_number, strict=True)
        ]
        for row in rows
    ]
    if not markdown:
        print(*("  ".join(line).rstrip() for line in lines), sep="\n")
        return
    rule = [
        "-" * (width - 1) + ":" if right else "-" * width
        for width, right in zip(widths, is_number, strict=True)
    ]
    print(*(f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]]), sep="\n")
