"""What SQLite and MongoDB do differently, behind one name each."""

import logging
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from channels.db import database_sync_to_async
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    connection,
    models,
    transaction,
)

from chatcore.breaker import Breaker

if TYPE_CHECKING:
    from pymongo.operations import IndexModel

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# MongoDB answers several at once. Of SQLite's writers one writes and the others sleep and look
# again, which is slower than to stand in line.
MONGODB_THREADS = 4
# Between two attempts at a transaction that another writer was quicker with.
LONGEST_PAUSE_SECONDS = 0.5

# For whoever meets a failure of the store. Only MongoDB is left alone by it, in chatcore.mongodb:
# there each try may take `trial_seconds`.
store_breaker = Breaker(
    "The store",
    "requests get 503, running answers wait in memory",
    seconds=1.0,
    trial_seconds=3.0,
    logger=logging.getLogger("chatcore.store"),
)


@contextmanager
def atomic() -> Iterator[None]:
    """All or nothing, on either store; usable as a decorator too.

    Django's own `atomic` does nothing on MongoDB, without a word. On MongoDB an IntegrityError ends
    the whole transaction and there are no savepoints, so catch errors outside the block, not in it.
    """
    if connection.vendor == "mongodb":
        from django_mongodb_backend import transaction as mongodb_transaction

        with mongodb_transaction.atomic():
            yield
    else:
        with transaction.atomic():
            yield


@contextmanager
def snapshot() -> Iterator[None]:
    """What is read inside is of one moment, whatever is written meanwhile. Write nothing in it."""
    mode = getattr(connection, "transaction_mode", None)
    if mode is not None:
        # Readers of SQLite need not stand in the line of its writers.
        cast(Any, connection).transaction_mode = "DEFERRED"
    try:
        with atomic():
            yield
    finally:
        if mode is not None:
            cast(Any, connection).transaction_mode = mode


def in_transaction(work: Callable[[], Result], *, attempts: int = 8) -> Result:
    """What `work` returns, run inside `atomic()`, and run again if another writer was quicker.

    MongoDB ends one of two transactions that write one document; the loser has changed nothing
    and may begin again. SQLite lets the second one wait instead.
    """
    for attempt in range(1, attempts + 1):
        try:
            with atomic():
                return work()
        except DatabaseError as error:
            if attempt == attempts or not is_write_conflict(error):
                raise
        # At random, so that the same two do not meet again.
        pause = min(0.01 * 2**attempt, LONGEST_PAUSE_SECONDS)
        time.sleep(random.uniform(0, pause))  # noqa: S311  no secret
    raise AssertionError("unreachable")


def with_commit(work: Callable[[], None]) -> None:
    """Do what many simultaneous transactions write to one row: inside this one, or just behind it.

    On MongoDB all but one of them would be ended and begin again, so there `work` follows the
    commit. A process that is killed between the two has done the one and not the other.
    """
    if connection.vendor == "mongodb":
        transaction.on_commit(work)
    else:
        work()


@cache
def _mongodb_threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MONGODB_THREADS, "store")


async def in_thread(
    work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """What `work` returns, in a thread that may wait for the store. For sockets and timers."""
    if connection.vendor == "mongodb":
        call = database_sync_to_async(work, thread_sensitive=False, executor=_mongodb_threads())
    else:
        call = database_sync_to_async(work)
    return cast(Result, await call(*args, **kwargs))


def store_is_away(error: BaseException) -> bool:
    """Whether the store cannot be reached or is busy, so that the same may work later."""
    if isinstance(error, OperationalError | InterfaceError):
        return not _is_wrong_sql(error.__cause__)
    # The driver's own errors come through where a long result is read on.
    return _mongodb_is_away(error.__cause__ if isinstance(error, DatabaseError) else error)


def because_store_is_away(error: BaseException | None) -> BaseException | None:
    """The error in the chain behind this one that says that the store is away, or None.

    Django reports a session that cannot be saved as a bad request, for one.
    """
    while error is not None and not store_is_away(error):
        error = error.__cause__ or error.__context__
    return error


def reason(error: BaseException) -> BaseException:
    """What the driver said, which Django wraps."""
    is_wrapped = isinstance(error, DatabaseError | InterfaceError) and error.__cause__
    return is_wrapped or error


def report_away(error: BaseException) -> None:
    """Say once in the log that the store is away. The engine of MongoDB does it by itself."""
    if not getattr(connection, "is_serving", False):
        store_breaker.failed(reason(error))


def ask_store() -> None:
    """Return when the store has answered. Raises what the store or the driver says if it is away.

    Blocks for as long as the store does: up to the 20 seconds for which SQLite waits for a lock.
    """
    try:
        if connection.vendor == "mongodb":
            cast("Any", connection).ping()
        else:
            with connection.cursor() as cursor:
                # Reads the file, which `SELECT 1` would not.
                cursor.execute("SELECT name FROM sqlite_master LIMIT 1")
    except Exception as error:
        store_breaker.failed(reason(error))
        raise
    store_breaker.answered()


def _is_wrong_sql(cause: BaseException | None) -> bool:
    """SQLite calls a missing table operational as well; to wait does not help there."""
    code = getattr(cause, "sqlite_errorcode", None)
    return bool(code == sqlite3.SQLITE_ERROR)


def _mongodb_is_away(cause: BaseException | None) -> bool:
    # The driver is not imported where there is no MongoDB.
    if cause is None or not type(cause).__module__.startswith(("pymongo", "chatcore.mongodb")):
        return False
    from pymongo.errors import ConnectionFailure, ExecutionTimeout

    return isinstance(cause, ConnectionFailure | ExecutionTimeout)


def is_write_conflict(error: BaseException) -> bool:
    """Whether MongoDB says that the same again may work, and means the transaction by it.

    A server that is away is "transient" as well, but waiting for it is not for a transaction to do.
    """
    has_error_label = getattr(error.__cause__, "has_error_label", None)
    return (
        has_error_label is not None
        and bool(has_error_label("TransientTransactionError"))
        and not _mongodb_is_away(error.__cause__)
    )


def column_of(model: type[models.Model], field: str) -> str:
    """The name that a field has in the store."""
    return str(cast("models.Field[Any, Any]", model._meta.get_field(field)).column)


class SparseIndex(models.Index):
    """Sparse on MongoDB, and partial, without the nulls, on SQLite.

    MongoDB leaves out only documents that lack the field; Django always writes it, so there the
    index holds the nulls as well.
    """

    def __init__(self, *, field: str, name: str) -> None:
        self.field = field
        super().__init__(
            fields=[field], name=name, condition=models.Q(**{f"{field}__isnull": False})
        )

    def deconstruct(self) -> tuple[str, tuple[()], dict[str, Any]]:
        path, _, _ = super().deconstruct()
        return path, (), {"field": self.field, "name": self.name}

    def get_pymongo_index_model(
        self, model: type[models.Model], **_options: object
    ) -> "IndexModel":
        from pymongo.operations import IndexModel

        return IndexModel([(column_of(model, self.field), 1)], name=self.name, sparse=True)
