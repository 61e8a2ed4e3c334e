"""Who a program acts as at the REST API: the person of its API token."""

import logging
from datetime import datetime

from django.db import DatabaseError
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from knox.crypto import hash_token
from rest_framework.authentication import get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import ApiToken, User
from chatcore import clock

logger = logging.getLogger(__name__)

SCHEMES = (b"bearer", b"token")


class TokenAuthentication(KnoxTokenAuthentication):
    """`Authorization: Bearer <token>`, or `Token` as knox has it, in any case.

    Knox looks for tokens that begin alike, and deletes the person's expired ones on the way. Here
    one query finds the token by its digest, and nothing is deleted in a read.
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
        if found is None or not found.user.is_active:
            raise AuthenticationFailed(
                "This token is not valid. Make a new one on the page /tokens."
            )
        if found.has_expired(now):
            raise AuthenticationFailed(
                "This token has expired. Make a new one on the page /tokens."
            )
        _note_use(found, now)
        return found.user, found


def _look_up(token: bytes) -> ApiToken | None:
    try:
        # One joined query is quicker than two on either store.
        return ApiToken.objects.select_related("user").get(digest=hash_token(token.decode()))
    except (UnicodeDecodeError, ApiToken.DoesNotExist):
        return None


def _note_use(token: ApiToken, now: datetime) -> None:
    try:
        token.note_use(now)
    except DatabaseError as error:
        logger.warning("The use of an API token was not noted: %s", type(error).__name__)
