# SPDX-License-Identifier: Apache-2.0
"""Where the texts of documents may speak of rights: every literal is looked for in one pass."""

from __future__ import annotations

import functools

import pyarrow as pa

from .literals import Automaton, Hits, build_automaton, find_literals

RESERVATION, COPYRIGHT, LICENCE = 1, 2, 4
"""Groups of the literals: of reservations and notices of copyright, and the tag of a licence."""

LICENCE_TAG = "SPDX-License-Identifier:"

_RESERVATIONS = (
    *("not be used", "not be copied", "not be reproduced", "not be scraped", "not be crawled"),
    *("mining", "ai training", "ai-training", "nutzungsvorbehalt", "fouille de textes"),
    *("textos y datos", "texto y datos", "训练", "訓練", "数据挖掘", "資料探勘"),
    *("禁止", "禁じ", "お断り"),
)
_COPYRIGHTS = (
    *("rights reserved", "©", "(c)", "copyright", "rechte vorbehalten"),
    *("tous droits", "derechos reservados", "reservados todos", "版权所有", "版權所有"),
    *("著作权归", "著作權歸", "转载", "轉載", "無断", "転載"),
)
"""Literals of which every notice in `notices` holds one: only what is around them is searched."""


@functools.cache
def _automaton() -> Automaton:
    return build_automaton(_RESERVATIONS, _COPYRIGHTS, (LICENCE_TAG.lower(),))


def find_marks(texts: pa.Array) -> Hits:
    """Return where texts may hold a notice or the tag of a licence, by group.

    Args:
        texts: string array; null allowed.
    """
    return find_literals(texts, _automaton())
