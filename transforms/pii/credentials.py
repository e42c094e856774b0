# SPDX-License-Identifier: Apache-2.0
"""Rows for secrets: key blocks, tokens by their published prefixes, assigned passwords.

Providers whose format needs no check of its own are in `secret_formats`.
"""

from __future__ import annotations

from . import validators
from .pattern import Pattern
from .secret_formats import ANY_FORMAT

CREDENTIALS: tuple[Pattern, ...] = (
    Pattern(
        "private_key",
        "PRIVATE_KEY",
        r"-----BEGIN [0-9A-Z ]*PRIVATE KEY(?: BLOCK)?-----"
        # Backslashes: a key inside a JSON string. The body ends at the first "--", so a text of many headers is still read in linear time.
        r"(?:[\s0-9A-Za-z+/=:,.()\\]|-[0-9A-Za-z ])*(?:-----END [0-9A-Z ]"
        r"*PRIVATE KEY(?: BLOCK)?-----)?",
        0.99,
        None,
        99,
    ),
    Pattern(
        "aws_key_id", "SECRET", r"\b(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[2-7A-Z]{16}\b", 0.95, None, 90
    ),
    Pattern(
        "aws_secret:cue",
        "SECRET",
        r"(?i:aws.{0,20}(?:secret|key)[^0-9A-Za-z\n]{1,8})([0-9A-Za-z/+]{40})(?:[^0-9A-Za-z/+]|$)",
        0.9,
        validators.token,
        90,
    ),
    Pattern(
        "github",
        "SECRET",
        r"\b(?:gh[opusr]_[0-9A-Za-z]{36,255}|github_pat_[0-9A-Za-z_]{22,255})\b",
        0.99,
        None,
        90,
    ),
    Pattern(
        "gitlab", "SECRET", r"\bgl(?:pat|dt|rt|ptt|cbt|soat)-[0-9A-Za-z_-]{20,64}\b", 0.97, None, 90
    ),
    Pattern(
        "slack",
        "SECRET",
        r"\b(?:xox[abeoprs]-[0-9A-Za-z-]{10,250}|xapp-[0-9]-[0-9A-Za-z-]{10,200})\b",
        0.97,
        None,
        90,
    ),
    Pattern(
        "webhook",
        "SECRET",
        r"\bhttps://(?:hooks\.slack\.com/(?:services|workflows)/[0-9A-Za-z/_-]"
        r"{20,}|discord(?:app)?\.com/api/webhooks/[0-9]+/[0-9A-Za-z_-]{20,}|"
        r"[a-z0-9.-]*webhook\.office\.com/[0-9A-Za-z@/_-]{20,})",
        0.97,
        None,
        90,
    ),
    Pattern("google_api", "SECRET", r"\bAIza[0-9A-Za-z_-]{35}", 0.97, None, 90),
    Pattern(
        "google_oauth",
        "SECRET",
        r"\b(?:ya29\.[0-9A-Za-z_-]{20,}|GOCSPX-[0-9A-Za-z_-]{28})",
        0.95,
        None,
        90,
    ),
    Pattern(
        "jwt",
        "SECRET",
        r"\beyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{4,}",
        0.95,
        validators.jwt,
        90,
    ),
    Pattern(
        "stripe", "SECRET", r"\b(?:sk|rk|pk)_(?:live|test)_[0-9A-Za-z]{16,128}\b", 0.95, None, 90
    ),
    Pattern(
        "openai",
        "SECRET",
        r"\bsk-(?:proj-|svcacct-|admin-|ant-[a-z0-9]+-|or-v1-)?[0-9A-Za-z_-]{20,200}",
        0.9,
        validators.token,
        90,
    ),
    Pattern("huggingface", "SECRET", r"\bhf_[A-Za-z0-9]{30,40}\b", 0.95, None, 90),
    Pattern("npm", "SECRET", r"\bnpm_[0-9A-Za-z]{36}\b", 0.95, None, 90),
    Pattern("pypi", "SECRET", r"\bpypi-AgE[0-9A-Za-z_-]{50,}", 0.97, None, 90),
    Pattern(
        "sendgrid", "SECRET", r"\bSG\.[0-9A-Za-z_-]{16,32}\.[0-9A-Za-z_-]{16,64}", 0.97, None, 90
    ),
    Pattern("twilio", "SECRET", r"\b(?:SK|AC)[0-9a-f]{32}\b", 0.75, None, 80),
    Pattern("mailgun", "SECRET", r"\bkey-[0-9a-f]{32}\b", 0.85, None, 80),
    Pattern("telegram", "SECRET", r"\b[0-9]{8,10}:AA[0-9A-Za-z_-]{32,34}", 0.95, None, 90),
    Pattern("shopify", "SECRET", r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}\b", 0.97, None, 90),
    Pattern("azure_storage", "SECRET", r"AccountKey=([0-9A-Za-z+/=]{40,100})", 0.95, None, 90),
    Pattern("aliyun", "SECRET", r"\bLTAI[0-9A-Za-z]{12,26}\b", 0.9, None, 90),
    Pattern("tencent_cloud", "SECRET", r"\bAKID[0-9A-Za-z]{13,48}\b", 0.9, None, 90),
    Pattern(
        "putty_key",
        "PRIVATE_KEY",
        r"\bPrivate-Lines:\s{0,2}[0-9]{1,3}\s{1,4}(?:[0-9A-Za-z+/=]{20,80}\s{0,4})+",
        0.97,
        None,
        99,
    ),
    Pattern("provider_key", "SECRET", ANY_FORMAT, 0.95, None, 90),
    Pattern(
        "authorization",
        "SECRET",
        r"(?i:\bauthorization['\"]?\s{0,2}[:=]\s{0,2}['\"]?(?:bearer|basic|token)\s{1,3})"
        r"([0-9A-Za-z._~+/=-]{16,400})",
        0.9,
        validators.token,
        85,
    ),
    Pattern(
        "url_password",
        "SECRET",
        r"\b[A-Za-z][0-9A-Za-z+.-]{1,20}://[^\s:/@\[]{1,128}:([^\s/@\[]{3,128})@[0-9A-Za-z]",
        0.9,
        validators.password,
        85,
    ),
    Pattern(
        "assigned",
        "SECRET",
        r"(?i:\b(?:[0-9a-z]{0,24}[_-])?(?:password|passwd|passphrase|pwd|secret|"
        r"secret[_-]?key|api[_-]?key|apikey|access[_-]?key|access[_-]?token|"
        r"auth[_-]?token|client[_-]?secret|private[_-]?token)['\"]?\s{0,3}(?:=|"
        r":|:=|=>|is)\s{0,3}['\"]?)([^\s'\"<>,;\[\]{}()$]{8,200})",
        0.7,
        validators.token,
        60,
    ),
    Pattern(
        "assigned:zh",
        "SECRET",
        r"(?:密码|口令|密钥|密碼|密鑰)[ \t]{0,3}(?:[:=]|是|为|為)?[ \t]{0,3}([!-Z\\^-~]{6,64})",
        0.65,
        validators.password_zh,
        60,
    ),
)
"""Secrets."""
