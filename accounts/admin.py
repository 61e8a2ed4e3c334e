"""People, organisations and API tokens in Django's admin."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from accounts.models import ApiToken, Organization, Role, User
from accounts.sessions import person

# What a person may do follows from their role alone.
admin.site.unregister(Group)


class NewUserForm(AdminUserCreationForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("email", "name", "organization", "role")


class UserForm(UserChangeForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = (
            *("email", "name", "organization", "role", "is_active", "password"),
            "monthly_budget_usd",
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        was_administrator = self.instance.role == Role.ADMIN and self.instance.is_active
        stays = cleaned.get("role") == Role.ADMIN and cleaned.get("is_active")
        others = User.objects.filter(role=Role.ADMIN, is_active=True).exclude(pk=self.instance.pk)
        if was_administrator and not stays and not others.exists():
            raise ValidationError("This is the last active administrator; name another one first.")
        return cleaned


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]
    form = UserForm
    add_form = NewUserForm
    list_display = ("email", "name", "organization", "role", "is_active", "last_login")
    list_filter = ("role", "is_active", "organization")
    list_select_related = ("organization",)
    search_fields = ("email", "name")
    ordering = ("email",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "created_at")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        ("Place", {"fields": ("organization", "role", "is_active")}),
        ("Budget", {"fields": ("monthly_budget_usd",)}),
        ("Dates", {"fields": ("last_login", "created_at")}),
    )
    add_fieldsets = (
        (None, {"fields": ("email", "name", "usable_password", "password1", "password2")}),
        ("Place", {"fields": ("organization", "role")}),
    )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Most who join belong where the administrator does."""
        return {"organization": person(request).organization_id}

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Never oneself: an installation without an administrator helps nobody."""
        return super().has_delete_permission(request, obj) and obj != request.user


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "monthly_budget_usd", "created_at")
    search_fields = ("name",)
    fields = ("name", "monthly_budget_usd", "paid_tools_allowed", "created_at")
    readonly_fields = ("created_at",)


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """To look at and to delete. Who may use a token is its person alone, so they make it."""

    list_display = ("name", "user", "created", "last_used_at", "expiry")
    list_select_related = ("user",)
    search_fields = ("name", "user__email", "token_key__startswith")
    search_help_text = "A name, an e-mail, or the first 15 characters of a token that was found."
    ordering = ("-created",)
    fields = ("name", "user", "token_key", "created", "last_used_at", "expiry")

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: ApiToken | None = None) -> bool:
        return False
