"""`make run`: bring the store up to date, say where to look, and serve with Daphne."""

import asyncio
import os
import socket
import threading
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.checks import Tags
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

# Long enough for every store that answers, short enough for whoever waits for the end.
SHUTDOWN_SECONDS = 8
LARGEST_MESSAGE_BYTES = 8 * 1024 * 1024


class Command(BaseCommand):
    help = "Migrate if need be, print the address to open, and serve with Daphne."

    # Run below, with those of the database.
    requires_system_checks = []

    def handle(self, **_options: Any) -> None:
        # The store's files are for this user alone, whoever made the folder.
        os.umask(0o077)
        # First those that need no store: some of Django's own open it, and fail if they cannot.
        self.check()
        self.check(tags=[Tags.database], databases=["default"])
        _require_free(settings.HOST, settings.PORT)
        self._migrate()
        self._serve()

    def _migrate(self) -> None:
        try:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                self.stdout.write("Preparing the store ...")
                call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
        except DatabaseError as error:
            raise CommandError(f"The store cannot be prepared: {error}") from error

    def _serve(self) -> None:
        # Importing Daphne installs Twisted's reactor, so not before it is wanted.
        from daphne.endpoints import build_endpoint_description_strings
        from daphne.server import Server
        from twisted.internet import reactor as twisted_reactor

        from assistant.generations import registry

        # Twisted types it as a module; what it is follows from what was installed.
        reactor: Any = twisted_reactor
        reactor.callLater(0, registry.start_timer)
        reactor.addSystemEventTrigger("before", "shutdown", _save_running_answers)
        application = import_module("chatcore.asgi").application
        Server(
            application,
            endpoints=build_endpoint_description_strings(settings.HOST, settings.PORT),
            server_name="chatcore",
            ready_callable=self._ready,
            # Past these Daphne can only hang up; below them we say what is wrong.
            websocket_max_message_size=LARGEST_MESSAGE_BYTES,
            websocket_max_frame_size=LARGEST_MESSAGE_BYTES,
            verbosity=0,
        ).run()
        self.stdout.write("Stopped.")

    def _ready(self) -> None:
        from accounts.setup import setup_path

        address = _address()
        if path := setup_path():
            self.stdout.write(f"Make the first account: {address}{path}", self.style.SUCCESS)
        else:
            self.stdout.write(f"Chatcore is running: {address}/", self.style.SUCCESS)
        self.stdout.flush()
        threading.Thread(target=_import_provider_libraries, daemon=True).start()


def _require_free(host: str, port: int) -> None:
    """Raises CommandError before anything else is done, should the port not be ours to take."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen(1)
    except OSError as error:
        other = port + 1 if port < 65535 else 8000
        raise CommandError(
            f"Cannot listen on {host}, port {port}: {error.strerror or error}."
            f" If only the port is taken, choose another one: PORT={other} make run"
        ) from error


def _address() -> str:
    """Where a person opens this server, under a name that it answers to.

    With HTTPS a proxy stands in front, on the port that browsers take by themselves.
    """
    names = [host for host in settings.ALLOWED_HOSTS if not host.startswith(".")]
    host = "localhost" if "localhost" in names or not names else names[0]
    return f"https://{host}" if settings.HTTPS else f"http://{host}:{settings.PORT}"


def _save_running_answers() -> Any:
    """What Twisted waits for before it ends: each answer saved as far as it was written."""
    from twisted.internet.defer import Deferred

    from assistant.generations import registry

    saving = asyncio.wait_for(registry.close(), SHUTDOWN_SECONDS)
    return Deferred.fromFuture(asyncio.ensure_future(saving))


def _import_provider_libraries() -> None:
    """They take a second to import; the first question should not wait for them."""
    from assistant import catalog

    for provider in catalog.providers().values():
        provider.load()
