"""The store as it is on the disk, read without the product."""

import json
import sqlite3
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from pymongo import MongoClient

from tests.server import Server


def read(server: Server, name: str) -> list[dict[str, Any]]:
    """All rows of a table, or documents of a collection, by the names of their columns."""
    uri = server.environment.get("MONGODB_URI")
    if uri is None:
        return _from_sqlite(server.environment["DATA_DIR"], name)
    client: MongoClient[dict[str, Any]]
    with MongoClient(uri, uuidRepresentation="standard") as client:
        return list(client[urlsplit(uri).path[1:]][name].find())


def _from_sqlite(folder: str, name: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{folder}/chatcore.sqlite3?mode=ro", uri=True)) as store:
        store.row_factory = sqlite3.Row
        return [dict(row) for row in store.execute(f'SELECT * FROM "{name}"')]


def as_json(value: Any) -> Any:
    """SQLite has text where MongoDB has a document."""
    return json.loads(value) if isinstance(value, str) else value
