"""What is answered where no application is asked: the request cannot even be read."""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from progress.web.problems import ProblemDocument

__all__ = ["refusal"]


def refusal(status: int, detail: str, *fields: bytes) -> bytes:
    """A response that ends its connection, with a problem as its body (RFC 9457 §4.2.1).

    `detail` says what to do; `fields` are further lines of the head.
    """
    phrase = HTTPStatus(status).phrase
    body = msgspec.json.encode(ProblemDocument("about:blank", phrase, status, detail))
    head = [
        f"HTTP/1.1 {status} {phrase}".encode(),
        *fields,
        b"connection: close",
        b"content-type: application/problem+json",
        b"content-length: %d" % len(body),
    ]
    return b"\r\n".join([*head, b"", body])
