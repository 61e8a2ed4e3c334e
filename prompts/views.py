"""The page of prompts: to make, change and delete them."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache

from accounts.permissions import may_write_for_organization
from accounts.sessions import person
from chatcore import clock
from prompts.forms import PromptForm
from prompts.models import Prompt, listed


@never_cache
@login_required
def prompts(request: HttpRequest) -> HttpResponse:
    """All that this person can insert, and a form for a new one."""
    user = person(request)
    form = PromptForm(request.POST or None, user=user)
    if form.is_valid() and form.add(user):
        messages.success(request, f"“{form.cleaned_data['name']}” is kept.")
        return redirect("prompts:prompts")
    shares = may_write_for_organization(user)
    context = {
        "form": form,
        "prompts": [
            {"prompt": each, "may_change": shares or not each.is_shared} for each in listed(user)
        ],
    }
    return render(request, "prompts/prompts.html", context)


@never_cache
@login_required
def change(request: HttpRequest, prompt_id: UUID) -> HttpResponse:
    """One that is this person's to change; 404 for any other."""
    prompt = _changeable(request, prompt_id)
    initial = {"name": prompt.name, "text": prompt.text}
    form = PromptForm(request.POST or None, user=person(request), initial=initial)
    if form.is_valid():
        if not prompt.change(clock.now(), **form.cleaned_data):
            raise Http404
        messages.success(request, f"“{prompt.name}” is changed.")
        return redirect("prompts:prompts")
    return render(request, "prompts/change.html", {"form": form, "prompt": prompt})


@login_required
def delete(request: HttpRequest, prompt_id: UUID) -> HttpResponse:
    if request.method != "POST":  # where a log-in in between leads back to
        return redirect("prompts:prompts")
    prompt = _changeable(request, prompt_id)
    prompt.delete()
    messages.success(request, f"“{prompt.name}” is deleted.")
    return redirect("prompts:prompts")


def _changeable(request: HttpRequest, prompt_id: UUID) -> Prompt:
    mine = Prompt.objects.changeable_by(person(request))
    return get_object_or_404(mine, pk=prompt_id)
