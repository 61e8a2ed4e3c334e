"""The tables of the reports as a page shows them: a part of the rows, searched, sorted and paged.

How each of them is shown stands in the query string: `ai_sort=-cost&ai_q=bob&ai_page=2`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page as RowsOfPage
from django.core.paginator import Paginator

from analytics.amounts import (
    NONE,
    counted,
    in_dollars,
    in_full_dollars,
    in_percent,
    in_seconds,
    in_tokens,
)
from analytics.report_shapes import OfPerson, ServiceUsage
from chatcore import validation

ROWS_PER_PAGE = 25
MAX_WORDS_CHARACTERS = 100
STATE = ("sort", "q", "page")


# --- Columns --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Cell:
    """`title` is the number in full, where `text` is short."""

    text: str
    title: str = ""
    # Calls that are not in a cost.
    unpriced: int = 0
    # Of a model that has no price: for the form that sets one.
    price_query: str = ""


@dataclass(frozen=True)
class Column:
    """Rows are sorted by `value`, where None comes last."""

    name: str
    label: str
    value: Callable[[Any], Any]
    cell: Callable[[Any], Cell]
    is_text: bool = False


def _count(name: str, label: str) -> Column:
    return Column(
        name,
        label,
        lambda row: getattr(row, name),
        lambda row: Cell(f"{getattr(row, name):,}"),
    )


def _calls() -> Column:
    def cell(row: Any) -> Cell:
        estimated = row.estimated_calls
        title = f"The tokens of {counted(estimated, 'call')} are estimated" if estimated else ""
        return Cell(f"{row.calls:,}", title)

    return Column("calls", "Calls", lambda row: row.calls, cell)


def _tokens(name: str) -> Column:
    def cell(row: Any) -> Cell:
        tokens = getattr(row, name)
        return Cell(in_tokens(tokens), f"{tokens:,} tokens")

    return Column("tokens", "Tokens", lambda row: getattr(row, name), cell)


def _cost(name: str) -> Column:
    def cell(row: Any) -> Cell:
        cost, unpriced = getattr(row, name), row.unpriced_calls
        is_service = isinstance(row, ServiceUsage)
        if is_service and not row.model:
            return _credits(row)
        return Cell(
            in_dollars(cost),
            in_full_dollars(cost, unpriced),
            unpriced=0 if cost is None else unpriced,
            price_query=_price_query(row) if is_service and unpriced else "",
        )

    return Column("cost", "Cost", lambda row: getattr(row, name), cell)


def _price_query(row: ServiceUsage) -> str:
    return urlencode({"pattern": row.model, "provider": row.provider})


def _credits(row: ServiceUsage) -> Cell:
    """What is no model is paid in the provider's own currency, if at all."""
    if row.cost_usd:
        return Cell(in_dollars(row.cost_usd), in_full_dollars(row.cost_usd))
    return Cell(counted(row.credits, "credit") if row.credits else NONE)


def _latency(name: str, label: str) -> Column:
    def cell(row: ServiceUsage) -> Cell:
        milliseconds = getattr(row.latency, name)
        return Cell(
            in_seconds(milliseconds), "" if milliseconds is None else f"{milliseconds:,} ms"
        )

    return Column(name, label, lambda row: getattr(row.latency, name), cell)


def _average(row: Any) -> Cell:
    return Cell(NONE if row.average is None else f"{row.average:,}")


# --- Tables ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Head:
    """What a row is of: a person, or a model."""

    text: str
    detail: str = ""
    person_id: str = ""
    has_left: bool = False


@dataclass(frozen=True)
class Table:
    """The first column, of heads, is sorted by `who`, and searched in `words`."""

    name: str
    caption: str
    empty: str
    who: str
    search_label: str
    columns: tuple[Column, ...]
    sort: str
    head: Callable[[Any], Head]
    words: Callable[[Any], str]

    @property
    def all_columns(self) -> tuple[Column, ...]:
        first = Column(
            "name",
            self.who,
            lambda row: self.head(row).text.casefold(),
            lambda row: Cell(self.head(row).text),
            is_text=True,
        )
        return (first, *self.columns)


def _of_person(row: OfPerson) -> Head:
    detail = row.email if row.email != row.user else ""
    return Head(row.user, detail, str(row.user_id), row.has_left)


def _of_service(row: ServiceUsage) -> Head:
    if row.model:
        return Head(row.model, row.provider)
    return Head(row.endpoint.replace("_", " "), row.provider)


def _words_of_person(row: OfPerson) -> str:
    return f"{row.user}\n{row.email}".casefold()


def _words_of_service(row: ServiceUsage) -> str:
    return f"{row.model}\n{row.provider}\n{row.endpoint.replace('_', ' ')}".casefold()


def _table_of_people(name: str, caption: str, empty: str, *columns: Column, sort: str) -> Table:
    return Table(
        name,
        caption,
        empty,
        "Person",
        "Name or e-mail",
        columns,
        sort,
        _of_person,
        _words_of_person,
    )


AI = _table_of_people(
    "ai",
    "AI usage by person",
    "Nobody has used a model in this window.",
    _tokens("tokens"),
    _calls(),
    _count("errors", "Errors"),
    _cost("cost"),
    sort="-cost",
)
ROCKETREACH = _table_of_people(
    "rocketreach",
    "RocketReach usage by person",
    "Nobody has looked up a contact in this window.",
    _count("total", "Total"),
    _count("search", "Searches"),
    _count("lookup", "Look-ups"),
    Column(
        "success",
        "Success",
        lambda row: row.success if row.total else None,
        lambda row: Cell(in_percent(row.success) if row.total else NONE),
    ),
    _count("credits", "Credits"),
    sort="-total",
)
CONVERSATIONS = _table_of_people(
    "conversations",
    "Conversation activity",
    "Nobody has written anything in this window.",
    _count("chats", "Chats"),
    _count("messages", "Messages"),
    Column("average", "Messages per chat", lambda row: row.average, _average),
    sort="-messages",
)
MODELS = Table(
    "models",
    "Models and tools",
    "No model and no tool was called in this window.",
    "Model or tool",
    "Model, tool or provider",
    (
        _calls(),
        _count("errors", "Errors"),
        _tokens("total_tokens"),
        _cost("cost_usd"),
        _latency("p50_ms", "p50"),
        _latency("p95_ms", "p95"),
        _latency("ttft_p50_ms", "First token"),
    ),
    "-cost",
    _of_service,
    _words_of_service,
)
TABLES = {table.name: table for table in (AI, ROCKETREACH, CONVERSATIONS, MODELS)}
# Of the query string, how tables are shown.
PARAMETERS = frozenset(f"{table}_{part}" for table in TABLES for part in STATE)


# --- A table as it is shown -----------------------------------------------------------------------
@dataclass(frozen=True)
class Header:
    """A column's, with a link that sorts by it. `aria_sort` is "" where rows are sorted by none."""

    label: str
    link: str
    aria_sort: str
    is_text: bool


@dataclass(frozen=True)
class ShownRow:
    head: Head
    cells: list[Cell]


@dataclass(frozen=True)
class ShownTable:
    """`total` rows there are, of which `page` has some of those that were searched for."""

    table: Table
    words: str
    headers: list[Header]
    rows: list[ShownRow]
    page: "RowsOfPage[Any]"
    total: int
    previous_link: str
    next_link: str
    # For its form of search.
    hidden: list[tuple[str, str]]
    all_link: str


def link(params: Mapping[str, str], **changes: str | None) -> str:
    """A query string with these changes; None takes a parameter away."""
    kept = {**params, **changes}
    return "?" + urlencode({name: value for name, value in kept.items() if value})


def shown(table: Table, rows: Sequence[Any], params: Mapping[str, str]) -> ShownTable:
    """Raises Invalid for a column that there is not, and for a page that is no number."""
    words = params.get(f"{table.name}_q", "").strip()[:MAX_WORDS_CHARACTERS]
    sort = params.get(f"{table.name}_sort") or table.sort
    found = [row for row in rows if words.casefold() in table.words(row)]
    page = Paginator(_sorted(table, found, sort), ROWS_PER_PAGE).get_page(_page(table, params))

    def link_here(**changes: str | None) -> str:
        own = {f"{table.name}_{part}": value for part, value in changes.items()}
        return f"{link(params, **own)}#{table.name}"

    mine = {f"{table.name}_q", f"{table.name}_page"}
    return ShownTable(
        table=table,
        words=words,
        headers=[_header(table, column, sort, link_here) for column in table.all_columns],
        rows=[
            ShownRow(table.head(row), [column.cell(row) for column in table.columns])
            for row in page.object_list
        ],
        page=page,
        total=len(rows),
        previous_link=link_here(page=str(page.number - 1)) if page.has_previous() else "",
        next_link=link_here(page=str(page.number + 1)) if page.has_next() else "",
        hidden=[pair for pair in params.items() if pair[0] not in mine],
        all_link=link_here(q=None, page=None),
    )


def _sorted(table: Table, rows: Sequence[Any], sort: str) -> list[Any]:
    """Those that are alike stay in the order of the report."""
    name = sort.removeprefix("-")
    column = next((each for each in table.all_columns if each.name == name), None)
    if column is None:
        known = ", ".join(each.name for each in table.all_columns)
        raise validation.invalid(f"{table.name}_sort", f"is one of {known}, or of these after a -")
    known_ones = [row for row in rows if column.value(row) is not None]
    others = [row for row in rows if column.value(row) is None]
    return sorted(known_ones, key=column.value, reverse=sort.startswith("-")) + others


def _page(table: Table, params: Mapping[str, str]) -> int:
    """From 1. A page beyond the last is the last: people leave while one looks."""
    given = params.get(f"{table.name}_page") or "1"
    if not (given.isascii() and given.isdecimal() and len(given) < 10 and int(given) > 0):
        raise validation.invalid(f"{table.name}_page", "is a number from 1 on")
    return int(given)


def _header(table: Table, column: Column, sort: str, link_here: Callable[..., str]) -> Header:
    """Its link turns the order round; of another column it begins with what one looks for first."""
    aria_sort = {column.name: "ascending", f"-{column.name}": "descending"}.get(sort, "")
    is_descending = aria_sort == "ascending" if aria_sort else not column.is_text
    new = f"{'-' if is_descending else ''}{column.name}"
    return Header(
        column.label,
        link_here(sort=None if new == table.sort else new, page=None),
        aria_sort,
        column.is_text,
    )
