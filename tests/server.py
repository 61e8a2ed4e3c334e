"""The product as a process of its own, for tests and tools that look at it from outside."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.fakes.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
# Several workers on a busy machine take a while.
START_SECONDS = 60
PASSWORD = "correct horse battery"
# Without these Chromium looks for its maker's servers at every start.
CHROMIUM_OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


class Server:
    """`manage.py start` in a process of its own. It can be stopped, killed and started again."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.port = free_port()
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "ENV_FILE": "",
            "DATA_DIR": str(data_dir),
            "PORT": str(self.port),
            # Tests of other things count the requests of a provider.
            "TITLE_MODEL": "off",
            **environment,
        }
        self.log = data_dir / "server.log"
        self.line = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, **environment: str) -> "Server":
        """Return when the line with the address was printed."""
        self.environment.update(environment)
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "start"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if found := re.search(
                r"^(Make the first account|Chatcore is running).*$", self.said(), re.M
            ):
                self.line = found[0]
                return self
            time.sleep(0.05)
        raise AssertionError(self.said())

    def workers(self) -> list[int]:
        """The process ids of those who serve behind the parent."""
        children = psutil.Process(self.pid).children()
        return [each.pid for each in children if "--multiprocessing-fork" in each.cmdline()]

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def send_signal(self, kind: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(kind)

    def stop(self, *signals: signal.Signals, within: float = 20) -> int | None:
        """Its exit code; None if it was not running. Raises if it takes longer than `within`."""
        if self._process is None:
            return None
        for each in signals or (signal.SIGTERM,):
            self._process.send_signal(each)
        code = self._process.wait(timeout=within)
        self._process = None
        return code
