"""This package's app, and Django's own apps with keys that the chosen store can make."""

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from django.contrib.auth.apps import AuthConfig as DjangoAuthConfig
from django.contrib.contenttypes.apps import ContentTypesConfig as DjangoContentTypesConfig


class ChatcoreConfig(AppConfig):
    name = "chatcore"

    def ready(self) -> None:
        from chatcore import checks  # noqa: F401  registers the checks


class AdminConfig(DjangoAdminConfig):
    default_auto_field = settings.DEFAULT_AUTO_FIELD
    default_site = "accounts.admin_site.ChatcoreAdminSite"


class AuthConfig(DjangoAuthConfig):
    default_auto_field = settings.DEFAULT_AUTO_FIELD


class ContentTypesConfig(DjangoContentTypesConfig):
    default_auto_field = settings.DEFAULT_AUTO_FIELD
