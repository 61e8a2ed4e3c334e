"""Links to chats in Django's admin: to look at and to end, without a door to the chats."""

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest

from conversations.models import SharedLink
from conversations.sharing import OFF


@admin.register(SharedLink)
class SharedLinkAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Neither titles, which tell of chats, nor tokens, which open them."""

    list_display = ("user", "organization", "created_at", "shared_at", "works")
    list_select_related = ("user__organization", "conversation")
    list_per_page = 100
    search_fields = ("user__name", "user__email", "token__exact")
    search_help_text = "A name, an e-mail, or what stands behind /s/ in a link that was found."
    ordering = ("-created_at",)
    fields = ("user", "organization", "created_at", "shared_at", "works")

    @admin.display(ordering="user__organization__name")
    def organization(self, link: SharedLink) -> str:
        return link.user.organization.name

    @admin.display(boolean=True)
    def works(self, link: SharedLink) -> bool:
        """Not while the chat is in the trash, the person deactivated, or sharing switched off."""
        return (
            settings.SHARING != OFF and link.user.is_active and link.conversation.deleted_at is None
        )

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: SharedLink | None = None) -> bool:
        return False
