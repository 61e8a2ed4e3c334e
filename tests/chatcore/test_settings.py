"""The settings as a whole: documented, checked, and safe by default."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.db import connection

ROOT = Path(settings.BASE_DIR)


def manage(*arguments, **environment) -> subprocess.CompletedProcess:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**inherited, "ENV_FILE": "", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("document", ["docs/settings.md", ".env.example"])
def test_every_setting_is_documented(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    documented = set(re.findall(r"\b[A-Z_]+\b", text))
    names = {name for name in settings.ENV.names if not name.endswith("_FILE")}

    assert len(names) > 15
    assert sorted(names - documented) == []


def test_every_secret_file_is_documented():
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")

    assert sorted(name for name in settings.ENV.names if f"`{name}`" not in text) == []


def test_wrong_values_are_all_told_at_once_with_hints_and_no_traceback(tmp_path):
    result = manage(
        "check",
        DATA_DIR=str(tmp_path),
        PORT="eighty",
        DEBUG="perhaps",
        MONGODB_URI="localhost",
        REDIS_URL="http://localhost",
        OPENAI_BASE_URL="ollama",
        OPENAI_API_KEY_FILE="/nowhere",
        SECRET_KEY="short",
        ALLOWED_HOSTS="*",
        TRUSTED_ORIGINS="chat.example.org",
        ASSISTANT_LIMIT="many",
        LOGIN_LIMIT="off",
        RATELIMIT_FALLBACK="shut",
    )

    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    for name in (
        *("PORT=eighty", "DEBUG=perhaps", "MONGODB_URI", "REDIS_URL", "OPENAI_BASE_URL"),
        *("OPENAI_API_KEY_FILE", "SECRET_KEY is too short", "ALLOWED_HOSTS=*"),
        "TRUSTED_ORIGINS: chat.example.org",
        *("ASSISTANT_LIMIT=many", "LOGIN_LIMIT=off", "RATELIMIT_FALLBACK=shut"),
    ):
        assert name in result.stderr
    assert result.stderr.count("HINT:") == 12


@pytest.mark.parametrize("command", ["check", "start"])
@pytest.mark.parametrize("folder", ["file", "file/data"])
def test_a_data_dir_that_cannot_be_used_is_told(command, folder, tmp_path):
    (tmp_path / "file").write_text("")

    result = manage(command, DATA_DIR=str(tmp_path / folder))

    assert result.returncode == 1
    assert "DATA_DIR" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_secret_key_of_ones_own_still_needs_a_folder_for_sqlite(tmp_path):
    missing = manage("check", DATA_DIR=str(tmp_path / "new" / "data"), SECRET_KEY="x" * 50)

    assert missing.returncode == 0, missing.stderr
    assert (tmp_path / "new" / "data").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["a.b", "chat?tls=true&ssl=false"])
def test_a_mongodb_address_that_makes_no_sense_is_told(name, tmp_path):
    result = manage("start", DATA_DIR=str(tmp_path), MONGODB_URI=f"mongodb://127.0.0.1:9/{name}")

    assert result.returncode == 1
    assert "MONGODB_URI cannot be used" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_mongodb_that_is_not_there_is_told_in_seconds_and_without_its_password(tmp_path):
    result = manage(
        "start", DATA_DIR=str(tmp_path), MONGODB_URI="mongodb://root:hunter2@127.0.0.1:9/chat"
    )

    assert result.returncode == 1
    assert "MongoDB cannot be reached" in result.stderr
    assert "hunter2" not in result.stderr
    assert "Traceback" not in result.stderr


def test_a_compatible_server_without_models_gets_a_warning(settings):
    settings.OPENAI_BASE_URL = "http://localhost:11434/v1"

    assert [message.id for message in run_checks()] == ["chatcore.W001"]


@pytest.mark.parametrize("url", ["redis://localhost:6379/0?nonsense=1", "redis://localhost:x/0"])
def test_a_redis_address_that_makes_no_sense_is_told(url, settings):
    settings.REDIS_URL = url

    assert [message.id for message in run_checks()] == ["chatcore.E006"]


def test_https_without_a_proxy_gets_a_warning(settings):
    settings.HTTPS = True

    assert [message.id for message in run_checks()] == ["chatcore.W002"]


def test_the_defaults_have_nothing_to_complain_of():
    assert run_checks() == []


def test_the_store_is_the_one_this_run_is_meant_for():
    """A run that silently used another database would prove nothing."""
    expected = os.environ.get("EXPECT_STORE")
    if expected is None:
        pytest.skip("EXPECT_STORE is set by tests.run")

    assert connection.vendor == expected
