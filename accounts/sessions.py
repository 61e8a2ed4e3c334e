"""Who is logged in: for a request, and for a socket, which outlives its request."""

from collections.abc import Awaitable, Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, parse_cookie

from accounts.models import User
from chatcore.db import in_thread


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


Application = Callable[[Any, Any, Any], Awaitable[None]]


class PersonOfSocket:
    """Puts `user` and `session_key` into the scope of a socket; of a stranger None and "".

    Channels' own makes a session of it that is saved when it changes, and looks for that at each
    message that is sent: a twelfth of what a piece of an answer costs.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin-1"))
        session_key = cookies.get(settings.SESSION_COOKIE_NAME, "")
        try:
            user = await in_thread(user_of_session, session_key) if session_key else None
        except SessionEnded:
            user = None
        found = {"user": user, "session_key": session_key}
        await self.application({**scope, **found}, receive, send)
