"""Webhooks: what becomes of an operation is posted to a URL (https://www.standardwebhooks.com)."""

from .deliveries import Delivered, Delivery
from .surroundings import Surroundings
from .target import Webhook
from .webhooks import Webhooks

__all__ = ["Delivered", "Delivery", "Surroundings", "Webhook", "Webhooks"]
