"""What people choose for themselves: their name, the theme, the model of new chats."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache

from accounts.forms import PreferencesForm
from accounts.sessions import person
from assistant import catalog
from assistant.catalog import Choice


@never_cache
@login_required
def general(request: HttpRequest) -> HttpResponse:
    user, offered = person(request), catalog.choices()
    initial = {"name": user.name, "theme": user.theme, "default_model": user.default_model}
    is_gone = bool(user.default_model) and catalog.preferred(user.default_model) is None
    if is_gone:
        initial["default_model"] = ""
    form = PreferencesForm(request.POST or None, initial=initial, models=_models(offered))
    if form.is_valid():
        form.save(user)
        messages.success(request, "Your settings are saved.")
        return redirect("assistant:settings")
    context = {
        "form": form,
        "gone_model": user.default_model if is_gone else "",
        "first_model": _label(offered[0]),
        "section": "general",
    }
    return render(request, "settings/general.html", context)


def _models(offered: list[Choice]) -> list[tuple[str, str]]:
    first = ("", "The first one offered")
    return [first, *((choice.ref, _label(choice)) for choice in offered)]


def _label(choice: Choice) -> str:
    return f"{choice.model} · {choice.provider_label}"
