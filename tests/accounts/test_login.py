"""Logging in and out, and the lock after repeated failures."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.test import Client

from accounts.clients import client_address
from chatcore import limits
from tests.server import PASSWORD

MISMATCH = "E-mail and password do not match an account."
LOCKED = "Too many attempts for this account from here."


def log_in(client, email="bob@acme.example", password=PASSWORD, **extra):
    return client.post("/login", {"username": email, "password": password}, **extra)


def fail(client, times, email="bob@acme.example", **extra):
    for _ in range(times):
        response = log_in(client, email, "wrong", **extra)
    return response


def test_the_right_password_opens_the_chats(client, bob):
    response = log_in(client)

    assert (response.status_code, response["Location"]) == (302, "/")
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("email", ["Bob@Acme.Example", " bob@acme.example "])
def test_the_address_may_be_written_in_any_case(email, client, bob):
    assert log_in(client, email).status_code == 302


def test_a_wrong_password_says_so_and_nothing_more(client, bob):
    wrong_password = log_in(client, password="wrong")
    no_account = log_in(client, "nobody@acme.example")

    assert MISMATCH in wrong_password.text
    assert MISMATCH in no_account.text


def test_somebody_deactivated_cannot_log_in(client, bob):
    bob.is_active = False
    bob.save()

    assert MISMATCH in log_in(client).text


def test_after_five_failures_the_account_is_locked_for_this_client(client, bob):
    fail(client, 5)

    response = log_in(client)  # the right password, too late

    assert LOCKED in response.text
    assert re.search(r"Try again in (1 minute|\d+ minutes)\.", response.text)
    assert client.get("/").status_code == 302


def test_nobody_behind_the_same_address_is_locked_out_with_you(client, alice, bob):
    fail(client, 6)

    assert log_in(Client(), "alice@acme.example").status_code == 302


def test_the_owner_elsewhere_is_not_locked_out_by_a_guesser(client, bob):
    fail(client, 6, REMOTE_ADDR="203.0.113.9")

    assert log_in(client, REMOTE_ADDR="198.51.100.7").status_code == 302


def test_a_success_begins_a_new_count(client, bob):
    fail(client, 4)
    log_in(client)
    client.logout()

    assert MISMATCH in fail(client, 4).text
    assert log_in(client).status_code == 302


def test_the_lock_ends_with_its_window(client, bob, time_machine, settings):
    time_machine.move_to("2026-11-23T10:00:00Z", tick=False)
    fail(client, 6)
    time_machine.shift(settings.LOGIN_LIMIT.seconds + 1)

    assert log_in(client).status_code == 302


def test_a_flood_of_invented_addresses_unlocks_nobody():
    def attempt(email):
        return limits.count_login_attempt(email, "203.0.113.9").exceeded

    assert [attempt("bob@acme.example") for _ in range(6)][-1]
    for number in range(2000):
        attempt(f"{number}@acme.example")

    assert attempt("bob@acme.example")


def test_guessing_in_parallel_gains_nothing():
    def attempt(_number):
        return limits.count_login_attempt("bob@acme.example", "203.0.113.9").exceeded

    with ThreadPoolExecutor(8) as pool:
        exceeded = list(pool.map(attempt, range(50)))

    assert exceeded.count(False) == 5


def test_log_out_is_a_post(client, bob):
    client.force_login(bob)

    assert client.get("/logout").status_code == 405
    client.post("/logout")
    assert client.get("/").status_code == 302


def test_the_way_back_stays_on_this_site(client, bob):
    def location(next_page):
        data = {"username": bob.email, "password": PASSWORD, "next": next_page}
        return Client().post("/login", data)["Location"]

    assert location("/c/c1") == "/c/c1"
    assert location("https://evil.example/") == "/"


def test_a_new_password_needs_the_old_one(client, bob):
    client.force_login(bob)
    new = "another horse entirely"

    client.post("/password", {"old_password": "x", "new_password1": new, "new_password2": new})
    bob.refresh_from_db()
    assert bob.check_password(PASSWORD)
    client.post("/password", {"old_password": PASSWORD, "new_password1": new, "new_password2": new})
    bob.refresh_from_db()
    assert bob.check_password(new)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "203.0.113.9", "10.0.0.1"),  # anybody can send that header
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "made-up, 203.0.113.9", "203.0.113.9"),
        (2, "made-up, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        (2, "203.0.113.9", "10.0.0.1"),  # did not come through both proxies
        (1, "", "10.0.0.1"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (1, "2001:db8:1:2::9", "2001:db8:1:2::/64"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
        (1, "unknown", "unknown"),
    ],
)
def test_a_client_is_known_by_what_our_own_proxies_say(proxies, forwarded, expected, rf, settings):
    settings.PROXY_COUNT = proxies
    request = rf.get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=forwarded)

    assert client_address(request) == expected
