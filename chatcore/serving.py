"""What a process does once, before it serves people."""

from typing import Any, cast

from django.db import connection

from chatcore import cache


def prepare() -> None:
    """Say what is missing, and let nobody wait long for a store that is away."""
    cache.warn_without_redis()
    if connection.vendor == "mongodb":
        cast(Any, connection).serve()
