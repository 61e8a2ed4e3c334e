"""`make run`: bring the store up to date, say where to look, and serve with uvicorn."""

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable
from importlib import import_module
from types import FrameType
from typing import Any

import uvicorn
from django.conf import settings
from django.core.checks import Tags
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from chatcore import serving

logger = logging.getLogger("chatcore.start")

# Long enough for every store that answers, short enough for whoever waits for the end.
SHUTDOWN_SECONDS = 8
# After that, for requests that have not ended and browsers that do not hang up.
LAST_SECONDS = 1
# Longer than proxies keep an idle connection, or they would now and then use one as it is closed.
KEEP_ALIVE_SECONDS = 75
LARGEST_MESSAGE_BYTES = 8 * 1024 * 1024


class Command(BaseCommand):
    help = "Migrate if need be, print the address to open, and serve with uvicorn."

    # Run below, with those of the database.
    requires_system_checks = []

    def handle(self, **_options: Any) -> None:
        # The store's files are for this user alone, whoever made the folder.
        os.umask(0o077)
        # First those that need no store: some of Django's own open it, and fail if they cannot.
        self.check()
        self.check(tags=[Tags.database], databases=["default"])
        listener = _listen(settings.HOST, settings.PORT)
        self._migrate()
        serving.prepare()
        self._serve(listener)

    def _migrate(self) -> None:
        try:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                self.stdout.write("Preparing the store ...")
                call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
        except DatabaseError as error:
            raise CommandError(f"The store cannot be prepared: {error}") from error

    def _serve(self, listener: socket.socket) -> None:
        config = uvicorn.Config(
            import_module("chatcore.asgi").application,
            loop="asyncio",
            http="httptools",
            ws="websockets-sansio",
            lifespan="off",
            # A third more CPU for each chunk, to save a few kB a second for each reader.
            ws_per_message_deflate=False,
            # Past these the server can only hang up; below them we say what is wrong.
            ws_max_size=LARGEST_MESSAGE_BYTES,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=LAST_SECONDS,
            # accounts/clients.py knows how many proxies to believe.
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
        )
        _Server(config, self._where_to_look(), self._say).run([listener])
        self._say("Stopped.")

    def _where_to_look(self) -> str:
        from accounts.setup import setup_path

        address = _address()
        if path := setup_path():
            return self.style.SUCCESS(f"Make the first account: {address}{path}")
        return self.style.SUCCESS(f"Chatcore is running: {address}/")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


class _Server(uvicorn.Server):
    """Says when it listens, and saves the running answers before it hangs up."""

    def __init__(self, config: uvicorn.Config, greeting: str, say: Callable[[str], None]) -> None:
        super().__init__(config)
        self._greeting = greeting
        self._say = say

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        from assistant.generations import registry

        await super().startup(sockets)
        registry.open()
        self._say(self._greeting)
        threading.Thread(target=_import_provider_libraries, daemon=True).start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await _save_running_answers()
        # A request that does not end in time is cut off, as at every stop; no traceback for each.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)
        # And what somebody asked while we did so.
        await _save_running_answers()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop in good order, at a second signal too.

        uvicorn's own lets the signal kill the process at the end, which would look like a failure.
        """
        self.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    """Raises CommandError before anything else is done, should the port not be ours to take."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the number asyncio takes it for no TCP, and small answers wait 40 ms for their end.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        other = port + 1 if port < 65535 else 8000
        raise CommandError(
            f"Cannot listen on {host}, port {port}: {error.strerror or error}."
            f" If only the port is taken, choose another one: PORT={other} make run"
        ) from error
    return listener


def _address() -> str:
    """Where a person opens this server, under a name that it answers to.

    With HTTPS a proxy stands in front, on the port that browsers take by themselves.
    """
    names = [host for host in settings.ALLOWED_HOSTS if not host.startswith(".")]
    host = "localhost" if "localhost" in names or not names else names[0]
    return f"https://{host}" if settings.HTTPS else f"http://{host}:{settings.PORT}"


async def _save_running_answers() -> None:
    """Each answer as far as it was written."""
    from assistant.generations import registry

    try:
        await asyncio.wait_for(registry.close(), SHUTDOWN_SECONDS)
    except TimeoutError:
        logger.error("The store does not answer; what was written since the last save is lost")


def _import_provider_libraries() -> None:
    """They take a second to import; the first question should not wait for them."""
    from assistant import catalog

    for provider in catalog.providers().values():
        provider.load()
