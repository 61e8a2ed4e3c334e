"""What a server does once, before it serves people."""

from typing import Any, cast

from django.conf import settings
from django.db import connection

from chatcore import cache


def warn_of_what_is_missing() -> None:
    """In the log, once for all processes."""
    cache.warn_without_redis(settings.WORKERS)


def prepare() -> None:
    """In each process that serves: let nobody wait long for a store that is away."""
    if connection.vendor == "mongodb":
        cast(Any, connection).serve()
