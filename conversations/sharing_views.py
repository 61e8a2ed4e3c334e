"""The page behind a link, and the page of one's own links."""

from collections.abc import Callable
from functools import wraps
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.clients import client_address
from accounts.sessions import person
from chatcore import limits
from conversations import shared_chats
from conversations.models import SharedLink
from conversations.sharing import OFF

HEADERS = {
    # A link that is ended is ended at once, and the address of the page is a secret of its readers.
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}

View = Callable[..., HttpResponseBase]


def _unlisted(view: View) -> View:
    """Whatever it answers, nobody is to keep it or to find it."""

    @wraps(view)
    def unlisted(request: HttpRequest, token: str) -> HttpResponseBase:
        try:
            response = view(request, token)
        except Http404:
            # Whatever the reason is: nobody learns which links there are.
            response = render(request, "sharing/gone.html", status=404)
        for name, value in HEADERS.items():
            response.headers[name] = value
        return response

    return unlisted


@_unlisted
@require_safe
def shared(request: HttpRequest, token: str) -> HttpResponseBase:
    """A chat for whoever may read it by this link, a page at a time; 404 for anybody else."""
    if settings.SHARING == OFF:
        raise Http404
    usage = limits.shared_links(client_address(request))
    if usage.exceeded:
        context = {"wait": limits.in_words(usage.retry_after)}
        busy = render(request, "sharing/busy.html", context, status=429)
        for name, value in usage.headers().items():
            busy.headers[name] = value
        return busy
    # Before anything is looked up: a stranger does not learn which links there are.
    if settings.SHARING != "anyone" and not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    chat = shared_chats.opened(token, request.user, _page(request))
    if chat is None:
        raise Http404
    return render(request, "sharing/shared.html", {"chat": chat})


def _page(request: HttpRequest) -> int:
    """0, which is no page, for what is no number."""
    given = request.GET.get("page", "1")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 7 else 0


@never_cache
@login_required
def links(request: HttpRequest) -> HttpResponse:
    """One's own links, those to chats in the trash as well: restored, they are read again."""
    context = {
        "links": SharedLink.objects.for_user(person(request)).with_chats(),
        "section": "links",
    }
    return render(request, "settings/links.html", context)


@login_required
def stop(request: HttpRequest, link_id: UUID) -> HttpResponse:
    if request.method != "POST":  # where a log-in in between leads back to
        return redirect("chats:links")
    mine = SharedLink.objects.for_user(person(request)).select_related("conversation")
    link = get_object_or_404(mine, pk=link_id)
    link.delete()
    messages.success(request, f"“{link.conversation.title or 'Untitled'}” is no longer shared.")
    return redirect("chats:links")
