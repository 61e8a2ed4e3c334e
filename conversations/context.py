"""What every page is told of chats."""

from django.conf import settings
from django.http import HttpRequest


def sharing(_request: HttpRequest) -> dict[str, str]:
    """A context processor: who can read a chat by its link, "organization", "anyone" or "off"."""
    return {"sharing": settings.SHARING}
