"""The product as a process, with people in front and servers behind that go away."""

from collections.abc import Callable, Iterator

import pytest

from tests.degradation.steps import Person
from tests.server import Server


@pytest.fixture(scope="module")
def serve(tmp_path_factory) -> Iterator[Callable[..., Person]]:
    """Starts a server, with settings, and makes alice its first account: she is logged in."""
    servers: list[Server] = []

    def begin(**settings: str) -> Person:
        server = Server(tmp_path_factory.mktemp("data"), **settings).start()
        servers.append(server)
        alice = Person(server)
        alice.make_first_account()
        return alice

    yield begin
    for server in servers:
        server.stop()
