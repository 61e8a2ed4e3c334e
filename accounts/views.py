"""Logging in and out, the first account, new accounts, a new password, API tokens."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView as DjangoLoginView
from django.contrib.auth.views import PasswordChangeView as DjangoPasswordChangeView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts.forms import ApiTokenForm, LoginForm, SetupForm, SignupForm
from accounts.models import ApiToken, Installation, SetupClosed, User
from accounts.sessions import person
from accounts.setup import token_is_valid
from chatcore import clock


class LoginView(DjangoLoginView):
    authentication_form = LoginForm
    template_name = "accounts/login.html"
    redirect_authenticated_user = True

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not Installation.is_set_up():
            return redirect("accounts:setup")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(allow_signup=settings.ALLOW_SIGNUP, **kwargs)


class PasswordChangeView(DjangoPasswordChangeView):
    template_name = "accounts/password.html"
    extra_context = {"section": "password"}
    success_url = reverse_lazy("accounts:password")

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, "Your password is changed.")
        return super().form_valid(form)


@never_cache
@sensitive_post_parameters()
def setup(request: HttpRequest) -> HttpResponse:
    """The first administrator, for whoever holds the link that the server printed."""
    if Installation.is_set_up():
        return redirect("accounts:login")
    if not token_is_valid(request.GET.get("token", "")):
        context = {"is_wrong": "token" in request.GET}
        return render(request, "accounts/setup_closed.html", context, status=403)
    form = SetupForm(request.POST or None)
    if form.is_valid():
        try:
            user = form.save()
        except SetupClosed:
            return redirect("accounts:login")
        return _welcome(request, user)
    return render(request, "accounts/setup.html", {"form": form})


@never_cache
@sensitive_post_parameters()
def signup(request: HttpRequest) -> HttpResponse:
    """A new member, where ALLOW_SIGNUP says so."""
    if not settings.ALLOW_SIGNUP:
        raise Http404
    if not Installation.is_set_up():
        return redirect("accounts:setup")
    form = SignupForm(request.POST or None)
    if form.is_valid() and (user := form.save()):
        return _welcome(request, user)
    return render(request, "accounts/signup.html", {"form": form})


@never_cache
@login_required
def tokens(request: HttpRequest) -> HttpResponse:
    """One's own API tokens. A new one stands in the answer to its form, and nowhere else."""
    now = clock.now()
    form = ApiTokenForm(request.POST or None)
    token = form.save(person(request), now) if form.is_valid() else None
    context = {
        "form": ApiTokenForm() if token else form,
        "token": token,
        "tokens": ApiToken.objects.for_user(person(request)),
        "now": now,
        "section": "tokens",
    }
    return render(request, "accounts/tokens.html", context)


@login_required
def revoke_token(request: HttpRequest, token_id: UUID) -> HttpResponse:
    if request.method != "POST":  # where a log-in in between leads back to
        return redirect("accounts:tokens")
    token = get_object_or_404(ApiToken.objects.for_user(person(request)), pk=token_id)
    token.delete()
    messages.success(request, f"“{token.name}” is revoked.")
    return redirect("accounts:tokens")


def _welcome(request: HttpRequest, user: User) -> HttpResponse:
    login(request, user)
    return redirect(settings.LOGIN_REDIRECT_URL)
