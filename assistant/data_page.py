"""What people take with them."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache

from accounts.sessions import person
from assistant import export as exports
from chatcore import clock, limits
from conversations import exporting


@never_cache
@login_required
def data(request: HttpRequest) -> HttpResponseBase:
    return render(request, "settings/data.html", {"section": "data"})


@never_cache
@login_required
def export(request: HttpRequest) -> HttpResponseBase:
    """All of one's own. By POST: nothing that looks ahead at addresses makes one."""
    if request.method != "POST":  # where a log-in in between leads back to
        return redirect("assistant:data")
    usage = limits.exports(person(request).pk)
    if usage.exceeded:
        context = {"section": "data", "wait": limits.in_words(usage.retry_after)}
        page = render(request, "settings/data.html", context, status=429)
        for name, value in usage.headers().items():
            page.headers[name] = value
        return page
    now = clock.now()
    pieces = exports.everything(person(request), now)
    response = StreamingHttpResponse(exporting.streamed(pieces), "application/json")
    name = f"chatcore-{now:%Y-%m-%d}.json"
    response.headers["Content-Disposition"] = str(content_disposition_header(True, name))
    return response
