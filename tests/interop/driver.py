"""Runs the tests of the HTTP stream whose client is the AI SDK from npm.

`python -m tests.interop.driver` starts the product as a person does, with the loopback provider
behind it, and then node. What the provider is to answer, the tests say over HTTP: POST a `Reply` as
JSON to PROVIDER_CONTROL, and GET what the provider was asked.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.degradation.steps import Person
from tests.fakes.provider import FakeProvider, Reply
from tests.server import ROOT, Server

HERE = Path(__file__).resolve().parent
EMAIL = "alice@acme.example"
# More than the tests ask for, but for the one that means to meet it.
LIMIT = 60


@contextmanager
def control(provider: FakeProvider) -> Iterator[str]:
    """The address at which another process queues replies and reads requests."""

    class Control(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            given["tools"] = tuple(map(tuple, given.get("tools", ())))
            provider.reply_with(Reply(**given))
            self._answer([])

        def do_GET(self) -> None:
            self._answer([request.body for request in provider.requests])

        def _answer(self, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Nothing: the tests say what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Control)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def make_token(server: Server) -> str:
    command = [sys.executable, "manage.py", "create_token", EMAIL, "--name", "interop"]
    made = subprocess.run(
        command, cwd=ROOT, env=server.environment, check=True, capture_output=True, text=True
    )
    return made.stdout.strip()


def run_node(server: Server, control_url: str) -> int:
    person = Person(server)
    person.make_first_account()
    person.log_in()
    environment = {
        **os.environ,
        "CHATCORE_URL": server.url,
        "CHATCORE_TOKEN": make_token(server),
        "CHATCORE_COOKIES": "; ".join(f"{each.name}={each.value}" for each in person.cookies),
        "CHATCORE_CSRF": person.csrf_token(),
        "CHATCORE_LIMIT": str(LIMIT),
        "PROVIDER_CONTROL": control_url,
    }
    files = sorted(str(path) for path in HERE.glob("*.test.mjs"))
    return subprocess.run(["node", "--test", *files], env=environment, check=False).returncode


def main() -> int:
    provider = FakeProvider().start()
    with tempfile.TemporaryDirectory() as folder, control(provider) as control_url:
        server = Server(
            Path(folder),
            OPENAI_API_KEY="sk-test",
            OPENAI_BASE_URL=provider.openai_url,
            OPENAI_MODELS="gpt-test,gpt-other",
            ASSISTANT_LIMIT=f"{LIMIT}/m",
        )
        try:
            return run_node(server.start(), control_url)
        finally:
            server.stop()
            provider.stop()


if __name__ == "__main__":
    sys.exit(main())
