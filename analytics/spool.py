"""Where entries of the ledger wait while the store is away: a file each, in DATA_DIR.

Written whole or not at all, and named by the entry's id, so that an entry is there once however
often it is kept. Several processes may share the folder.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import msgspec
from django.conf import settings

from analytics.entries import UsageEntry

logger = logging.getLogger("chatcore.usage")

_decode = msgspec.json.Decoder(UsageEntry).decode
SUFFIX = ".json"
# Of one call an estimate may wait beside what the provider counted. Neither takes the other's
# place, and the ledger knows what to make of both.
_KINDS = _COUNTED, _ESTIMATED = "", ".estimated"


def folder() -> Path:
    return Path(settings.DATA_DIR) / "usage-spool"


def keep(entry: UsageEntry) -> None:
    """Raises OSError if the disk does not take it."""
    path = _path(entry)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Of two writers of one entry each has a file of its own, and the later one wins.
    unfinished = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    try:
        with unfinished.open("wb") as file:
            file.write(msgspec.json.encode(entry))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


def drop(entry: UsageEntry) -> None:
    """It is in the ledger. What another process knows better of it meanwhile stays."""
    path = _path(entry)
    if _read(path) == entry:
        path.unlink(missing_ok=True)


def has(key: UUID) -> bool:
    """Whether anything waits of the call with this id."""
    return any((folder() / f"{key}{kind}{SUFFIX}").exists() for kind in _KINDS)


def waiting() -> list[Path]:
    """The files of what waits, oldest first: ids sort by time."""
    try:
        names = sorted(each for each in os.listdir(folder()) if each.endswith(SUFFIX))
    except FileNotFoundError:
        return []
    return [folder() / name for name in names]


def entries() -> Iterator[UsageEntry]:
    """What waits, oldest first. What is no entry, as a person has edited it, is put aside."""
    for path in waiting():
        try:
            yield _decode(path.read_bytes())
        except FileNotFoundError:
            # Another process was quicker.
            continue
        except OSError as error:
            logger.error("%s waits on, as it cannot be read (%s)", path.name, error.strerror)
        except (msgspec.DecodeError, msgspec.ValidationError):
            logger.error("%s is no entry of the ledger; it is put aside", path.name)
            with suppress(FileNotFoundError):
                path.rename(path.with_suffix(".bad"))


def _read(path: Path) -> UsageEntry | None:
    """None if it is not there, no entry, or cannot be read."""
    try:
        return _decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return None


def _path(entry: UsageEntry) -> Path:
    kind = _ESTIMATED if entry.usage_source == "estimated" else _COUNTED
    return folder() / f"{entry.id}{kind}{SUFFIX}"
