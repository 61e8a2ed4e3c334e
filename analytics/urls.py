from django.urls import path

from analytics import admin_api, api

app_name = "analytics"
urlpatterns = [
    path("usage", api.UsageView.as_view(), name="usage"),
    path("admin/analytics", admin_api.ReportView.as_view(), name="report"),
]
