"""Icons inside the page: no request for each, and they take the colour of the text."""

from functools import cache

from django import template
from django.conf import settings
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """The SVG of static/vendor/lucide/NAME.svg, hidden from screen readers. Raises OSError."""
    path = settings.BASE_DIR / "static" / "vendor" / "lucide" / f"{name}.svg"
    svg = path.read_text(encoding="utf-8").partition("<svg")[2]
    return mark_safe(f'<svg aria-hidden="true"{svg}')  # noqa: S308  our own file
