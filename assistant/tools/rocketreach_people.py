"""People as RocketReach tells of them, and the ways to name one. Plain values, nothing is sent.

What RocketReach answers was written by strangers. It is cut to a few short fields and handed on as
data: nothing in it is looked at for its meaning.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from assistant.tools.base import ToolFault

LONGEST_TEXT = 200
MOST_EMAILS = 10
MOST_PHONES = 10
# Above it a number is no longer exact in JavaScript, nor an id that anybody has given out.
LARGEST_ID = 2**53

_LINKEDIN = re.compile(
    r"(?:https?://)?(?:[a-z0-9-]{1,20}\.)?linkedin\.com/(in|pub)/([^\s?#]{1,150}?)/?(?:[?#]\S*)?",
    re.IGNORECASE | re.ASCII,
)
_EMAIL = re.compile(r"[^\s@<>,;]{1,64}@[^\s@<>,;]{1,180}\.[^\s@<>,;.]{2,60}")
# Control characters, and those that turn the direction of the text behind them.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")

_HOW_TO_NAME = (
    'Name the person in exactly one way: by "id" (of a search result), by "linkedin_url", by'
    ' "email", or by "name" together with "current_employer".'
)

Term = Annotated[str, Meta(min_length=1, max_length=100)]
Terms = Annotated[tuple[Term, ...], Meta(max_length=10)]
Text = Annotated[str, Meta(max_length=LONGEST_TEXT)]


class SearchArguments(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each field holds alternatives; a person has to match every field that is given."""

    name: Annotated[Terms, Meta(description="Names of people.")] = ()
    title: Annotated[Terms, Meta(description="Current job titles.")] = ()
    employer: Annotated[Terms, Meta(description="Names of companies they work for.")] = ()
    company_domain: Annotated[Terms, Meta(description="As in acme.example.")] = ()
    location: Annotated[Terms, Meta(description="Cities, regions or countries.")] = ()
    skills: Terms = ()
    keyword: Annotated[Terms, Meta(description="Anything else that a profile may say.")] = ()
    start: Annotated[int, Meta(ge=1, le=10_000, description="Which result is the first.")] = 1
    page_size: Annotated[int, Meta(ge=1, le=25)] = 10
    order_by: Literal["relevance", "popularity"] = "relevance"


class LookupArguments(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exactly one of id, linkedin_url, email, or name together with current_employer."""

    id: Annotated[int, Meta(ge=1, le=LARGEST_ID)] | None = None
    linkedin_url: Text | None = None
    email: Text | None = None
    name: Text | None = None
    current_employer: Text | None = None


class Lookup(Struct, frozen=True, kw_only=True):
    """One person to look up.

    `parameters` are RocketReach's own. `key` is the same for every way to write the same lookup,
    and says nothing about whom it is for. `terms` are what the person can be found by later, as
    `term` writes them. `words` name the person in a question.
    """

    parameters: dict[str, str]
    key: str
    terms: tuple[str, ...]
    words: str


# What RocketReach calls the fields of a search.
_FIELDS = {
    "name": "name",
    "title": "current_title",
    "employer": "employer",
    "company_domain": "company_domain",
    "location": "geo",
    "skills": "skills",
    "keyword": "keyword",
}


def search_body(arguments: SearchArguments) -> dict[str, Any]:
    """What a search sends. Raises ToolFault if it would match everybody."""
    query = {}
    for field, name in _FIELDS.items():
        if terms := [each for term in getattr(arguments, field) if (each := _one_line(term))]:
            query[name] = terms
    if not query:
        raise ToolFault(f"Say whom to search for, by at least one of: {', '.join(_FIELDS)}.")
    return {
        "query": query,
        "start": arguments.start,
        "page_size": arguments.page_size,
        "order_by": arguments.order_by,
    }


def lookup_of(arguments: LookupArguments) -> Lookup:
    """The person whom the arguments name. Raises ToolFault, which says how to name one."""
    linkedin_url, email = _one_line(arguments.linkedin_url), _one_line(arguments.email)
    name, employer = _one_line(arguments.name), _one_line(arguments.current_employer)
    ways = [arguments.id, linkedin_url, email, name or employer]
    if sum(map(bool, ways)) != 1:
        raise ToolFault(_HOW_TO_NAME)
    if arguments.id:
        key = str(arguments.id)
        return _lookup({"id": key}, f"id:{key}", f"the person with the id {key}")
    if linkedin_url:
        return _by_linkedin(linkedin_url)
    if email:
        return _by_email(email)
    if not (name and employer):
        raise ToolFault('A "name" needs the "current_employer" with it, and the other way round.')
    return _by_name(name, employer)


def _by_linkedin(given: str) -> Lookup:
    url = linkedin_profile(given)
    if url is None:
        raise ToolFault(
            "The linkedin_url has to be that of a person's profile, as in"
            " https://www.linkedin.com/in/jane-doe."
        )
    return _lookup({"linkedin_url": url}, term(url), url)


def _by_email(given: str) -> Lookup:
    if not is_email(given):
        raise ToolFault("The email has to be one whole address, as in jane@acme.example.")
    return _lookup({"email": given.lower()}, term(given), given.lower())


def _by_name(name: str, employer: str) -> Lookup:
    parameters = {"name": name, "current_employer": employer}
    words = f"{name} of {employer}"
    return _lookup(parameters, term(name), words, also=f"\nemployer:{employer.casefold()}")


def _lookup(parameters: dict[str, str], found_by: str, words: str, *, also: str = "") -> Lookup:
    digest = sha256(f"{found_by}{also}".encode("utf-8", "surrogatepass")).hexdigest()
    return Lookup(parameters=parameters, key=digest, terms=(found_by,), words=words)


def linkedin_profile(text: str) -> str | None:
    """The address of a person's profile in its one normal form, None if it is none."""
    found = _LINKEDIN.fullmatch(text.strip())
    return found and f"https://www.linkedin.com/{found[1]}/{found[2]}".lower()


def is_email(text: str) -> bool:
    return _EMAIL.fullmatch(text) is not None


def term(text: str) -> str:
    """What a person can be found by, in a normal form: "email:jane@acme.example", "id:42".

    A text that is no address, no number and no LinkedIn profile is a name.
    """
    line = _one_line(text)
    if url := linkedin_profile(line):
        return f"linkedin:{url}"
    if is_email(line):
        return f"email:{line.lower()}"
    if line.isascii() and line.isdigit():
        return f"id:{int(line)}"
    return f"name:{line.casefold()}"


def terms_of(person: Mapping[str, Any]) -> tuple[str, ...]:
    """All that this person, as `contact` tells of them, can be found by."""
    texts = [person.get("name"), person.get("linkedin_url")]
    texts += [each["email"] for each in person.get("emails", ())]
    found = [term(text) for text in texts if text]
    return (*([f"id:{person['id']}"] if "id" in person else []), *found)


def profile(raw: Any) -> dict[str, Any]:
    """A search result for the model: the id to look the person up by, and who it is."""
    raw = raw if isinstance(raw, dict) else {}
    fields = {
        "id": person_id(raw),
        "name": _text(raw.get("name")),
        "title": _text(raw.get("current_title")),
        "employer": _text(raw.get("current_employer")),
        "location": _text(raw.get("location")),
        # Anything else, such as javascript:, would be a link to click on.
        "linkedin_url": linkedin_profile(_text(raw.get("linkedin_url"))),
    }
    return {name: value for name, value in fields.items() if value}


def contact(raw: Any) -> dict[str, Any]:
    """A person who was looked up: as `profile`, with the ways to reach them."""
    raw = raw if isinstance(raw, dict) else {}
    emails = _each(raw.get("emails"), ("email", "type", "grade", "smtp_valid"), MOST_EMAILS)
    phones = _each(raw.get("phones"), ("number", "type"), MOST_PHONES)
    return {**profile(raw), "emails": emails, "phones": phones}


def person_id(raw: Any) -> int | None:
    found = raw.get("id") if isinstance(raw, dict) else None
    is_id = isinstance(found, int) and not isinstance(found, bool) and 0 < found <= LARGEST_ID
    return found if is_id else None


def _each(raw: Any, names: Iterable[str], most: int) -> list[dict[str, str]]:
    """Of each item the fields that hold text; without the first of them it is left out."""
    first, *_ = names
    found: list[dict[str, str]] = []
    for item in raw if isinstance(raw, list) else ():
        if len(found) == most:
            break
        if isinstance(item, dict) and _text(item.get(first)):
            found.append({name: text for name in names if (text := _text(item.get(name)))})
    return found


def _text(value: Any) -> str:
    return _one_line(value)[:LONGEST_TEXT] if isinstance(value, str) else ""


def _one_line(text: str | None) -> str:
    # A lone surrogate could be neither stored nor sent.
    whole = (text or "").encode("utf-8", "ignore").decode()
    return " ".join(_UNSEEN.sub(" ", whole).split())
