# SPDX-License-Identifier: Apache-2.0
"""WARC records written byte by byte, so that tests can write wrong ones."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json

URL = "http://example.org/a"
DATE = "2024-05-18T01:58:10Z"
RESPONSE_ID = "urn:uuid:2aabeff2-67f5-4608-8466-e87c6296e2b6"
PAGE = (
    b"<!doctype html><html><head><title>Rain</title></head><body><p>It rained all day in the "
    b"valley, and the river rose by a hand.</p></body></html>"
)


def record(kind: str, block: bytes, *, length: int | None = None, **fields: str | None) -> bytes:
    """Return a record; a field of None is left out, `_` stands for `-` in its name."""
    named: dict[str, str | None] = {
        "WARC-Type": kind,
        "WARC-Target-URI": URL,
        "WARC-Date": DATE,
        "WARC-Record-ID": "<urn:uuid:292f457d-203c-42f2-a1b5-69a4dabefd4f>",
        "Content-Length": str(len(block) if length is None else length),
    }
    named |= {name.replace("_", "-"): value for name, value in fields.items()}
    lines = [f"{name}: {value}" for name, value in named.items() if value is not None]
    return "\r\n".join(["WARC/1.0", *lines, "", ""]).encode() + block + b"\r\n\r\n"


def http(
    body: bytes = PAGE, *headers: str, status: str = "200 OK", media: str = "text/html"
) -> bytes:
    """Return an HTTP response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {media}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def response(body: bytes = PAGE, *headers: str, **fields: str | None) -> bytes:
    """Return a response record of a page."""
    return wrapped(http(body, *headers), **fields)


def wrapped(block: bytes, **fields: str | None) -> bytes:
    """Return a response record of some HTTP message."""
    given = {"Content_Type": "application/http; msgtype=response"} | fields
    return record("response", block, **given)


def page(number: int, words: int = 60) -> bytes:
    """Return a page of its own, that does not compress well."""
    text = " ".join(hashlib.sha256(b"%d %d" % (number, k)).hexdigest() for k in range(words))
    return f"<html><body><p>Number {number}: {text}</p></body></html>".encode()


def sha1(data: bytes) -> str:
    """Return a digest as crawlers label it."""
    return "sha1:" + base64.b32encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()


def members(*records: bytes) -> bytes:
    """Return records as gzip members, one each."""
    return b"".join(gzip.compress(item, mtime=0) for item in records)


def about(
    headers: object = None, markup: object = None, *, url: str = URL, page: str = RESPONSE_ID, kind: str = "response"
) -> bytes:  # fmt: skip
    """Return the WAT record of a response as Common Crawl writes it."""
    message: dict[str, object] = {"Headers": headers or {}}
    if markup is not None:
        message["HTML-Metadata"] = markup
    envelope = {
        "WARC-Header-Metadata": {"WARC-Type": kind, "WARC-Target-URI": url, "WARC-Date": DATE},
        "Payload-Metadata": {"HTTP-Response-Metadata": message},
    }
    return wat_record(json.dumps({"Container": {}, "Envelope": envelope}).encode(), url, page)


def wat_record(block: bytes, url: str = URL, page: str = RESPONSE_ID) -> bytes:
    """Return a WAT record with some block."""
    fields = {"Content_Type": "application/json", "WARC_Refers_To": f"<{page}>"}
    return record(
        "metadata", block, WARC_Target_URI=url, WARC_Date="2024-05-31T01:17:49Z", **fields
    )


INFO = record("warcinfo", b"software: none\r\n", WARC_Target_URI=None)
REQUEST = record("request", b"GET / HTTP/1.1\r\n\r\n", Content_Type="application/http")
