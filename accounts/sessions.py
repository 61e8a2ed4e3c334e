"""Who is logged in: for a request, and for a socket, which outlives its request."""

from importlib import import_module
from types import SimpleNamespace
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from accounts.models import User


class SessionEnded(Exception):
    """The person logged out, changed the password elsewhere, was deactivated or deleted."""


def person(request: HttpRequest) -> User:
    """Who is logged in, behind `login_required`."""
    return cast(User, request.user)


def user_of_session(session_key: str) -> User:
    """The active user of a session that is still valid. Raises SessionEnded."""
    engine: Any = import_module(settings.SESSION_ENGINE)
    # Django asks for nothing but the session.
    request = cast(HttpRequest, SimpleNamespace(session=engine.SessionStore(session_key)))
    user = get_user(request)
    if not isinstance(user, User):
        raise SessionEnded
    return user


def has_session(session_key: str) -> bool:
    """Whether somebody is still logged in by this session."""
    try:
        user_of_session(session_key)
    except SessionEnded:
        return False
    return True
