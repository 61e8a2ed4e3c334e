"""Typed reading of settings from the environment.

A wrong value never raises: the default is used, and the mistake is kept in `Env.problems`, from
where `chatcore.checks` reports it with a hint before anything starts.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from dotenv import dotenv_values
from dotenv.parser import parse_stream

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})
RATE = re.compile(r"([0-9]{1,6})/([0-9]{0,3})([smhd])")
# More would only stand in each other's way on any machine that this is made for.
MOST_WORKERS = 64
UNIT_SECONDS = {"s": 1, "m": 60, "h": 60 * 60, "d": 24 * 60 * 60}


class Rate(NamedTuple):
    """So many times in so many seconds. A plain tuple to django-ratelimit, which takes it."""

    times: int
    seconds: int


@dataclass(frozen=True)
class Problem:
    """One setting that cannot be used as it stands. `hint` says what to write instead."""

    name: str
    message: str
    hint: str


@dataclass
class Env:
    """The environment as read once. An empty value counts as not set."""

    values: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def _read(self, name: str) -> str:
        self.names.append(name)
        return self.values.get(name, "").strip()

    def problem(self, name: str, message: str, hint: str) -> None:
        self.problems.append(Problem(name, message, hint))

    def is_set(self, name: str) -> bool:
        return bool(self.values.get(name, "").strip())

    def string(self, name: str, default: str = "") -> str:
        return self._read(name) or default

    def string_or_off(self, name: str, default: str) -> str:
        """As `string`, but "" for "off"."""
        value = self.string(name, default)
        return "" if value.lower() == "off" else value

    def secret(self, name: str) -> str:
        """The value of NAME, or the content of the file that NAME_FILE points at, or ""."""
        value, path = self._read(name), self._read(f"{name}_FILE")
        if value and path:
            self.problem(name, f"{name} and {name}_FILE are both set.", "Keep one of the two.")
        if value or not path:
            return value
        try:
            content = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            self.problem(
                f"{name}_FILE",
                f"{name}_FILE={path} cannot be read: {reason}.",
                "Give the path of a text file that this user may read, or remove the setting.",
            )
            return ""
        if not content:
            self.problem(
                f"{name}_FILE",
                f"{name}_FILE={path} is empty.",
                "Write the secret into it, or remove the setting.",
            )
        return content

    def boolean(self, name: str, *, default: bool) -> bool:
        raw = self._read(name).lower()
        if not raw:
            return default
        if raw not in TRUE_WORDS | FALSE_WORDS:
            self.problem(name, f"{name}={raw} is neither yes nor no.", "Write 1 or 0.")
            return default
        return raw in TRUE_WORDS

    def integer(self, name: str, default: int, *, minimum: int, maximum: int) -> int:
        raw = self._read(name)
        if not raw:
            return default
        if raw.isascii() and raw.isdigit() and minimum <= int(raw) <= maximum:
            return int(raw)
        self.problem(
            name,
            f"{name}={raw} cannot be used.",
            f"Write a whole number from {minimum} to {maximum}.",
        )
        return default

    def integer_or_off(self, name: str, default: int, *, minimum: int, maximum: int) -> int | None:
        """As `integer`, or None for "off"."""
        if self._read(name).lower() == "off":
            return None
        return self.integer(name, default, minimum=minimum, maximum=maximum)

    def choice(self, name: str, default: str, *others: str) -> str:
        raw = self._read(name).lower() or default
        if raw in (default, *others):
            return raw
        hint = f"Write {' or '.join((default, *others))}."
        self.problem(name, f"{name}={raw} cannot be used.", hint)
        return default

    def rate(self, name: str, default: Rate, *, hint: str = "") -> Rate:
        """As in 20/m or 5/15m: up to 999,999 times in up to 999 seconds, minutes, hours or days."""
        raw = self._read(name).lower()
        if not raw:
            return default
        if found := RATE.fullmatch(raw):
            times, number, unit = found.groups()
            rate = Rate(int(times), int(number or 1) * UNIT_SECONDS[unit])
            if all(rate):
                return rate
        self.problem(
            name,
            f"{name}={raw} is not a number of times in a period.",
            "Write it as in 20/m or 5/15m, where the period is s, m, h or d"
            f" (seconds, minutes, hours, days){hint}.",
        )
        return default

    def rate_or_off(self, name: str, default: Rate) -> Rate | None:
        """A rate, or None for `off`."""
        if self.string(name).lower() == "off":
            return None
        return self.rate(name, default, hint=", or off for no limit")

    def items(self, name: str, default: str = "") -> list[str]:
        """A comma-separated list; blanks around and between the items are dropped."""
        raw = self._read(name)
        items = [item.strip() for item in raw.split(",") if item.strip()]
        if raw and not items:
            self.problem(
                name, f"{name} is a list of nothing.", "Name at least one, or remove the setting."
            )
        return items or [item for item in default.split(",") if item]

    def path(self, name: str, default: Path) -> Path:
        raw = self._read(name)
        return Path(raw).expanduser().resolve() if raw else default

    def url(self, name: str, schemes: tuple[str, ...], *, secret: bool = False) -> str:
        """An absolute URL with one of the schemes, or "". Its password never shows in a problem."""
        raw = self.secret(name) if secret else self._read(name)
        if not raw or _is_url(raw, schemes):
            return raw
        self.problem(
            name,
            f"{name} is not an address that can be used.",
            f"Write one that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"
            " and names a host.",
        )
        return ""


def _is_url(raw: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(raw)
        # A list of MongoDB hosts has several ports, which urlsplit cannot read as one.
        port_is_valid = "," in parts.netloc or parts.port is None or parts.port > 0
    except ValueError:
        return False
    # A Unix socket is a path on this machine.
    place = parts.path if parts.scheme == "unix" else parts.netloc
    return parts.scheme in schemes and bool(place) and port_is_valid


def load(base_dir: Path) -> Env:
    """The process environment over the file that ENV_FILE names (`.env` beside manage.py)."""
    path = Path(os.environ.get("ENV_FILE", base_dir / ".env"))
    env = Env({})
    env.names.append("ENV_FILE")
    env.values = {**_read_file(path, env), **os.environ}
    if env.is_set("ENV_FILE") and not path.is_file():
        env.problem("ENV_FILE", f"ENV_FILE={path} is not a file.", "Give the path of a .env file.")
    return env


def _read_file(path: Path, env: Env) -> dict[str, str]:
    """The settings in the file; none if there is no file. Mistakes go to `env`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        return {}
    except (PermissionError, UnicodeDecodeError):
        hint = "Let this user read it, and save it as UTF-8."
        env.problem("ENV_FILE", f"{path} cannot be read.", hint)
        return {}
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            line = binding.original.line
            env.problem("ENV_FILE", f"Line {line} of {path} is no setting.", "Write NAME=value.")
    return {name: value or "" for name, value in dotenv_values(stream=StringIO(text)).items()}
