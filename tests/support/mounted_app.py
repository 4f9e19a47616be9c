"""`tests.support.inspect_app` mounted under /below in an application of somebody else."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Mount

from .inspect_app import app as progress

app = Starlette(routes=[Mount("/below", progress)], lifespan=progress.lifespan)
