from django.urls import path

from assistant import views

app_name = "assistant"
urlpatterns = [
    path("", views.chat, name="chat"),
    path("c/<str:conversation_id>", views.chat, name="conversation"),
]
