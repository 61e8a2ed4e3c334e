from django.urls import path

from assistant import (
    answer_usage,
    components_page,
    data_page,
    earlier,
    settings_page,
    stream,
    views,
)

app_name = "assistant"
urlpatterns = [
    path("", views.chat, name="chat"),
    path("settings", settings_page.general, name="settings"),
    path("settings/data", data_page.data, name="data"),
    path("settings/data/export", data_page.export, name="export"),
    path("settings/data/import", data_page.import_chats, name="import"),
    path("components", components_page.components, name="components"),
    path("c/<str:conversation_id>", views.chat, name="conversation"),
    path("api/assistant/stream", stream.StreamView.as_view(), name="stream"),
    path("api/assistant/running", stream.RunningView.as_view(), name="running"),
    path("api/assistant/earlier", earlier.EarlierView.as_view(), name="earlier"),
    path("api/assistant/usage", answer_usage.AnswerUsageView.as_view(), name="answer-usage"),
    path("api/assistant/decisions", stream.DecisionView.as_view(), name="decisions"),
    # The second address is the one that the AI SDK makes of the first.
    path(
        "api/assistant/stream/<str:conversation_id>/stream",
        stream.ResumeView.as_view(),
        name="resume",
    ),
]
