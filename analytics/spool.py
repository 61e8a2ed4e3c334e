"""Where entries of the ledger wait while the store is away: a file each, in DATA_DIR.

Written whole or not at all, and named by the entry's id, so that an entry is there once however
often it is kept. Several processes may share the folder.
"""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
from django.conf import settings

from analytics.entries import UsageEntry

logger = logging.getLogger("chatcore.usage")

_decode = msgspec.json.Decoder(UsageEntry).decode
SUFFIX = ".json"


def folder() -> Path:
    return Path(settings.DATA_DIR) / "usage-spool"


def keep(entry: UsageEntry) -> None:
    """What the provider counted is not replaced by an estimate of it.

    Raises OSError if the disk does not take it.
    """
    path = _path(entry)
    if entry.usage_source == "estimated" and _is_counted(path):
        return
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
    """It is in the ledger. Another process may know the same call better; its entry stays."""
    path = _path(entry)
    if _read(path) == entry:
        path.unlink(missing_ok=True)


def waiting() -> list[Path]:
    """The files of what waits, oldest first: ids sort by time."""
    try:
        names = sorted(each for each in os.listdir(folder()) if each.endswith(SUFFIX))
    except FileNotFoundError:
        return []
    return [folder() / name for name in names]


def drain(write: Callable[[UsageEntry], None]) -> int:
    """Hand everything that waits to `write`, which drops what it wrote and raises where it cannot.

    Returns how many were written. What is no entry, as a person has edited it, is put aside.
    """
    done = 0
    for path in waiting():
        try:
            entry = _decode(path.read_bytes())
        except FileNotFoundError:
            # Another process was quicker.
            continue
        except (msgspec.DecodeError, msgspec.ValidationError):
            logger.error("%s is no entry of the ledger; it is put aside", path.name)
            path.rename(path.with_suffix(".bad"))
            continue
        write(entry)
        done += 1
    return done


def _is_counted(path: Path) -> bool:
    entry = _read(path)
    return entry is not None and entry.usage_source == "provider"


def _read(path: Path) -> UsageEntry | None:
    """None if it is not there, or no entry."""
    try:
        return _decode(path.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError, msgspec.ValidationError):
        return None


def _path(entry: UsageEntry) -> Path:
    return folder() / f"{entry.id}{SUFFIX}"
