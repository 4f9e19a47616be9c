"""What became of an operation's webhook deliveries, and sending one again that was given up."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from progress.delivery.webhooks import Delivered, Webhooks

from .access import Access, Action
from .resource import json_response

__all__ = ["Deliveries", "DeliveryList"]


class DeliveryList(Struct, frozen=True):
    """The answer of `GET /operations/{id}/deliveries`."""

    deliveries: Sequence[Delivered]
    """The newest first."""


class Deliveries:
    """The endpoints below `/operations/{id}/deliveries`.

    They know operations that are evicted, too, as long as their deliveries are kept.
    """

    def __init__(self, webhooks: Webhooks, access: Access) -> None:
        self._webhooks = webhooks
        self._access = access

    async def list(self, request: Request) -> Response:
        """`GET /operations/{id}/deliveries`."""
        id = await self._permitted(request, "read")
        return json_response(DeliveryList(self._webhooks.of(id)))

    async def retry(self, request: Request) -> Response:
        """`POST /operations/{id}/deliveries/{delivery}/retry`: 202; 409 if it was not given up."""
        id = await self._permitted(request, "cancel")
        return json_response(self._webhooks.retry(id, request.path_params["delivery"]), 202)

    async def _permitted(self, request: Request, action: Action) -> str:
        id: str = request.path_params["id"]
        snapshot = self._webhooks.snapshot(id)
        if snapshot is None:
            await self._access.journal(request, action, id)
        else:
            await self._access.permit(request, action, snapshot)
        return id
