# SPDX-License-Identifier: Apache-2.0
"""Judge one WARC record: an input document, something else that is counted, or a fault.

Documents are the records that hold a page as somebody could have read it: `response` with status
200 or 203 and `resource`, of a web address, in HTML or plain text; and `conversion` (WET). All
else is passed over, by kind (`Passed`). A document that is cut, or does not have the digest that
the crawler wrote, is a fault.
"""

from __future__ import annotations

import base64
import hashlib
import re
from enum import StrEnum
from typing import Literal, NamedTuple

from fastwarc.warc import HeaderMap, WarcRecord

from ...schemas.reasons import Reason
from .warc_frames import MAX_HEADER_BYTES, Frame


class Passed(StrEnum):
    """Why a record of a crawl is no input document."""

    WARCINFO = "warcinfo"
    REQUEST = "request"
    METADATA = "metadata"
    REVISIT = "revisit"
    CONTINUATION = "continuation"
    OTHER_TYPE = "other_type"
    HTTP_STATUS = "http_status"
    MEDIA_TYPE = "media_type"
    NOT_WEB = "not_web"


class WebPage(NamedTuple):
    """A document as the crawler stored it.

    Args:
        id: Record identifier, without brackets; empty if there is none.
        url: Target address, without brackets; empty if there is none.
        fetched: Time of the fetch as written; empty if there is none.
        body: Bytes of the page without transfer and content codings.
        charset: Charset that the response declares, or empty.
        is_html: Whether the body is HTML; otherwise it is plain text.
        headers: Response headers, None where this record cannot show them.
        has_markup: Whether this record could show tags.
        refers_to: Identifier of the record it was made from; empty if there is none.
    """

    id: str
    url: str
    fetched: str
    body: bytes
    charset: str
    is_html: bool
    headers: list[tuple[str, str]] | None
    has_markup: bool
    refers_to: str


_TYPES = {
    "warcinfo": Passed.WARCINFO,
    "request": Passed.REQUEST,
    "metadata": Passed.METADATA,
    "revisit": Passed.REVISIT,
    "continuation": Passed.CONTINUATION,
}
_DOCUMENTS = ("response", "resource", "conversion")
_ONCE = ("WARC-Target-URI", "WARC-Record-ID", "WARC-Date", "Content-Type")
# 200 OK, 203 Non-Authoritative Information: the page itself. 206 is a part of one, others are
# errors, redirects or empty (RFC 9110, 15).
_STATUS_WITH_PAGE = (200, 203)
_HTML = ("text/html", "application/xhtml+xml")
_WEB = re.compile(r"https?:", re.IGNORECASE)
_ANY = re.IGNORECASE | re.DOTALL
_SNIFFED = re.compile(rb"\s*(?:<!--.{0,400}?-->\s*)*<(?:!doctype html|html|head|body)\b", _ANY)
_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([^\"';\s]+)", re.IGNORECASE)
_ALGORITHMS = {"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}


def judge_record(frame: Frame, most: int) -> WebPage | Passed | Reason:
    """Return the document of a record, or what else it is.

    Args:
        frame: A record without a fault.
        most: Largest page, decoded (bytes).
    """
    assert frame.header is not None  # noqa: S101 - the caller's duty
    fields = frame.header.fields
    kind = (fields.get("WARC-Type") or "").strip().lower()
    if kind not in _DOCUMENTS:
        return _TYPES.get(kind, Passed.OTHER_TYPE)
    if any(len(fields.get_multiple(name)) > 1 for name in _ONCE):
        return Reason.CORRUPT_RECORD
    url = bare_field(fields, "WARC-Target-URI")
    if kind != "conversion" and url and not _WEB.match(url):
        return Passed.NOT_WEB
    if kind == "response":
        found: _Payload | Passed | Reason = _response(frame, fields, most)
    else:
        media, charset = _media(fields.get("Content-Type") or "")
        found = _Payload(frame.block, (frame.block,), media, charset, None)
    if not isinstance(found, _Payload):
        return found
    media = found.media or _guess(fields, found.body)
    if media not in (*_HTML, "text/plain"):
        return Passed.MEDIA_TYPE
    if fields.get("WARC-Truncated") is not None or fields.get("WARC-Segment-Number") is not None:
        return Reason.TRUNCATED_RECORD
    if len(found.body) > most:
        return Reason.TOO_LARGE
    block_fits = _fits(fields.get("WARC-Block-Digest"), (frame.block,))
    if not block_fits or not _fits(fields.get("WARC-Payload-Digest"), found.forms):
        return Reason.DIGEST_MISMATCH
    if found.broken_coding and not _is_utf8(found.body):
        return Reason.EXTRACTION_FAILED
    return WebPage(
        bare_field(fields, "WARC-Record-ID"),
        url,
        (fields.get("WARC-Date") or "").strip(),
        found.body,
        "utf-8" if kind == "conversion" else found.charset,
        media in _HTML,
        found.headers,
        kind != "conversion",
        bare_field(fields, "WARC-Refers-To"),
    )


class _Payload(NamedTuple):
    """What a record carries: decoded body, the forms its digest may be of, and its type."""

    body: bytes
    forms: tuple[bytes, ...]
    media: str
    charset: str
    headers: list[tuple[str, str]] | None
    broken_coding: bool = False


def _response(frame: Frame, fields: HeaderMap, most: int) -> _Payload | Passed | Reason:
    if _media(fields.get("Content-Type") or "")[0] != "application/http":
        return Passed.MEDIA_TYPE
    try:
        record = _http(frame, "none")
        headers = record.http_headers
        if not (headers.status_line or "").startswith("HTTP/"):
            return Reason.CORRUPT_RECORD
        raw = record.reader.read()
    except OSError:
        return Reason.CORRUPT_RECORD
    if headers.status_code not in _STATUS_WITH_PAGE:
        return Passed.HTTP_STATUS
    media, charset = _media(headers.get("Content-Type") or "")
    pairs = list(headers.items())
    if not (headers.get("Transfer-Encoding") or headers.get("Content-Encoding")):
        return _Payload(raw, (raw,), media, charset, pairs)
    # A digest may be of the payload as it was sent, or without its codings: crawlers differ.
    unchunked, decoded = _decoded(frame, "transfer", most), _decoded(frame, "all", most)
    forms = tuple(form for form in (decoded, unchunked, raw) if form is not None)
    return _Payload(forms[0], forms, media, charset, pairs, broken_coding=decoded is None)


def _http(frame: Frame, decode: Literal["none", "transfer", "all"]) -> WarcRecord:
    record = WarcRecord()
    record.set_bytes_content(frame.block)
    record.is_http = True
    # Lenient: servers end lines as they like.
    record.parse_http(auto_decode=decode, quirks_mode=True, max_header_len=MAX_HEADER_BYTES)
    return record


def _decoded(frame: Frame, decode: Literal["transfer", "all"], most: int) -> bytes | None:
    """Return the payload without codings, at most one byte more than `most`; None if broken."""
    try:
        return _http(frame, decode).reader.read(most + 1)
    except OSError:
        return None


def bare_field(fields: HeaderMap, name: str) -> str:
    """Return a field without the angle brackets that WARC 1.0 puts around addresses."""
    return (fields.get(name) or "").strip().removeprefix("<").removesuffix(">")


def _media(value: str) -> tuple[str, str]:
    """Return media type and charset of a Content-Type.

    >>> _media("Text/HTML; charset='GBK'")
    ('text/html', 'GBK')
    """
    charset = _CHARSET.search(value)
    return value.partition(";")[0].strip().lower(), charset[1] if charset else ""


def _guess(fields: HeaderMap, body: bytes) -> str:
    """Return the media type of a response that does not name one."""
    found = (fields.get("WARC-Identified-Payload-Type") or "").partition(";")[0].strip().lower()
    return found or ("text/html" if _SNIFFED.match(body[:1024]) else "")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _fits(label: str | None, forms: tuple[bytes, ...]) -> bool:
    """Return whether a labelled digest is that of one of some byte strings.

    Digests are written in base 32 (the standard's examples), hexadecimal or base 64. One of an
    algorithm that is not known here says nothing.
    """
    if label is None:
        return True
    name, _, value = label.strip().partition(":")
    size = _ALGORITHMS.get(name.lower().replace("-", ""))
    if size is None:
        return True
    wanted = _digest_bytes(value, size)
    if wanted is None:
        return False
    algorithm = name.lower().replace("-", "")
    return any(
        hashlib.new(algorithm, form, usedforsecurity=False).digest() == wanted for form in forms
    )


def _digest_bytes(value: str, size: int) -> bytes | None:
    bare = value.rstrip("=")
    try:
        if len(bare) == 2 * size:
            return bytes.fromhex(bare)
        if len(bare) == -(-size * 8 // 5):
            return base64.b32decode(bare.upper() + "=" * (-len(bare) % 8))
        return base64.urlsafe_b64decode(
            bare.replace("+", "-").replace("/", "_") + "=" * (-len(bare) % 4)
        )
    except ValueError:
        return None
