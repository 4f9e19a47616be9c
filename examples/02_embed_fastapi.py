"""Inside a FastAPI application: its own endpoint starts an operation and answers with a link.

Run it with `progress serve examples.02_embed_fastapi:app`, or with any ASGI server, e.g.
`uvicorn examples.02_embed_fastapi:app`. Then `curl -X POST localhost:8000/reports/2026`, and
`curl -N` on the link that it answers with.
"""

import anyio
from fastapi import FastAPI, Request, Response

from progress import Progress, Reporter

progress = Progress()


@progress.operation
async def annual_report(report: Reporter, year: int) -> dict[str, int]:
    """Write a report, month by month."""
    for month in report.track(range(1, 13)):
        report.update(message=f"{year}-{month:02}", unit="months")
        await anyio.sleep(0.2)
    return {"pages": 12}


# Without its lifespan Progress could not run operations: FastAPI does not run it by itself.
app = FastAPI(lifespan=progress.lifespan)
app.mount("/progress", progress, name="progress")


@app.post("/reports/{year}", status_code=202)
async def write_report(year: int, request: Request, response: Response) -> dict[str, str]:
    """Begin to write a report, and say where to watch."""
    operation = progress.start("annual_report", labels={"year": str(year)}, year=year)
    link = request.url_for("progress", path=f"operations/{operation.id}").path
    response.headers["location"] = link
    return {"operation": link, "events": f"{link}/events"}
