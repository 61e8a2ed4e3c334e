"""Pages about chats; conversations/urls.py has the API's addresses."""

from django.urls import path

from conversations import views

app_name = "chats"
urlpatterns = [
    path("c/<str:conversation_id>/export.<str:kind>", views.export, name="export"),
]
