#!/usr/bin/env python3
"""Fetch the front-end libraries with npm, for maintainers: `make vendor`.

What pages load goes into static/vendor/, what only tests use into tests/vendor/, which is never
served. Versions are pinned below. Files come from the published packages unmodified, but for the
lines that name source maps: those are not shipped, and hashing static files fails on a name without
a file. Lock files say what each file is; tests/chatcore/test_vendor.py holds the files to them.
"""

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

ICONS = (
    *("arrow-up", "chart-column", "chevron-down", "copy", "download", "log-out"),
    *("menu", "plus", "refresh-cw", "settings", "shield", "square", "triangle-alert", "x"),
    *("arrow-left", "ellipsis", "panel-left", "pencil", "rotate-ccw", "search", "trash-2"),
    *("check", "keyboard", "text-quote", "wifi-off"),
)


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    licence: str
    # Path in the package -> path below the folder.
    files: dict[str, str]


PACKAGES = [
    Package(
        "marked",
        "18.2.1",
        "MIT",
        {"lib/marked.esm.js": "marked/marked.esm.js", "LICENSE": "marked/LICENSE"},
    ),
    Package(
        "dompurify",
        "3.4.18",
        "MPL-2.0 OR Apache-2.0",
        {"dist/purify.min.js": "dompurify/purify.min.js", "LICENSE": "dompurify/LICENSE"},
    ),
    Package(
        "@highlightjs/cdn-assets",
        "11.12.0",
        "BSD-3-Clause",
        {"es/highlight.min.js": "highlight/highlight.min.js", "LICENSE": "highlight/LICENSE"},
    ),
    # The minified build is no module, and so could not be imported when it is needed.
    Package(
        "temml",
        "0.13.5",
        "MIT",
        {"dist/temml.mjs": "temml/temml.mjs", "LICENSE": "temml/LICENSE"},
    ),
    Package(
        "swagger-ui-dist",
        "5.35.0",
        "Apache-2.0",
        {
            "swagger-ui.css": "swagger-ui/swagger-ui.css",
            "swagger-ui-bundle.js": "swagger-ui/swagger-ui-bundle.js",
            "LICENSE": "swagger-ui/LICENSE",
            "NOTICE": "swagger-ui/NOTICE",
        },
    ),
    Package(
        "uplot",
        "1.6.32",
        "MIT",
        {
            "dist/uPlot.iife.min.js": "uplot/uPlot.iife.min.js",
            "dist/uPlot.min.css": "uplot/uPlot.min.css",
            "LICENSE": "uplot/LICENSE",
        },
    ),
    Package(
        "lucide-static",
        "1.62.0",
        "ISC",
        {
            **{f"icons/{name}.svg": f"lucide/{name}.svg" for name in ICONS},
            "LICENSE": "lucide/LICENSE",
        },
    ),
]

FOR_TESTS = [
    # Finds what keeps people from using a page. The package for Python brings an older one along.
    Package(
        "axe-core",
        "4.14.1",
        "MPL-2.0",
        {
            "axe.min.js": "axe-core/axe.min.js",
            "LICENSE": "axe-core/LICENSE",
            "LICENSE-3RD-PARTY.txt": "axe-core/LICENSE-3RD-PARTY.txt",
        },
    ),
]


def main() -> None:
    for folder, packages in (("static", PACKAGES), ("tests", FOR_TESTS)):
        vendor = ROOT / folder / "vendor"
        shutil.rmtree(vendor, ignore_errors=True)
        lock = [entry for package in packages for entry in fetch(package, vendor)]
        (vendor / "vendor.lock.json").write_text(json.dumps(lock, indent=2) + "\n")


def fetch(package: Package, vendor: Path) -> list[dict[str, str]]:
    """Write the files of a package; return their lock entries."""
    with tempfile.TemporaryDirectory() as folder:
        spec = f"{package.name}@{package.version}"
        subprocess.run(["npm", "pack", "--silent", spec], cwd=folder, check=True)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            return [
                write(package, vendor, target, read(archive, source))
                for source, target in package.files.items()
            ]


def read(archive: tarfile.TarFile, source: str) -> bytes:
    member = archive.extractfile(f"package/{source}")
    if member is None:
        raise FileNotFoundError(source)
    return re.sub(rb"\n?(//|/\*)# sourceMappingURL=\S+[ \t]*", b"", member.read())


def write(package: Package, vendor: Path, target: str, content: bytes) -> dict[str, str]:
    path = vendor / target
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {
        "file": target,
        "package": package.name,
        "version": package.version,
        "licence": package.licence,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


if __name__ == "__main__":
    main()
