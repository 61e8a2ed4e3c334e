"""Settings from the environment: read by type, and never a traceback."""

from pathlib import Path

import pytest

from chatcore import env as env_module
from chatcore.env import Env, Rate


def problems(env: Env) -> list[str]:
    return [problem.name for problem in env.problems]


@pytest.mark.parametrize(
    ("raw", "value"), [("1", True), ("Yes", True), ("off", False), ("FALSE", False), ("", True)]
)
def test_a_boolean(raw, value):
    env = Env({"FLAG": raw})

    assert env.boolean("FLAG", default=True) is value
    assert problems(env) == []


@pytest.mark.parametrize("raw", ["abc", "-1", "0", "65536", "8000.5", "٣", "1e3"])
def test_a_wrong_number_is_a_problem_and_the_default_is_used(raw):
    env = Env({"PORT": raw})

    assert env.integer("PORT", 8000, minimum=1, maximum=65535) == 8000
    assert problems(env) == ["PORT"]


def test_a_wrong_boolean_is_a_problem_with_a_hint():
    env = Env({"DEBUG": "maybe"})

    assert env.boolean("DEBUG", default=False) is False
    assert env.problems[0].message == "DEBUG=maybe is neither yes nor no."
    assert env.problems[0].hint == "Write 1 or 0."


@pytest.mark.parametrize(
    ("raw", "rate"),
    [
        ("20/m", (20, 60)),
        ("5/15m", (5, 900)),
        ("100/H", (100, 3600)),
        ("2/5s", (2, 5)),
        ("1/1d", (1, 86_400)),
        ("", (7, 8)),
    ],
)
def test_a_rate(raw, rate):
    env = Env({"LIMIT": raw})

    assert env.rate("LIMIT", Rate(7, 8)) == rate
    assert problems(env) == []


@pytest.mark.parametrize(
    "raw", ["20", "20/", "/m", "0/m", "5/0m", "-1/m", "1.5/m", "5/m/s", "5 /m", "٣/m", "5/w", "off"]
)
def test_a_wrong_rate_is_a_problem_and_the_default_is_used(raw):
    env = Env({"LIMIT": raw})

    assert env.rate("LIMIT", Rate(5, 900)) == (5, 900)
    assert [problem.hint for problem in env.problems] == [
        "Write it as in 20/m or 5/15m, where the period is s, m, h or d"
        " (seconds, minutes, hours, days)."
    ]


def test_a_rate_that_may_be_off():
    env = Env({"OFF": "Off", "ON": "3/s", "WRONG": "of"})

    found = [env.rate_or_off(name, Rate(7, 8)) for name in ("OFF", "ON", "WRONG", "NOT_SET")]

    assert found == [None, (3, 1), (7, 8), (7, 8)]
    assert problems(env) == ["WRONG"]
    assert env.problems[0].hint.endswith("or off for no limit.")


def test_a_text_that_may_be_off():
    env = Env({"OFF": "Off", "ON": "a:b", "EMPTY": ""})

    found = [env.string_or_off(name, "same") for name in ("OFF", "ON", "EMPTY", "NOT_SET")]

    assert found == ["", "a:b", "same", "same"]


@pytest.mark.parametrize(("raw", "value"), [("", "local"), ("Open", "open"), ("local", "local")])
def test_a_choice(raw, value):
    env = Env({"FALLBACK": raw})

    assert env.choice("FALLBACK", "local", "open") == value
    assert problems(env) == []


def test_a_wrong_choice_is_a_problem_that_names_the_right_ones():
    env = Env({"FALLBACK": "shut"})

    assert env.choice("FALLBACK", "local", "open") == "local"
    assert env.problems[0].message == "FALLBACK=shut cannot be used."
    assert env.problems[0].hint == "Write local or open."


def test_a_list_drops_blanks():
    assert Env({"MODELS": " a, b ,,c "}).items("MODELS") == ["a", "b", "c"]


def test_a_list_of_nothing_is_a_problem():
    env = Env({"MODELS": " , "})

    assert env.items("MODELS", "x,y") == ["x", "y"]
    assert problems(env) == ["MODELS"]


def test_an_empty_value_counts_as_not_set():
    env = Env({"MODELS": "  ", "URL": ""})

    assert env.items("MODELS", "x,y") == ["x", "y"]
    assert env.url("URL", ("http",)) == ""
    assert problems(env) == []


@pytest.mark.parametrize(
    ("raw", "is_good"),
    [
        ("mongodb://localhost:27017/chat", True),
        ("mongodb://a:1,b:2,c:3/?replicaSet=rs0", True),
        ("localhost:27017", False),
        ("http://localhost", False),
        ("mongodb://", False),
        ("mongodb://host:port/", False),
        ("mongodb://[::1", False),
        ("unix:///run/redis.sock", True),
        ("unix://", False),
    ],
)
def test_an_address_needs_a_scheme_that_fits_and_a_host(raw, is_good):
    env = Env({"URI": raw})

    assert env.url("URI", ("mongodb", "unix")) == (raw if is_good else "")
    assert problems(env) == ([] if is_good else ["URI"])


def test_a_password_in_an_address_does_not_show_in_its_problem():
    env = Env({"URI": "mysql://root:hunter2@localhost"})

    env.url("URI", ("mongodb",))

    assert "hunter2" not in str(env.problems)


def test_a_secret_comes_from_its_file(tmp_path: Path):
    (tmp_path / "key").write_text("sk-from-file\n")

    assert Env({"KEY_FILE": str(tmp_path / "key")}).secret("KEY") == "sk-from-file"


def test_a_secret_file_that_cannot_be_read_is_a_problem(tmp_path: Path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    missing = Env({"KEY_FILE": str(tmp_path / "missing")})
    binary = Env({"KEY_FILE": str(tmp_path / "binary")})

    assert (missing.secret("KEY"), binary.secret("KEY")) == ("", "")
    assert problems(missing) == problems(binary) == ["KEY_FILE"]


def test_a_secret_given_twice_is_a_problem(tmp_path: Path):
    (tmp_path / "key").write_text("two")
    env = Env({"KEY": "one", "KEY_FILE": str(tmp_path / "key")})

    assert env.secret("KEY") == "one"
    assert problems(env) == ["KEY"]


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch):
    (tmp_path / ".env").write_text("ONE=file\nTWO=file\n# THREE=file\n")
    monkeypatch.delenv("ENV_FILE")
    monkeypatch.setenv("ONE", "environment")

    env = env_module.load(tmp_path)

    assert (env.string("ONE"), env.string("TWO"), env.string("THREE")) == (
        "environment",
        "file",
        "",
    )


def test_an_env_file_that_is_not_there_is_a_problem(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "nowhere"))

    assert problems(env_module.load(tmp_path)) == ["ENV_FILE"]


def test_an_env_file_that_is_no_text_is_a_problem(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("ENV_FILE")
    (tmp_path / ".env").write_bytes(b"ONE=\xff")

    assert problems(env_module.load(tmp_path)) == ["ENV_FILE"]


def test_a_line_that_is_no_setting_is_a_problem_with_its_number(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("ENV_FILE")
    (tmp_path / ".env").write_text("ONE=1\ngarbage line here\nTWO=2\n")

    env = env_module.load(tmp_path)

    assert [problem.message for problem in env.problems] == [
        f"Line 2 of {tmp_path / '.env'} is no setting."
    ]
    assert (env.string("ONE"), env.string("TWO")) == ("1", "2")


def test_a_secret_file_that_is_empty_is_a_problem(tmp_path: Path):
    (tmp_path / "key").write_text(" \n")
    env = Env({"KEY_FILE": str(tmp_path / "key")})

    assert env.secret("KEY") == ""
    assert problems(env) == ["KEY_FILE"]
