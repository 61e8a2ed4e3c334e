"""Every error of the API, in one shape: {"error": {"code", "message", "fields"?}}.

ApiError
├── Invalid               400  what was sent cannot be taken; `fields` says where and why
├── BudgetExceeded        402  a monthly budget is used up; `resetsAt` says until when
├── NotFound              404  not there, or not this person's
├── Conflict              409  there is something else under this name
├── Stale                 412  changed since the caller looked
├── TooLarge              413  more than one request may carry
├── PreconditionRequired  428  the caller has to say which version is meant
├── TooManyRequests       429  a limit; `Retry-After` says when it ends
├── Unavailable           503  not now, or not here; `Retry-After` says when to ask again
└── StoreAway             503  the database cannot be reached
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import JsonResponse


class ApiError(Exception):
    """`code` is for programs, the message for people; `fields` names each field and its fault."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.error_code = code or self.code
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})
        # Beside `code` and `message`, such as the current version of what has changed.
        self.extra = dict(extra or {})

    def body(self) -> dict[str, Any]:
        return body(self.error_code, str(self), fields=self.fields, extra=self.extra)


class Invalid(ApiError):
    status = 400
    code = "invalid"


class BudgetExceeded(ApiError):
    status = 402
    code = "budget_exceeded"


class NotFound(ApiError):
    status = 404
    code = "not_found"


class Conflict(ApiError):
    status = 409
    code = "conflict"


class Stale(ApiError):
    status = 412
    code = "stale"


class TooLarge(ApiError):
    status = 413
    code = "too_large"


class PreconditionRequired(ApiError):
    status = 428
    code = "precondition_required"


class TooManyRequests(ApiError):
    status = 429
    code = "rate_limited"


class Unavailable(ApiError):
    status = 503
    code = "unavailable"


class StoreAway(ApiError):
    status = 503
    code = "store_away"

    def __init__(self, retry_after: int = 5) -> None:
        super().__init__(
            "The database cannot be reached. Try again in a moment.",
            headers={"Retry-After": str(retry_after)},
        )


def body(
    code: str,
    message: str,
    *,
    fields: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What is sent of an error."""
    error: dict[str, Any] = {"code": code, "message": message, **(extra or {})}
    if fields:
        error["fields"] = dict(fields)
    return {"error": error}


def as_response(error: ApiError) -> JsonResponse:
    return JsonResponse(error.body(), status=error.status, headers=error.headers)
