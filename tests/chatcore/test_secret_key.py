"""The secret key is made once, for this user's eyes only."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from chatcore.secret_key import read_or_make


def test_it_is_made_once_and_read_from_then_on(tmp_path):
    first, second = read_or_make(tmp_path), read_or_make(tmp_path)

    assert first == second
    assert len(first) > 50
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_nobody_else_may_read_it(tmp_path):
    read_or_make(tmp_path)

    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


def test_processes_that_start_at_once_agree_on_one_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: read_or_make(tmp_path), range(16)))

    assert len(keys) == 1


def test_a_damaged_key_is_told_and_not_replaced(tmp_path):
    (tmp_path / "secret_key").write_text("")

    with pytest.raises(OSError, match="too short"):
        read_or_make(tmp_path)
    assert (tmp_path / "secret_key").read_text() == ""
