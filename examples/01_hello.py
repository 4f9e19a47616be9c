"""The smallest server: one operation, one file.

Run it with `progress serve examples.01_hello:app`.
"""

import anyio

from progress import Progress, Reporter

app = Progress()


@app.operation
async def hello(report: Reporter, names: list[str]) -> str:
    """Greet everybody, slowly."""
    for name in report.track(names):
        report.update(message=f"greeting {name}", unit="people")
        report.log(f"Hello, {name}!")
        await anyio.sleep(1)
    return f"greeted {len(names)}"
