"""What every page is told: how this person wants it to look."""

from typing import Any

from django.http import HttpRequest

from accounts.models import Theme, User
from chatcore.db import because_store_is_away


def preferences(request: HttpRequest) -> dict[str, Any]:
    """A context processor. `theme` is called by the template that needs it.

    To ask who is there costs a look at the session, and makes an answer depend on the cookie.
    """
    return {"theme": lambda: theme_of(request)}


def theme_of(request: HttpRequest) -> str:
    """The theme of whoever is logged in; a stranger's, or while the store is away, the device's."""
    try:
        user = getattr(request, "user", None)
        return user.theme if isinstance(user, User) else Theme.SYSTEM
    except Exception as error:
        # "Not here" is told without the store; its colours are no reason for another answer.
        if because_store_is_away(error) is None:
            raise
        return Theme.SYSTEM
