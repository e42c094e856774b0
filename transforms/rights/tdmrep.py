# SPDX-License-Identifier: Apache-2.0
"""TDMRep: the reservation of text and data mining in its four carriers.

`/.well-known/tdmrep.json`, response headers, HTML meta elements, and the metadata of EPUB and PDF
(`tdm:reservation` in XMP or OPF, which travels as a tag). Precedence: file, then header, then what
the document itself says; absence never resets; in the file the first rule that matches counts; a
value other than 0 and 1 is unset. Source: W3C TDM Reservation Protocol, final community group
report, February 2024, sections 4 to 7; `tdm-reservation: 1` is the opt-out of Directive (EU)
2019/790, article 4(3).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from ...schemas.rights import SignalStatus, SignalValue
from .path_patterns import MAX_PATTERN, matches
from .readings import MALFORMED, SILENT, TOO_LARGE, Reading, allow, deny, strictest

VERSION = "tdmrep-2024-02"

MAX_FILE_BYTES = 1 << 20
"""Largest file that is parsed. Rules of a site are few: a megabyte holds some ten thousand."""
MAX_RULES = 10_000

_VALUES = {"0": allow(), "1": deny()}


def read_reservation(values: Sequence[str]) -> Reading:
    """Read `tdm-reservation` headers or tags.

    Args:
        values: Contents, as written.

    Returns:
        1 denies, 0 allows, anything else is unset; repeated values combine to the strictest.
    """
    return strictest(_VALUES.get(value.strip(), MALFORMED) for value in values)


def combine(file: Reading, header: Reading, document: Reading) -> Reading:
    """Return what the carriers come to: the last that is set.

    One that cannot be read does not reset a reservation, and does not let a weaker carrier allow.

    Args:
        file: What `tdmrep.json` says.
        header: What the response headers say.
        document: What the document says of itself.
    """
    result = SILENT
    for reading in (file, header, document):
        if reading.status is SignalStatus.SILENT:
            continue
        if reading.status is SignalStatus.OK or result.value is not SignalValue.DENY:
            result = reading
    return result


class TdmFile:
    """A `tdmrep.json` file.

    Args:
        body: Its bytes.
    """

    def __init__(self, body: bytes) -> None:
        self._rules: list[tuple[str, Reading]] = []
        self._fault: Reading | None = None
        if len(body) > MAX_FILE_BYTES:
            self._fault = TOO_LARGE
            return
        try:
            content = json.loads(body.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            self._fault = MALFORMED
            return
        if not isinstance(content, list):
            self._fault = MALFORMED
        elif len(content) > MAX_RULES:
            self._fault = TOO_LARGE
        else:
            self._rules = [_rule(item) for item in content]

    def read(self, path: str) -> Reading:
        """Return what the file says of a path, path and query as `urls.url_key` spells them."""
        if self._fault is not None:
            return self._fault
        unread = SILENT
        for where, reading in self._rules:
            if not matches(where, path):
                continue
            if reading == MALFORMED:
                unread = MALFORMED
            else:
                return reading if reading.value is SignalValue.DENY or unread == SILENT else unread
        return unread


def _rule(item: object) -> tuple[str, Reading]:
    """Return the pattern and reading of one rule; one without a readable place covers all."""
    location = item.get("location") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(location, str) or len(location) > MAX_PATTERN:
        return "*", MALFORMED
    value = item.get("tdm-reservation")
    is_number = isinstance(value, int | str) and not isinstance(value, bool)
    reading = _VALUES.get(str(value).strip(), MALFORMED) if is_number else MALFORMED
    return location if location.startswith(("/", "*")) else f"/{location}", reading
