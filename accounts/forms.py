"""The forms of logging in, signing up, setting up, of preferences and of API tokens."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from accounts.clients import client_address
from accounts.models import ApiToken, Organization, Theme, TooManyTokens, User
from chatcore import limits
from chatcore.db import atomic

NEW_PASSWORD_WIDGET = {"autocomplete": "new-password"}


class LoginForm(AuthenticationForm):
    """E-mail and password; locked for an account and client after repeated failures."""

    username = forms.EmailField(
        label="E-mail",
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "E-mail and password do not match an account.",
        "locked": "Too many attempts for this account from here. Try again in %(minutes)s.",
    }

    def clean(self) -> dict[str, Any]:
        email = User.objects.normalize_email(self.cleaned_data.get("username"))
        if not email or not self.cleaned_data.get("password"):
            return super().clean()
        assert self.request is not None
        client = client_address(self.request)
        limit = limits.count_login_attempt(email, client)
        if limit.exceeded:
            raise ValidationError(
                self.error_messages["locked"],
                code="locked",
                params={"minutes": _in_minutes(limit.retry_after)},
            )
        self.cleaned_data["username"] = email
        cleaned = super().clean()
        limits.forget_login_attempts(email, client)
        return cleaned


def _in_minutes(seconds: int) -> str:
    minutes = math.ceil(seconds / 60)
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


class NewAccountForm(forms.Form):
    """What every new account is asked."""

    name = forms.CharField(
        label="Your name",
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "name", "autofocus": True}),
    )
    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs=NEW_PASSWORD_WIDGET),
        help_text="At least 10 characters.",
    )

    def clean_email(self) -> str:
        return User.objects.normalize_email(self.cleaned_data["email"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if password := cleaned.get("password"):
            person = User(email=cleaned.get("email", ""), name=cleaned.get("name", ""))
            try:
                password_validation.validate_password(password, person)
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned


class SetupForm(NewAccountForm):
    organization = forms.CharField(
        label="Your organisation",
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
        help_text="Everybody who joins later belongs to it.",
    )
    field_order = ["name", "organization", "email", "password"]

    def save(self) -> User:
        """The first administrator. Raises SetupClosed."""
        return User.objects.create_first_administrator(
            self.cleaned_data["email"],
            self.cleaned_data["password"],
            organization_name=self.cleaned_data["organization"],
            name=self.cleaned_data["name"],
        )


class SignupForm(NewAccountForm):
    def save(self) -> User | None:
        """A member of the first organisation, or None (and an error) if the address is taken."""
        organization = Organization.first()
        assert organization is not None  # sign-up opens only after set-up
        try:
            with atomic():
                return User.objects.create_user(
                    self.cleaned_data["email"],
                    self.cleaned_data["password"],
                    organization=organization,
                    name=self.cleaned_data["name"],
                )
        except IntegrityError:
            self.add_error("email", "There is an account with this address; log in instead.")
            return None


class PreferencesForm(forms.Form):
    """What people choose for themselves. Which models there are is for the caller to say."""

    name = forms.CharField(
        label="Name",
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name", "dir": "auto"}),
        help_text="If it is empty, the pages call you by your e-mail address.",
    )
    theme = forms.ChoiceField(label="Theme", choices=Theme.choices, widget=forms.RadioSelect)
    default_model = forms.ChoiceField(label="Default model", required=False)

    def __init__(self, *args: Any, models: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["default_model"].choices = models  # type: ignore[attr-defined]

    def save(self, user: User) -> None:
        names = list(self.cleaned_data)
        for name in names:
            setattr(user, name, self.cleaned_data[name])
        user.save(update_fields=names)


class ApiTokenForm(forms.Form):
    LIFETIMES = {
        "30": timedelta(days=30),
        "90": timedelta(days=90),
        "365": timedelta(days=365),
        "never": None,
    }

    name = forms.CharField(
        label="What it is for",
        max_length=ApiToken.NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    lifetime = forms.ChoiceField(
        label="Expires",
        choices=[
            ("30", "after 30 days"),
            ("90", "after 90 days"),
            ("365", "after 1 year"),
            ("never", "never"),
        ],
        initial="90",
    )

    def save(self, user: User, now: datetime) -> str | None:
        """The new token, or None (and an error) if the person has as many as one may have."""
        lifetime = self.LIFETIMES[self.cleaned_data["lifetime"]]
        try:
            return ApiToken.objects.issue(
                user, self.cleaned_data["name"], lifetime=lifetime, now=now
            )
        except TooManyTokens:
            self.add_error(
                None,
                f"You have {ApiToken.MOST_PER_PERSON} tokens, which is the most."
                " Revoke one that is no longer used.",
            )
            return None
