"""This package's app, and Django's own apps with keys that the chosen store can make."""

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth.apps import AuthConfig as DjangoAuthConfig
from django.contrib.contenttypes.apps import ContentTypesConfig as DjangoContentTypesConfig


class ChatcoreConfig(AppConfig):
    name = "chatcore"

    def ready(self) -> None:
        from chatcore import checks  # noqa: F401  registers the checks


class AuthConfig(DjangoAuthConfig):
    default_auto_field = settings.CONTRIB_AUTO_FIELD


class ContentTypesConfig(DjangoContentTypesConfig):
    default_auto_field = settings.CONTRIB_AUTO_FIELD
