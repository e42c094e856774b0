# SPDX-License-Identifier: Apache-2.0
"""Rights: hosts of URLs, opt-out lists, licences, and the state they resolve to."""

from .licences import check_allowed, licence_allowed, normalise_licences, reconcile_licences
from .lists import (
    OptOutList,
    first_entries,
    load_list,
    match_authors,
    match_content,
    match_domains,
    match_licences,
    match_readings,
    match_urls,
    match_values,
    open_list,
    save_list,
    share_list,
)
from .public_suffix import registrable_domains, suffix_list_digest
from .resolve import resolve
from .urls import parse_hosts, url_key

__all__ = [
    "OptOutList",
    "check_allowed",
    "first_entries",
    "licence_allowed",
    "load_list",
    "match_authors",
    "match_content",
    "match_domains",
    "match_licences",
    "match_readings",
    "match_urls",
    "match_values",
    "normalise_licences",
    "open_list",
    "parse_hosts",
    "reconcile_licences",
    "registrable_domains",
    "resolve",
    "save_list",
    "share_list",
    "suffix_list_digest",
    "url_key",
]
