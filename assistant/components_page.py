"""Every component in every state, made of the templates, styles and scripts of the product: for
whoever changes one. Administrators open it by its address; nothing links to it.
"""

from datetime import timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from accounts.forms import PreferencesForm
from accounts.permissions import may_administer
from assistant import samples
from assistant.client_frames import MAX_TEXT_CHARACTERS
from assistant.offers import FREE, UNPRICED, Offer
from chatcore import clock

MODELS = [
    Offer("openai:gpt-6.1-sol", "gpt-6.1-sol", "OpenAI", "$2.50 in · $10.00 out", is_default=True),
    Offer("openai:gpt-6-luna", "gpt-6-luna", "OpenAI", FREE, is_default=False),
    Offer(
        "groq:a-model-with-a-name-that-is-too-long-for-its-line-on-a-phone",
        "a-model-with-a-name-that-is-too-long-for-its-line-on-a-phone",
        "Groq",
        UNPRICED,
        is_default=False,
    ),
]
TITLES = (
    *("The one that is shown", "An answer is being written in this one"),
    *("A title that is too long for the list and ends in three dots, however wide it is", ""),
    *("מה ההבדל בין רשימה לבין מערך?", "Renamed in place"),
)


@never_cache
@login_required
def components(request: HttpRequest) -> HttpResponse:
    if not may_administer(request.user):
        raise PermissionDenied
    chats, now = _chats(), clock.now()
    refs = [(each.ref, each.model) for each in MODELS]
    values = {"name": "Alice", "theme": "system", "default_model": MODELS[0].ref}
    context = {
        "models": MODELS,
        "conversations": chats,
        "conversation": chats[0],
        "may_administer": True,
        "may_see_reports": True,
        "form": PreferencesForm(initial=values, models=refs),
        "wrong_form": PreferencesForm(
            {**values, "theme": "sepia", "default_model": "gone"}, models=refs, auto_id="wrong_%s"
        ),
        "now": now,
        "tokens": samples.tokens(now),
        "links": samples.links(now),
        "prompts": samples.prompts(),
        "page": {"messages": samples.messages(), "maxTextCharacters": MAX_TEXT_CHARACTERS},
    }
    return render(request, "components.html", context)


def _chats() -> list[dict[str, Any]]:
    """In the shape that templates/assistant/sidebar.html reads."""
    now = clock.now()
    return [
        {
            "client_id": f"sample-chat-{number}",
            "title": title,
            "updated_at": now - timedelta(days=number * number),
        }
        for number, title in enumerate(TITLES)
    ]
