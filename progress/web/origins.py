"""What pages of other origins may do: CORS, where the operator names any (WHATWG Fetch §3.2)."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from progress.errors import Forbidden

from .problems import problem_response

__all__ = ["cross_origin"]

_METHODS = ("GET", "HEAD", "POST", "COPY", "MOVE")
_ASKED_WITH = (
    "authorization",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "last-event-id",
    "prefer",
)
_SHOWN = ("Location", "ETag", "Retry-After", "Preference-Applied", "Link", "Progress")


def cross_origin(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    """The application for pages of these origins, too; the same one if there are none.

    Origins that are named may send cookies; with `*` nobody may.
    """
    if not origins:
        return app
    return _CrossOrigin(
        app,
        allow_origins=origins,
        allow_methods=_METHODS,
        allow_headers=_ASKED_WITH,
        allow_credentials="*" not in origins,
        allow_private_network=True,  # from a public site to loopback: the operator has named it
        expose_headers=_SHOWN,
    )


class _CrossOrigin(CORSMiddleware):
    """Starlette's, with problems for errors."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer an `OPTIONS` that asks for permission."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        if self.is_allowed_origin(request_headers["origin"]):
            advice = f"{', '.join(_METHODS)} and the fields {', '.join(_ASKED_WITH)} are allowed"
        else:
            advice = "the operator can add the page's origin to PROGRESS_ORIGINS"
        refusal = problem_response(Forbidden(f"a page may not do that here; {advice}"))
        for name in ("vary", "access-control-allow-origin"):
            if name in response.headers:
                refusal.headers[name] = response.headers[name]
        return refusal
