"""Front-end files are what their lock files say, and nothing else is served beside them."""

import hashlib
import json
from pathlib import Path

import pytest
from django.conf import settings

VENDOR = Path(settings.BASE_DIR) / "static" / "vendor"
# What tests use and nobody is served.
TESTS = Path(settings.BASE_DIR) / "tests" / "vendor"
PACKAGES = {
    VENDOR: {
        *("marked", "dompurify", "@highlightjs/cdn-assets", "temml"),
        *("lucide-static", "swagger-ui-dist", "uplot"),
    },
    TESTS: {"axe-core"},
}


def lock(vendor: Path = VENDOR) -> dict[str, dict[str, str]]:
    entries = json.loads((vendor / "vendor.lock.json").read_text())
    return {entry["file"]: entry for entry in entries}


@pytest.mark.parametrize("vendor", [VENDOR, TESTS])
def test_every_file_is_locked_and_unchanged(vendor):
    present = {
        str(path.relative_to(vendor)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in vendor.rglob("*")
        if path.is_file() and path.name != "vendor.lock.json"
    }

    assert present == {name: entry["sha256"] for name, entry in lock(vendor).items()}


@pytest.mark.parametrize("vendor", [VENDOR, TESTS])
def test_every_package_has_its_licence_beside_it(vendor):
    packages = {entry["package"] for entry in lock(vendor).values()}

    assert packages == PACKAGES[vendor]
    for package in packages:
        files = [name for name, entry in lock(vendor).items() if entry["package"] == package]
        assert any(name.endswith("LICENSE") for name in files)
    assert all(entry["licence"] and entry["version"] for entry in lock(vendor).values())


def test_no_file_names_a_source_map():
    assert [name for name in lock() if b"sourceMappingURL" in (VENDOR / name).read_bytes()] == []


def test_every_icon_is_used():
    pages = "".join(path.read_text() for path in (VENDOR.parents[1] / "templates").rglob("*.html"))

    unused = [path.stem for path in VENDOR.glob("lucide/*.svg") if f'"{path.stem}"' not in pages]
    assert unused == []
