"""The tables of a report as CSV, for spreadsheets."""

import csv
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from analytics.report_shapes import Report

# What a spreadsheet would take for a formula, though a person chose it for a name.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_PERSON = ("user_id", "user", "email", "has_left")
_LATENCY = ("p50_ms", "p95_ms", "ttft_p50_ms", "ttft_p95_ms")

Rows = Callable[[Report], Iterable[Any]]

# By the name of the table: its columns, and its rows.
TABLES: dict[str, tuple[tuple[str, ...], Rows]] = {
    "ai": (
        (*_PERSON, "tokens", "calls", "cost", "unpriced_calls", "estimated_calls", "errors"),
        lambda report: report.ai_usage_by_user,
    ),
    "rocketreach": (
        (*_PERSON, "total", "search", "lookup", "success", "credits", "credits_saved"),
        lambda report: report.rocketreach_usage_by_user,
    ),
    "conversations": (
        (*_PERSON, "chats", "messages", "average"),
        lambda report: report.conversation_stats_by_user,
    ),
    "models": (
        (
            *("provider", "endpoint", "model", "calls", "errors", "total_tokens", "cost_usd"),
            *("unpriced_calls", "estimated_calls", "credits", *_LATENCY),
        ),
        lambda report: report.by_service,
    ),
}


def lines(report: Report, table: str) -> Iterator[str]:
    """The table line by line, its header first."""
    columns, rows_of = TABLES[table]
    writer = csv.writer(_Echo())
    yield writer.writerow(columns)
    for row in rows_of(report):
        yield writer.writerow([_cell(_value(row, column)) for column in columns])


class _Echo:
    """A file that gives back what is written to it."""

    @staticmethod
    def write(line: str) -> str:
        return line


def _value(row: Any, column: str) -> Any:
    return getattr(row.latency if column in _LATENCY else row, column)


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
