"""The store as it is on the disk, without the product."""

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from pymongo import MongoClient

from tests.server import Server


def read(server: Server, name: str) -> list[dict[str, Any]]:
    """All rows of a table, or documents of a collection, by the names of their columns."""
    uri = server.environment.get("MONGODB_URI")
    if uri is None:
        return _from_sqlite(server.environment["DATA_DIR"], name)
    with _mongodb(uri) as client:
        return list(client[urlsplit(uri).path[1:]][name].find())


def set_back(server: Server, name: str, column: str, by: timedelta) -> None:
    """Let this moment of all rows lie so much earlier, while the product is not running."""
    changed = [(each["_id"], each[column]) for each in read(server, name)]
    uri = server.environment.get("MONGODB_URI")
    if uri is None:
        with closing(sqlite3.connect(_file(server.environment["DATA_DIR"]))) as store, store:
            for key, moment in changed:
                earlier = str(datetime.fromisoformat(moment) - by)
                statement = f'UPDATE "{name}" SET "{column}" = ? WHERE "_id" = ?'
                store.execute(statement, (earlier, key))
        return
    with _mongodb(uri) as client:
        for key, moment in changed:
            change = {"$set": {column: moment - by}}
            client[urlsplit(uri).path[1:]][name].update_one({"_id": key}, change)


def _mongodb(uri: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(uri, uuidRepresentation="standard")


def _file(folder: str) -> str:
    return f"{folder}/chatcore.sqlite3"


def _from_sqlite(folder: str, name: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{_file(folder)}?mode=ro", uri=True)) as store:
        store.row_factory = sqlite3.Row
        return [dict(row) for row in store.execute(f'SELECT * FROM "{name}"')]


def as_json(value: Any) -> Any:
    """SQLite has text where MongoDB has a document."""
    return json.loads(value) if isinstance(value, str) else value
