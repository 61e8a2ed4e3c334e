"""The application that an ASGI server runs."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatcore.settings")
# Loads the apps; what follows imports models.
django.setup(set_prefix=False)

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import WebsocketDenier  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from accounts.sessions import PersonOfSocket  # noqa: E402
from assistant.consumers import AssistantConsumer  # noqa: E402
from chatcore.error_pages import RefuseSocketsWhileStoreIsAway  # noqa: E402
from chatcore.handler import Handler  # noqa: E402
from chatcore.origins import OriginValidator  # noqa: E402

sockets = [
    path("ws/assistant", AssistantConsumer.as_asgi()),
    re_path("", WebsocketDenier.as_asgi()),
]
application = ProtocolTypeRouter(
    {
        "http": Handler(),
        "websocket": OriginValidator(
            RefuseSocketsWhileStoreIsAway(PersonOfSocket(URLRouter(sockets)))
        ),
    }
)
