"""Wait for an operation with httpx2: `python wait_httpx2.py poll|stream [URL] [PARAMS]`.

How far it is goes to standard error, its result to standard output.
"""

import json
import sys
import time
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx2


def start(client: httpx2.Client, url: str, params: str) -> httpx2.Response:
    """Start it; try again where no answer came, as the same key never starts a second one."""
    body = {"kind": "count", "params": json.loads(params)}
    headers = {"idempotency-key": f'"{uuid4()}"'}
    for pause in (1, 2, 4, 8):
        with suppress(httpx2.TransportError):
            return client.post(f"{url}/operations", json=body, headers=headers).raise_for_status()
        time.sleep(pause)
    sys.exit(f"no answer from {url}")


def poll(client: httpx2.Client, known: httpx2.Response) -> Any:
    """Long poll: each answer comes with the next change, or after a minute without any."""
    place = known.url.join(known.headers["location"])
    while not known.json()["finished_at"]:
        headers = {"prefer": "wait=60", "if-none-match": known.headers["etag"]}
        answer = client.get(place, headers=headers)
        if answer.status_code != httpx2.codes.NOT_MODIFIED:
            known = answer.raise_for_status()
            print(known.headers["progress"], file=sys.stderr)
    return known.json()


def stream(client: httpx2.Client, started: httpx2.Response) -> Any:
    """Server-Sent Events; what a lost connection has missed comes with the next one."""
    links: dict[str, str] = started.json()["links"]
    headers: dict[str, str] = {}
    while True:
        with (
            suppress(httpx2.TransportError),
            client.sse(started.url.join(links["events"]), headers=headers) as events,
        ):
            for event in events:
                if event.id:
                    headers = {"last-event-id": event.id}
                if event.event == "progress":
                    print(json.loads(event.data)["progress"]["fraction"], file=sys.stderr)
        operation = client.get(started.url.join(links["self"])).raise_for_status().json()
        if operation["finished_at"]:
            return operation
        time.sleep(1)


def main(
    way: str = "poll",
    url: str = "http://127.0.0.1:8000",
    params: str = '{"to": 8, "interval": 1}',
) -> None:
    """Do all of it."""
    # Silence is no fault while it is shorter than the longest poll.
    with httpx2.Client(timeout=75) as client:
        follow = WAYS[way]
        try:
            operation = follow(client, start(client, url, params))
        except httpx2.HTTPStatusError as error:
            sys.exit(error.response.text)  # a problem document, which says what to do
    if operation["state"] != "succeeded":
        sys.exit(json.dumps(operation["error"]) if operation["error"] else operation["state"])
    print(json.dumps(operation["result"]))


WAYS = {"poll": poll, "stream": stream}

if __name__ == "__main__":
    if not set(sys.argv[1:2]) <= WAYS.keys():
        sys.exit("usage: wait_httpx2.py poll|stream [URL] [PARAMS]")
    main(*sys.argv[1:])
