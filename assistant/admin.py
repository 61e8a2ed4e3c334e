"""What the assistant keeps, in Django's admin."""

from django.contrib import admin
from django.http import HttpRequest

from assistant.contacts import Contact


@admin.register(Contact)
class ContactAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """To look at and to delete. What is written there is RocketReach's word."""

    list_display = ("name", "person_key", "organization_id", "created_at", "expires_at")
    search_fields = ("name",)
    ordering = ("-created_at",)
    fields = (
        *("name", "person_key", "organization_id", "answer"),
        *("created_at", "expires_at"),
    )

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Contact | None = None) -> bool:
        return False
