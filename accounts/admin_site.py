"""Django's admin with our log-in page, so that its lock cannot be walked around."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.permissions import may_administer


class ChatcoreAdminSite(AdminSite):
    site_title = site_header = "Chatcore administration"
    index_title = "People, organisations and usage"
    site_url = "/"

    def has_permission(self, request: HttpRequest) -> bool:
        return may_administer(request.user)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.user.is_authenticated:
            return render(request, "403.html", status=403)
        return redirect_to_login(request.GET.get("next", "/admin/"))
