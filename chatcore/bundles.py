"""Puts a module or stylesheet and what it imports of ours into one file: a page is few requests.

Not a compiler: it knows the few forms that static/js and static/css are written in, and refuses any
other (docs/adr/0004-no-front-end-build.md). Modules of static/vendor stay imports.
"""

import posixpath
import re
from collections.abc import Callable

# The text of a file, by its path below static/.
Read = Callable[[str], str]

_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function (\w+)|const (\w+)|class (\w+))", re.MULTILINE)
_OTHER_FORM = re.compile(r"^(?:import\b(?!\()|export\b).*", re.MULTILINE)
_CSS_IMPORT = re.compile(r'^@import "(\.[^"]+)";\n', re.MULTILINE)


class BundleError(Exception):
    """A file that cannot be put together with others. The text says which line, and why."""


def module(path: str, read: Read) -> str:
    """The ES module at `path` with all of ours that it imports. What it exports itself stays so."""
    bundle = _Modules(read)
    body, _ = bundle.take(path, is_entry=True)
    return "".join([*bundle.vendored, *bundle.parts.values(), body])


def stylesheet(path: str, read: Read) -> str:
    """The stylesheet with those that it imports in their places."""

    def inline(found: re.Match[str]) -> str:
        return stylesheet(_resolve(path, found[1]), read)

    return _CSS_IMPORT.sub(inline, read(path))


class _Modules:
    def __init__(self, read: Read) -> None:
        self.read = read
        # By path, in the order in which they have to run.
        self.parts: dict[str, str] = {}
        # Lines that import something of static/vendor.
        self.vendored: dict[str, None] = {}
        self.open: list[str] = []

    def take(self, path: str, *, is_entry: bool = False) -> tuple[str, list[str]]:
        """The module's text without imports of ours, and what it exports."""
        if path in self.open:
            raise BundleError(f"{' imports '.join([*self.open, path])}: a circle.")
        self.open.append(path)
        text = _IMPORT.sub(lambda found: self._import(path, found), self.read(path))
        self.open.pop()
        names = [next(filter(None, found.groups())) for found in _EXPORT.finditer(text)]
        plain = _EXPORT.sub("", text)
        if other := _OTHER_FORM.search(plain):
            raise BundleError(f"{path}: {other[0]!r} is none of the forms that bundles know.")
        return (text if is_entry else plain), names

    def _import(self, path: str, found: re.Match[str]) -> str:
        names, target = found[1], _resolve(path, found[2])
        if target.startswith("vendor/"):
            self.vendored[found[0]] = None
            return ""
        if target not in self.parts:
            body, exports = self.take(target)
            self.parts[target] = (
                f"const {_name(target)} = (() => {{\n{body}"
                f"return {{ {', '.join(exports)} }};\n}})();\n"
            )
        # "one as other" is "one: other" there.
        pattern = re.sub(r"\s+as\s+", ": ", names).strip()
        return f"const {{ {pattern} }} = {_name(target)};\n"


def _name(path: str) -> str:
    """What a module is called in the bundle; no name of our own begins like that."""
    return "$" + re.sub(r"\W", "_", path.removeprefix("js/").removesuffix(".js"))


def _resolve(path: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
