"""Who a program acts as at the REST API: the person of its API token."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, parse_cookie
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from knox.crypto import hash_token
from rest_framework.authentication import get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import ApiToken, User
from accounts.sessions import has_session
from chatcore import clock, rows

logger = logging.getLogger(__name__)

SCHEMES = (b"bearer", b"token")


class TokenAuthentication(KnoxTokenAuthentication):
    """`Authorization: Bearer <token>`, or `Token` as knox has it, in any case.

    Knox looks for tokens that begin alike, and deletes the person's expired ones on the way. Here
    the token is found by its digest, and nothing is deleted in a read.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """None without such a header: another scheme may know the caller."""
        scheme, *words = get_authorization_header(request).split() or [b""]
        if scheme.lower() not in SCHEMES:
            return None
        if len(words) != 1:
            raise AuthenticationFailed("Send one token: Authorization: Bearer <token>")
        return self.authenticate_credentials(words[0])

    def authenticate_credentials(self, token: bytes) -> tuple[User, ApiToken]:
        found = _look_up(token)
        now = clock.now()
        user = found and rows.one(User, id=found.user_id)
        if found is None or user is None or not user.is_active:
            raise AuthenticationFailed(
                "This token is not valid. Make a new one on the page /tokens."
            )
        if found.has_expired(now):
            raise AuthenticationFailed(
                "This token has expired. Make a new one on the page /tokens."
            )
        _note_use(found, now)
        return user, found


def still_valid(request: Request) -> Callable[[], bool]:
    """Whether whoever sent this request may still be answered: a question to ask now and then.

    For answers that take long. By then a token may be revoked or have expired, and a person may
    have logged out or been deactivated.
    """
    if isinstance(request.auth, ApiToken):
        return partial(_is_valid, request.auth.pk)
    return partial(has_session, request.session.session_key)


def is_known(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request with these headers is somebody's, before it is one of Django's.

    For what has to be decided while it is still coming in. Its view asks again.
    """
    authorization = headers.get(b"authorization")
    if authorization is not None:
        request = HttpRequest()
        request.META["HTTP_AUTHORIZATION"] = authorization.decode("latin-1")
        try:
            return TokenAuthentication().authenticate(Request(request)) is not None
        except AuthenticationFailed:
            return False
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin-1"))
    session_key = cookies.get(settings.SESSION_COOKIE_NAME, "")
    return bool(session_key) and has_session(session_key)


def _is_valid(token_id: UUID) -> bool:
    found = rows.one(ApiToken, id=token_id)
    if found is None or found.has_expired(clock.now()):
        return False
    user = rows.one(User, id=found.user_id)
    return user is not None and user.is_active


def _look_up(token: bytes) -> ApiToken | None:
    try:
        return rows.one(ApiToken, digest=hash_token(token.decode()))
    except UnicodeDecodeError:
        return None


def _note_use(token: ApiToken, now: datetime) -> None:
    try:
        token.note_use(now)
    except DatabaseError as error:
        logger.warning("The use of an API token was not noted: %s", type(error).__name__)
