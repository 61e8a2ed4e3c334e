"""MongoDB away, hung or slow: what a process that serves does so that nobody waits for long.

An operation ends after ANSWER_SECONDS. If MongoDB is not there, or says nothing, whatever else is
to be done in it fails at once, and about once a second one operation tries whether it is back.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import ConnectionFailure, ExecutionTimeout, NetworkTimeout, PyMongoError

from chatcore.db import store_breaker

# Together below the 3 seconds within which a caller is to be told.
ANSWER_SECONDS = 2.0
PING_SECONDS = 0.3
# Where no server is known. An election takes longer than anybody should wait for it.
FIND_SECONDS = 1.0
# For what is only polite to a server that may be away, such as ending a transaction.
FAREWELL_SECONDS = 0.05

logger = logging.getLogger("chatcore.store")

Operation = Callable[..., Any]


class LeftAlone(ConnectionFailure):
    """Not asked, as it did not answer a moment ago."""


def in_time(client: MongoClient[Any]) -> AbstractContextManager[Any]:
    """The driver's limit for all that is done inside: finding a server, asking, asking again."""
    is_known = client.topology_description.has_readable_server()
    return pymongo.timeout(ANSWER_SECONDS if is_known else FIND_SECONDS)


@contextmanager
def watched(client: MongoClient[Any]) -> Iterator[None]:
    """For one operation, or for several that end together. Raises LeftAlone while it is away."""
    if store_breaker.is_open():
        raise LeftAlone("MongoDB did not answer a moment ago")
    try:
        with in_time(client):
            yield
    except (NetworkTimeout, ExecutionTimeout) as error:
        # One heavy query is no reason to refuse everybody else's.
        if _answers(client):
            logger.warning("MongoDB took more than %s seconds for one operation.", ANSWER_SECONDS)
            store_breaker.answered()
        else:
            store_breaker.failed(error)
        raise
    except ConnectionFailure as error:
        store_breaker.failed(error)
        raise
    except PyMongoError:
        # It is there, and refuses.
        store_breaker.answered()
        raise
    store_breaker.answered()


def _answers(client: MongoClient[Any]) -> bool:
    if store_breaker.has_failed:
        return False
    try:
        with pymongo.timeout(PING_SECONDS):
            client.admin.command("ping")
    except PyMongoError:
        return False
    return True


def _watching(operation: Operation) -> Operation:
    @wraps(operation)
    def call(self: "WatchedCollection", *args: Any, **kwargs: Any) -> Any:
        with watched(self.database.client):
            return operation(self, *args, **kwargs)

    return call


class WatchedCollection(Collection[dict[str, Any]]):
    """As the driver's. These four are all that the backend does with the rows of a model."""

    aggregate = _watching(Collection.aggregate)
    insert_many = _watching(Collection.insert_many)
    update_many = _watching(Collection.update_many)
    delete_many = _watching(Collection.delete_many)
