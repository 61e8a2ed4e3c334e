"""Pages about chats; conversations/urls.py has the API's addresses."""

from django.urls import path

from conversations import sharing_views, views

app_name = "chats"
urlpatterns = [
    path("c/<str:conversation_id>/export.<str:kind>", views.export, name="export"),
    path("s/<str:token>", sharing_views.shared, name="shared"),
    path("settings/links", sharing_views.links, name="links"),
    path("settings/links/<uuid:link_id>/stop", sharing_views.stop, name="stop-link"),
]
