"""`make run` and `make serve`: bring the store up to date, say where to look, and serve."""

import os
import socket
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.checks import Tags
from django.core.management import CommandError, CommandParser, call_command
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor

from chatcore import server, serving
from chatcore.env import MOST_WORKERS


class Command(BaseCommand):
    help = "Migrate if need be, print the address to open, and serve with uvicorn."

    # Run below, with those of the database.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--workers",
            type=int,
            default=settings.WORKERS,
            metavar="N",
            help="How many processes serve; the setting WORKERS says so otherwise.",
        )

    def handle(self, **options: Any) -> None:
        # The store's files are for this user alone, whoever made the folder.
        os.umask(0o077)
        # Before the checks, which look at it.
        settings.WORKERS = _number_of_workers(options["workers"])
        # First those that need no store: some of Django's own open it, and fail if they cannot.
        self.check()
        self.check(tags=[Tags.database], databases=["default"])
        listener = _listen(settings.HOST, settings.PORT)
        self._migrate()
        serving.warn_of_what_is_missing()
        greeting = self._where_to_look()
        self._serve(listener, lambda: self._say(greeting))
        self._say("Stopped.")

    def _migrate(self) -> None:
        try:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                self.stdout.write("Preparing the store ...")
                call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
        except DatabaseError as error:
            raise CommandError(f"The store cannot be prepared: {error}") from error

    def _serve(self, listener: socket.socket, greet: Callable[[], None]) -> None:
        if settings.WORKERS == 1:
            server.Server(server.config(), greet).run([listener])
            return
        from chatcore.workers import Supervisor

        # The parent only watches from here on.
        connections.close_all()
        supervisor = Supervisor(server.config(workers=settings.WORKERS), [listener], greet)
        supervisor.run()
        if supervisor.has_failed:
            raise CommandError("A worker could not be started; the lines above say why.")

    def _where_to_look(self) -> str:
        from accounts.setup import setup_path

        address = _address()
        if path := setup_path():
            return self.style.SUCCESS(f"Make the first account: {address}{path}")
        return self.style.SUCCESS(f"Chatcore is running: {address}/")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _number_of_workers(number: int) -> int:
    if not 1 <= number <= MOST_WORKERS:
        raise CommandError(f"--workers {number} cannot be used. Write 1 to {MOST_WORKERS}.")
    if number > 1 and os.name == "nt":
        raise CommandError("Several workers need signals, which Windows lacks. Set WORKERS=1.")
    return number


def _listen(host: str, port: int) -> socket.socket:
    """Raises CommandError before anything else is done, should the port not be ours to take."""
    try:
        return server.listen(host, port)
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
