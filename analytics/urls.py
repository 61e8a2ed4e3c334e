from django.urls import path

from analytics import api

app_name = "analytics"
urlpatterns = [path("usage", api.UsageView.as_view(), name="usage")]
