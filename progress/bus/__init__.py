"""The bus assigns cursors, keeps journals and tells the hub. It knows no subscriber."""

from .memory import MemoryBus
from .protocol import Bus, Listener

__all__ = ["Bus", "Listener", "MemoryBus"]
