"""Wait for an operation with aiohttp: `python wait_aiohttp.py poll|stream [URL] [PARAMS]`.

How far it is goes to standard error, its result to standard output.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout
from yarl import URL


async def start(session: ClientSession, url: str, params: str) -> ClientResponse:
    """Start it; try again where no answer came, as the same key never starts a second one."""
    body = {"kind": "count", "params": json.loads(params)}
    headers = {"idempotency-key": f'"{uuid4()}"'}
    for pause in (1, 2, 4, 8):
        with suppress(ClientError):
            async with session.post(f"{url}/operations", json=body, headers=headers) as started:
                return await checked(started)
        await asyncio.sleep(pause)
    sys.exit(f"no answer from {url}")


async def poll(session: ClientSession, known: ClientResponse) -> Any:
    """Long poll: each answer comes with the next change, or after a minute without any."""
    place = known.url.join(URL(known.headers["location"]))
    while not (await known.json())["finished_at"]:
        headers = {"prefer": "wait=60", "if-none-match": known.headers["etag"]}
        async with session.get(place, headers=headers) as answer:
            if answer.status != 304:
                known = await checked(answer)
                print(known.headers["progress"], file=sys.stderr)
    return await known.json()


async def stream(session: ClientSession, started: ClientResponse) -> Any:
    """Server-Sent Events; what a lost connection has missed comes with the next one."""
    links: dict[str, str] = (await started.json())["links"]
    headers: dict[str, str] = {}
    while True:
        with suppress(ClientError):
            place = started.url.join(URL(links["events"], encoded=True))
            async with session.get(place, headers=headers) as response:
                async for event in events(response):
                    if "id" in event:
                        headers = {"last-event-id": event["id"]}
                    if event.get("event") == "progress":
                        print(json.loads(event["data"])["progress"]["fraction"], file=sys.stderr)
        async with session.get(started.url.join(URL(links["self"]))) as answer:
            operation = await (await checked(answer)).json()
        if operation["finished_at"]:
            return operation
        await asyncio.sleep(1)


async def events(response: ClientResponse) -> AsyncIterator[dict[str, str]]:
    """Parse a stream whose `data` is always one line; an event that is cut off does not count."""
    event: dict[str, str] = {}
    async for line in response.content:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            event[name] = value
        else:
            yield event
            event = {}


async def checked(answer: ClientResponse) -> ClientResponse:
    """Read an answer; what went wrong is a problem document, which says what to do."""
    text = await answer.text()
    if not answer.ok:
        sys.exit(text)
    return answer


async def main(
    way: str = "poll",
    url: str = "http://127.0.0.1:8000",
    params: str = '{"to": 8, "interval": 1}',
) -> None:
    """Do all of it."""
    # Silence is no fault while it is shorter than the longest poll, nor is a long line.
    timeout = ClientTimeout(total=None, sock_connect=10, sock_read=75)
    async with ClientSession(timeout=timeout, read_bufsize=2**20) as session:
        follow = WAYS[way]
        operation = await follow(session, await start(session, url, params))
    if operation["state"] != "succeeded":
        sys.exit(json.dumps(operation["error"]) if operation["error"] else operation["state"])
    print(json.dumps(operation["result"]))


WAYS = {"poll": poll, "stream": stream}

if __name__ == "__main__":
    if not set(sys.argv[1:2]) <= WAYS.keys():
        sys.exit("usage: wait_aiohttp.py poll|stream [URL] [PARAMS]")
    asyncio.run(main(*sys.argv[1:]))
