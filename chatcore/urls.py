from django.contrib import admin
from django.contrib.staticfiles.storage import staticfiles_storage
from django.urls import include, path
from django.views.generic import RedirectView

from analytics import dashboard
from chatcore import schema

urlpatterns = [
    # Asked for by browsers where a page, such as one of the admin's, names no icon.
    path("favicon.ico", RedirectView.as_view(url=staticfiles_storage.url("img/icon.svg"))),
    path("", include("accounts.urls")),
    path("", include("assistant.urls")),
    path("", include("prompts.urls")),
    # Before the admin's own, which would let no manager in.
    path("admin/analytics", dashboard.overview),
    path("admin/analytics/", dashboard.overview, name="dashboard"),
    path("admin/analytics/users/<uuid:person_id>/", dashboard.person, name="dashboard_person"),
    path("", include("conversations.page_urls")),
    path("admin/", admin.site.urls),
    path("api/assistant/", include("conversations.urls")),
    path("api/", include("analytics.urls")),
    path("api/schema", schema.document, name="schema"),
    path("api/docs", schema.docs, name="api_docs"),
]

handler400 = "chatcore.error_pages.bad_request"
handler403 = "chatcore.error_pages.forbidden"
handler404 = "chatcore.error_pages.not_found"
handler500 = "chatcore.error_pages.server_error"
