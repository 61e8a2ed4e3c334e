"""The product as a process of its own, for tests and tools that look at it from outside."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.fakes.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 20
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
            **environment,
        }
        self.log = data_dir / "server.log"
        self.line = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

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

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self, *signals: signal.Signals) -> int | None:
        """Its exit code; None if it was not running."""
        if self._process is None:
            return None
        for each in signals or (signal.SIGTERM,):
            self._process.send_signal(each)
        code = self._process.wait(timeout=20)
        self._process = None
        return code
