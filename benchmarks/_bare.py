"""The least that Django can answer: a small JsonResponse, no middleware, no database."""

import django
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import path

from chatcore.handler import Handler

PAYLOAD = {"conversations": [{"id": "chat-1", "title": "A bare answer"}], "nextCursor": None}


def answer(_request: HttpRequest) -> JsonResponse:
    response = JsonResponse(PAYLOAD)
    # As CommonMiddleware does: without it the server would send chunks.
    response["Content-Length"] = str(len(response.content))
    return response


urlpatterns = [path("", answer)]
settings.configure(ALLOWED_HOSTS=["localhost"], ROOT_URLCONF=__name__, MIDDLEWARE=[])
django.setup(set_prefix=False)
application = Handler()
