"""Front-end files are what their lock file says, and nothing else is served beside them."""

import hashlib
import json
from pathlib import Path

from django.conf import settings

VENDOR = Path(settings.BASE_DIR) / "static" / "vendor"


def lock() -> dict[str, dict[str, str]]:
    entries = json.loads((VENDOR / "vendor.lock.json").read_text())
    return {entry["file"]: entry for entry in entries}


def test_every_file_is_locked_and_unchanged():
    present = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "vendor.lock.json"
    }

    assert present == {name: entry["sha256"] for name, entry in lock().items()}


def test_every_package_has_its_licence_beside_it():
    packages = {entry["package"] for entry in lock().values()}

    assert packages == {
        *("marked", "dompurify", "@highlightjs/cdn-assets", "temml"),
        *("lucide-static", "swagger-ui-dist", "uplot"),
    }
    for package in packages:
        files = [name for name, entry in lock().items() if entry["package"] == package]
        assert any(name.endswith("LICENSE") for name in files)
    assert all(entry["licence"] and entry["version"] for entry in lock().values())


def test_no_file_names_a_source_map():
    assert [name for name in lock() if b"sourceMappingURL" in (VENDOR / name).read_bytes()] == []


def test_every_icon_is_used():
    pages = "".join(path.read_text() for path in (VENDOR.parents[1] / "templates").rglob("*.html"))

    unused = [path.stem for path in VENDOR.glob("lucide/*.svg") if f'"{path.stem}"' not in pages]
    assert unused == []
