from django.urls import path

from prompts import api, views

app_name = "prompts"
urlpatterns = [
    path("api/prompts", api.PromptsView.as_view(), name="api"),
    path("prompts", views.prompts, name="prompts"),
    path("prompts/<uuid:prompt_id>", views.change, name="change"),
    path("prompts/<uuid:prompt_id>/delete", views.delete, name="delete"),
]
