from django.urls import path

from conversations import api, sharing_api
from conversations.importing.api import ImportView

app_name = "conversations"
urlpatterns = [
    path("import", ImportView.as_view(), name="import"),
    path("conversations", api.ConversationsView.as_view(), name="conversations"),
    path("conversations/restore", api.RestoreView.as_view(), name="restore"),
    path("conversations/share", sharing_api.ShareView.as_view(), name="share"),
]
