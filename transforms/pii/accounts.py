# SPDX-License-Identifier: Apache-2.0
"""Rows for accounts of social networks, where the text says that it names one.

An @ alone says nothing in a long text: it begins decorators, npm scopes, annotations and halves of
addresses. So there a handle counts after the name of a network or a word such as "follow me", in a
retweet, before "on Twitter", and in the address of a profile. In a text as short as a message that
is no code, whoever is addressed with an @ counts. Chinese networks are in `china`.
"""

from __future__ import annotations

import re2

from .pattern import Pattern
from .validators import Span, Text

_NETWORK = (
    r"(?:twitter|instagram|insta|ig|snapchat|tiktok|telegram|discord|skype|mastodon|bluesky|"
    r"facebook|linkedin|reddit|kik|youtube|twitch|github|gitlab)"
)
_ROLE = r"(?:handle|user ?name|screen ?name|nick(?:name)?|account|user|id)"
_HANDLE = r"[0-9A-Za-z_](?:[0-9A-Za-z_.-]{0,38}[0-9A-Za-z_])"

_ROOT = (
    r"(?:twitter\.com(?:/#!)?|x\.com|instagram\.com|facebook\.com|fb\.com|github\.com|gitlab\.com|"
    r"t\.me|linkedin\.com/in|reddit\.com/u(?:ser)?|snapchat\.com/add|bsky\.app/profile|"
    r"vk\.com|weibo\.com|keybase\.io|twitch\.tv|flickr\.com/(?:people|photos)|soundcloud\.com)"
)
"""Addresses below which the next part is an account."""
_MARKED = r"(?:tiktok\.com|threads\.net|medium\.com|youtube\.com|mastodon\.(?:social|online))"
"""Addresses below which an account has an @."""

_NO_ACCOUNT = frozenset(
    b"""about accounts addstickers app apps assets badges blog c careers channel collections company
    compose contact contribute customer-stories dashboard developer developers dialog discover docs
    download downloads embed enterprise events example explore feed feeds features gist groups
    handle hashtag help home i import in info intent iv jobs join joinchat legal live login
    logout marketplace me media messages n-a name new news none notifications null oauth orgs p
    pages
    people photo photos playlist plugins policies popular posts press pricing privacy private proxy
    public readme reel reels results s school search security settings share sharer shorts
    signin signup site sponsors static status statuses stories story support suspended tag tags
    team terms the topics tos tr trending true tv undefined unknown user username users video videos
    watch widgets wiki yes you your yourname yourusername your_username your-username""".split()
)
"""First parts of the networks' own pages, and words that stand where a handle would."""
_FILE = re2.compile(
    rb"(?i:\.(?:php|html?|aspx?|js|css|png|jpe?g|gif|git|json|xml|io|com|net|org))\z"
)
_BELOW_ACCOUNT = re2.compile(rb"\A/(?:status(?:es)?|video|p|reel|posts)/")
_MADE_UP = re2.compile(rb"[0-9_]")
_WORD = re2.compile(rb"[A-Za-z]")
_MESSAGE = 1_000
"""Bytes of UTF-8 that a message may have: posts are of 280 (X), 300 (Bluesky), 500 (Mastodon)."""
_CODE = re2.compile(
    rb"[{}]|/\*|\(\)|(?m:^\s*(?:def|class|import|from \w+ import|public|private|static|const|var)\b)"
)
_CODE_TAGS = frozenset(
    b"""apidoc article author book brief charset class code component copyright deprecated
    descriptor doc example exception exclude file font-face group ignore implements import include
    inheritdoc inject inproceedings interface internal kbd keyframes link literal media method misc
    module mock namespace noindex note override package page param pre private property protected
    public ref remark return returns section see serial serialfield since staticmethod summary
    supports suppresswarnings tag template test throws title todo type typedef value var
    version warning weekly daily reboot""".split()
)
"""Words behind an @ in documentation of programs, style sheets, bibliographies and crontabs."""
_ADDRESSED = re2.compile(rb"(?i:(?:\b(?:rt|via|by|cc|mt|hi|hey|thanks)|@ ?\w+) )\z")
_COINED = re2.compile(rb"[0-9_]|[a-z][A-Z]")
"""A digit, an underscore or a capital within: nobody's plain word."""


def _is_name(data: Text, start: int, end: int) -> bool:
    """Whether what is written can be somebody's account."""
    value = bytes(data[start:end])
    if value.lower() in _NO_ACCOUNT or _FILE.search(value) is not None:
        return False
    return _WORD.search(value) is not None


def profile(data: Text, start: int, end: int) -> Span | None:
    """Confirm the account in the address of a profile; of a repository or page below, it is none."""
    behind = bytes(data[end : end + 12])
    deeper = len(behind) > 1 and behind[:1] == b"/" and behind[1:2].isalnum()
    if deeper and _BELOW_ACCOUNT.search(behind) is None:
        return None
    return (start, end) if _is_name(data, start, end) else None


def handle(data: Text, start: int, end: int) -> Span | None:
    """Confirm a handle with its @: no scope (`@a/b`), call, member or half of an address behind."""
    behind = bytes(data[end : end + 2])
    if behind[:1] in (b"/", b"(", b"@", b"=") or (behind[:1] == b"." and behind[1:].isalnum()):
        return None
    return (start, end) if _is_name(data, start, end) else None


def bare_handle(data: Text, start: int, end: int) -> Span | None:
    """Confirm a handle without an @: it has a digit or an underscore, as no word of a sentence."""
    if _MADE_UP.search(bytes(data[start:end])) is None:
        return None
    return handle(data, start, end)


def mention(data: Text, start: int, end: int) -> Span | None:
    """Confirm an `@handle` in a message: short, no code, and no tag of a program's documentation."""
    if len(data) > _MESSAGE or bytes(data[start + 1 : end]).strip().lower() in _CODE_TAGS:
        return None
    if _CODE.search(bytes(data)) is not None or bytes(data[end : end + 1]) == b"\n":
        return None
    return None if handle(data, start + 1, end) is None else (start, end)


def spaced_mention(data: Text, start: int, end: int) -> Span | None:
    """Confirm an `@ handle`, as texts cut into words have it; "meet @ noon" has none."""
    addressed = _ADDRESSED.search(bytes(data[max(0, start - 12) : start])) is not None
    quoted = bytes(data[end : end + 2]) == b" :"
    coined = _COINED.search(bytes(data[start:end])) is not None
    return mention(data, start, end) if start == 0 or addressed or quoted or coined else None


ACCOUNTS: tuple[Pattern, ...] = (
    Pattern(
        "account:profile",
        "SOCIAL_ACCOUNT",
        rf"(?:^|[^0-9A-Za-z_.-])(?i:(?:www\.|m\.|mobile\.)?(?:{_ROOT}/@?|{_MARKED}/@))({_HANDLE})",
        0.8,
        profile,
        45,
    ),
    Pattern(
        "account:cue",
        "SOCIAL_ACCOUNT",
        rf"\b(?i:(?:{_NETWORK}(?: {_ROLE})?|my {_ROLE}|follow(?: (?:me|us|him|her|them))?"
        rf"(?: (?:on|at) {_NETWORK})?|(?:dm|message|pm|tweet|add)(?: (?:me|us|him|her|at|to))*|rt|mt))"
        rf"(?: (?:is|are|at|on|as))?[ :：=(-]{{1,4}}@({_HANDLE})",
        0.75,
        handle,
        45,
    ),
    Pattern(
        "account:named",
        "SOCIAL_ACCOUNT",
        rf"@({_HANDLE})(?i:,? (?:on|at|via) {_NETWORK}\b)",
        0.75,
        handle,
        45,
    ),
    Pattern(
        "account:role",
        "SOCIAL_ACCOUNT",
        rf"\b(?i:{_NETWORK} (?:handle|user ?name|screen ?name|id)) ?[:：=] ?({_HANDLE})",
        0.75,
        handle,
        44,
    ),
    Pattern(
        "account:bare",
        "SOCIAL_ACCOUNT",
        rf"\b(?i:{_NETWORK}(?: {_ROLE})?(?: (?:is|as|at) |[:：=] ?))({_HANDLE})",
        0.7,
        bare_handle,
        43,
    ),
    Pattern(
        "account:mention",
        "SOCIAL_ACCOUNT",
        rf"(?:^|[\s\"“‘'(.:,!?-])(@{_HANDLE})",
        0.6,
        mention,
        42,
    ),
    Pattern(
        "account:mention_spaced",
        "SOCIAL_ACCOUNT",
        rf"(?:^|[\s\"“‘'(.:,!?-])(@ {_HANDLE})",
        0.6,
        spaced_mention,
        42,
    ),
)
"""Accounts outside China."""
