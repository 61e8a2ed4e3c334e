"""Logging in and out, the first account, new accounts, a new password."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.views import LoginView as DjangoLoginView
from django.contrib.auth.views import PasswordChangeView as DjangoPasswordChangeView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts.forms import LoginForm, SetupForm, SignupForm
from accounts.models import Installation, SetupClosed, User
from accounts.setup import token_is_valid


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
    success_url = reverse_lazy("assistant:chat")

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


def _welcome(request: HttpRequest, user: User) -> HttpResponse:
    login(request, user)
    return redirect(settings.LOGIN_REDIRECT_URL)
