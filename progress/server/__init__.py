"""uvicorn, run so that it stops in an orderly way."""

from .serve import serve

__all__ = ["serve"]
