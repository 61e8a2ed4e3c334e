"""Whether a request is somebody's, by its headers alone."""

from datetime import timedelta

import pytest
from django.test import Client

from accounts.authentication import is_known
from accounts.models import ApiToken
from chatcore import clock

pytestmark = pytest.mark.django_db(transaction=True)


def bearer(token: str) -> dict[bytes, bytes]:
    return {b"authorization": f"Bearer {token}".encode()}


def cookie_of(user) -> dict[bytes, bytes]:
    client = Client()
    client.force_login(user)
    return {b"cookie": f"a=b; sessionid={client.cookies['sessionid'].value}".encode()}


def test_a_session_and_a_token_are_somebodys(bob):
    token = ApiToken.objects.issue(bob, "x", lifetime=None, now=clock.now())

    assert is_known(cookie_of(bob))
    assert is_known(bearer(token))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"cookie": b"sessionid="},
        {b"cookie": b"sessionid=unknown"},
        {b"cookie": b"\xff\xfe=;;sessionid"},
        {b"authorization": b""},
        {b"authorization": b"Bearer"},
        {b"authorization": b"Bearer cc_unknown"},
        {b"authorization": b"Bearer \xff"},
        {b"authorization": b"Basic YTpi"},
    ],
)
def test_anything_else_is_a_strangers(headers, db):
    assert is_known(headers) is False


def test_what_has_ended_is_a_strangers(bob):
    session = cookie_of(bob)
    expired = ApiToken.objects.issue(
        bob, "x", lifetime=timedelta(hours=1), now=clock.now() - timedelta(hours=2)
    )
    token = ApiToken.objects.issue(bob, "y", lifetime=None, now=clock.now())

    assert is_known(bearer(expired)) is False
    bob.is_active = False
    bob.save()
    assert is_known(session) is False
    assert is_known(bearer(token)) is False


def test_a_token_that_is_wrong_does_not_become_right_by_a_session(bob):
    assert is_known({**cookie_of(bob), **bearer("cc_unknown")}) is False
