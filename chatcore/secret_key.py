"""The secret key that signs sessions and set-up links: made once, kept in DATA_DIR."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

FILE_NAME = "secret_key"


def read_or_make(data_dir: Path) -> str:
    """The key in an existing DATA_DIR, made (mode 0600) if there is none. Raises OSError.

    Two processes that start at once agree on one key: it is written under a name of its own
    and linked into place, which fails for all but the first.
    """
    path = data_dir / FILE_NAME
    with suppress(FileNotFoundError):
        return _read(path)
    draft = data_dir / f".{FILE_NAME}-{secrets.token_hex(8)}"
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(64))
            file.flush()
            os.fsync(file.fileno())
        _publish(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return _read(path)


def _publish(draft: Path, path: Path) -> None:
    """Give the draft its name, unless another process was quicker."""
    with suppress(FileExistsError):
        try:
            os.link(draft, path)
        except FileExistsError:
            raise
        except OSError:
            # A file system without hard links.
            if not path.exists():
                draft.rename(path)


def _read(path: Path) -> str:
    key = path.read_text(encoding="ascii").strip()
    if len(key) < 50:
        raise OSError(0, "the key in it is too short; remove the file and a new one is made")
    return key
