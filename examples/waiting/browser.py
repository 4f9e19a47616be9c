"""`browser.html` and the operations it starts, from one origin, as an `EventSource` needs it.

Run it with `progress serve examples.waiting.browser:app` and open http://127.0.0.1:8000.
"""

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Mount, Route

from examples.demo import app as progress

PAGE = Path(__file__).with_name("browser.html")


async def page(request: Request) -> FileResponse:
    """The page."""
    return FileResponse(PAGE)


app = Starlette(routes=[Route("/", page), Mount("/", progress)], lifespan=progress.lifespan)
