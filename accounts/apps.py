from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AccountsConfig(AppConfig):
    name = "accounts"


class AdminConfig(DjangoAdminConfig):
    default_auto_field = settings.CONTRIB_AUTO_FIELD
    default_site = "accounts.admin_site.ChatcoreAdminSite"
