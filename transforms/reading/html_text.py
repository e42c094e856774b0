# SPDX-License-Identifier: Apache-2.0
"""Turn pages into text in a process of their own, so that no page can stop a job.

The parent first adds up, for every tag that opens, how deep it stands: the cost of extraction grows
with that sum (deterministic, `too_deep`). What that overlooks is stopped by the CPU clock of the
process (`extraction_failed`).
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numba as nb
import numpy as np
import numpy.typing as npt

from ...schemas.reasons import Reason
from .html_worker import ANSWER, DONE, MAIN, PLAIN, REQUEST, UNDECODABLE, WHOLE

MAX_NESTING_COST = 20_000_000
"""Sum of the depths of all tags of a page. resiliparse 2.0.1 extracts 16 million of it a second
(20,000 nested `<div>`: 2e8 in 12 s); pages as people write them stay below a million (a page of 1 MB
with 30,000 tags at depth 30 has 9e5)."""

CPU_SECONDS = 10.0
"""CPU time of one page when it is first read: the whole of a page of 64 MiB takes 3 s (measured)."""

PATIENCE = 8
"""How much more CPU time a page may take when it is read again: it was judged fit before, so that
two readings agree however fast the machines are."""

_WORKER = Path(__file__).with_name("html_worker.py")


class PageText(NamedTuple):
    """What a page says.

    Args:
        text: Its text.
        title: Its title, or empty.
        tags: (name, content) of its meta elements, and licence links as `rights.carriers` wants.
    """

    text: str
    title: str
    tags: list[tuple[str, str]]


class PageReader:
    """A process that turns pages into text; use it in a `with` statement.

    Args:
        main_content: Leave out navigation, headers, footers and other boilerplate.
        seconds: CPU time for one page.
    """

    def __init__(self, *, main_content: bool, seconds: float = CPU_SECONDS) -> None:
        self._mode = MAIN if main_content else WHOLE
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Return the reader itself; the process starts with the first page."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def read(self, page: bytes, charset: str, *, is_html: bool) -> PageText | Reason:
        """Return the text of a page, or why there is none.

        Args:
            page: Its bytes as the server meant them, without transfer and content codings.
            charset: Charset that the response declares, or empty.
            is_html: Whether it is HTML; otherwise it is plain text.
        """
        if is_html and nesting_cost(np.frombuffer(page, dtype=np.uint8)) > MAX_NESTING_COST:
            return Reason.TOO_DEEP
        mode = self._mode if is_html else PLAIN
        label = charset.encode("ascii", "replace")[:64]
        process = self._process = self._process or _start()
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(REQUEST.pack(mode, self._seconds, len(label), len(page)))
            process.stdin.write(label)
            process.stdin.write(page)
            process.stdin.flush()
            head = process.stdout.read(ANSWER.size)
            state, *sizes = ANSWER.unpack(head)
            text, title, tags = [process.stdout.read(size).decode() for size in sizes]
            pairs = [(str(name), str(content)) for name, content in json.loads(tags)]
        except (OSError, ValueError, struct.error):
            # It ended, by its clock or by a crash; the next page gets a new one.
            self.__exit__(None, None, None)
            return Reason.EXTRACTION_FAILED
        if state != DONE:
            return Reason.INVALID_UTF8 if state == UNDECODABLE else Reason.EXTRACTION_FAILED
        return PageText(text, title, pairs)


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own file
        [sys.executable, "-I", str(_WORKER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
    )


def _words(*names: str) -> npt.NDArray[np.uint64]:
    """Return tag names as the kernel spells them: up to eight letters in one number."""
    spelled = [int.from_bytes(name.encode()[:8].ljust(8, b"\0"), "little") for name in names]
    return np.sort(np.array(spelled, dtype=np.uint64))


# HTML Living Standard: void elements (13.1.2), and elements whose end tag may be left out
# (13.1.2.4): pages do leave it out, and the parser then closes them itself.
_NOT_NESTING = _words(
    *("area base br col embed hr img input link meta param source track wbr".split()),
    *("p li dt dd tr td th tbody thead tfoot option optgroup rb rt rtc rp colgroup".split()),
    *("html head body".split()),
)
_RAW = _words("script", "style", "textarea", "title", "xmp")


@nb.njit(cache=True, nogil=True)
def _nesting_cost(
    page: npt.NDArray[np.uint8], flat: npt.NDArray[np.uint64], raw: npt.NDArray[np.uint64]
) -> int:
    cost = depth = 0
    pos, size = 0, page.size
    skip_to = np.uint64(0)
    while pos < size - 1:
        if page[pos] != 60:
            pos += 1
            continue
        pos += 1
        closes = page[pos] == 47
        if closes:
            pos += 1
        elif page[pos] == 33 and skip_to == 0 and pos + 2 < size and page[pos + 1] == 45:
            # A comment: up to `-->`.
            pos += 3
            while pos < size and not (
                page[pos] == 62 and page[pos - 1] == 45 and page[pos - 2] == 45
            ):
                pos += 1
            continue
        name, shift = np.uint64(0), 0
        while pos < size:
            letter = page[pos] | 32
            if not (97 <= letter <= 122 or (shift and 48 <= page[pos] <= 57)):
                break
            if shift < 64:
                byte = letter if 97 <= letter <= 122 else page[pos]
                name |= np.uint64(byte) << np.uint64(shift)
            shift += 8
            pos += 1
        if shift == 0:
            continue
        if skip_to != 0:
            if closes and name == skip_to:
                skip_to = np.uint64(0)
            continue
        index = np.searchsorted(flat, name)
        if index < flat.size and flat[index] == name:
            continue
        if closes:
            depth = max(depth - 1, 0)
            continue
        index = np.searchsorted(raw, name)
        if index < raw.size and raw[index] == name:
            skip_to = name
            continue
        depth += 1
        cost += depth
    return cost


def nesting_cost(page: npt.NDArray[np.uint8]) -> int:
    """Return the sum of the depths of all tags that open, as the bytes suggest it.

    Tags that close themselves by the rules of HTML do not nest; text of scripts is passed over.

    Args:
        page: Bytes of a page, in a charset that contains ASCII.
    """
    return int(_nesting_cost(page, _NOT_NESTING, _RAW))
