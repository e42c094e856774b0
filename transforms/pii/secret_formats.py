# SPDX-License-Identifier: Apache-2.0
"""Formats of providers' keys that say by themselves what they are: prefix, alphabet, length.

Facts after the default rules of gitleaks (https://github.com/gitleaks/gitleaks, MIT,
config/gitleaks.toml at commit 009e025ad4106ab333aa0b9dc4f2a884390d134c) and the providers' own
pages; no rule text was copied, and rules that need the provider's name near a bare hash are left
out: `assigned` finds those behind a word such as "api key". All stand in one expression, so the
prefilter asks one question.
"""

from __future__ import annotations

RULES_VERSION = "2026.11-gitleaks.009e025a"
"""Version of the secret rules; raised whenever a format here or a row of `credentials` changes."""

FORMATS: tuple[tuple[str, str], ...] = (
    ("1password", r"A3-[0-9A-Z]{6}-(?:[0-9A-Z]{11}|[0-9A-Z]{6}-[0-9A-Z]{5})(?:-[0-9A-Z]{5}){3}\b"),
    ("1password_service", r"ops_eyJ[0-9A-Za-z+/]{250,}={0,3}"),
    ("adobe", r"p8e-[0-9a-z]{32}\b"),
    ("age", r"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}\b"),
    ("artifactory", r"(?:AKCp[0-9A-Za-z]{69}|cmVmd[0-9A-Za-z]{59})\b"),
    ("atlassian", r"ATATT3[0-9A-Za-z_=-]{186}"),
    ("clojars", r"CLOJARS_[0-9a-z]{60}\b"),
    ("cloudflare", r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}\b"),
    ("databricks", r"dapi[0-9a-f]{32}\b"),
    ("digitalocean", r"do[opr]_v1_[0-9a-f]{64}\b"),
    ("doppler", r"dp\.pt\.[0-9A-Za-z]{43}\b"),
    ("dynatrace", r"dt0c01\.[0-9A-Za-z]{24}\.[0-9A-Za-z]{64}\b"),
    ("easypost", r"EZ[AT]K[0-9A-Za-z]{54}\b"),
    ("flutterwave", r"FLW(?:PUBK|SECK)_TEST-[0-9A-Za-z]{12,32}(?:-X)?\b"),
    ("fly", r"(?:fo1_[0-9A-Za-z_-]{43}|fm(?:1[ar]|2)_[0-9A-Za-z+/]{100,}={0,3})"),
    ("frameio", r"fio-u-[0-9A-Za-z_=-]{64}"),
    ("grafana", r"(?:glc_[0-9A-Za-z+/]{32,400}={0,3}|glsa_[0-9A-Za-z]{32}_[0-9A-Fa-f]{8}\b)"),
    ("groq", r"gsk_[0-9A-Za-z]{52}\b"),
    ("heroku", r"HRKU-AA[0-9A-Za-z_-]{58}"),
    ("huggingface_organisation", r"api_org_[A-Za-z]{34}\b"),
    ("linear", r"lin_api_[0-9A-Za-z]{40}\b"),
    ("mailchimp", r"[0-9a-f]{32}-us[0-9]{1,2}\b"),
    ("mapbox", r"[ps]k\.eyJ[0-9A-Za-z_-]{20,200}\.[0-9A-Za-z_-]{22}"),
    ("maxmind", r"[0-9A-Za-z]{6}_[0-9A-Za-z]{29}_mmk\b"),
    ("new_relic", r"NR(?:AK-[0-9A-Za-z]{27}|II-[0-9A-Za-z-]{32}|JS-[0-9a-f]{19})"),
    ("notion", r"ntn_[0-9]{11}[0-9A-Za-z]{35}\b"),
    ("nuget", r"oy2[0-9a-z]{43}\b"),
    ("octopus", r"API-[0-9A-Z]{26}\b"),
    ("openshift", r"sha256~[0-9A-Za-z_-]{43}"),
    ("perplexity", r"pplx-[0-9A-Za-z]{48}\b"),
    (
        "plaid",
        r"access-(?:sandbox|development|production)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    ),
    ("planetscale", r"pscale_(?:tkn|oauth|pw)_[0-9A-Za-z_=.-]{32,64}"),
    ("postman", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}\b"),
    ("prefect", r"pnu_[0-9A-Za-z]{36}\b"),
    ("pulumi", r"pul-[0-9a-f]{40}\b"),
    ("readme", r"rdme_[0-9a-z]{70}\b"),
    ("replicate", r"r8_[0-9A-Za-z]{37}\b"),
    ("rubygems", r"rubygems_[0-9a-f]{48}\b"),
    ("scalingo", r"tk-us-[0-9A-Za-z_-]{48}"),
    ("sendinblue", r"xkeysib-[0-9a-f]{64}-[0-9A-Za-z]{16}\b"),
    ("sentry", r"(?:sntryu_[0-9a-f]{64}\b|sntrys_eyJ[0-9A-Za-z+/=]{20,400}_[0-9A-Za-z+/]{43})"),
    ("settlemint", r"sm_[aps]at_[0-9A-Za-z]{16}\b"),
    ("shippo", r"shippo_(?:live|test)_[0-9A-Fa-f]{40}\b"),
    ("sourcegraph", r"sgp_(?:(?:[0-9A-Fa-f]{16}|local)_)?[0-9A-Fa-f]{40}\b"),
    ("square", r"(?:EAAA[0-9A-Za-z_-]{60}|sq0(?:atp|csp)-[0-9A-Za-z_-]{22,43})"),
    ("supabase", r"sbp_[0-9a-f]{40}\b"),
    ("terraform", r"[0-9A-Za-z]{14}\.atlasv1\.[0-9A-Za-z_=-]{60,70}"),
    ("typeform", r"tfp_[0-9A-Za-z_.=-]{59}"),
    ("vault", r"hv(?:s\.[0-9A-Za-z_-]{90,120}|b\.[0-9A-Za-z_-]{138,300})"),
    ("xai", r"xai-[0-9A-Za-z]{80}\b"),
    ("yandex", r"AQVN[0-9A-Za-z_-]{35,38}"),
)
"""Provider and format, an RE2 expression that begins at a word boundary."""

ANY_FORMAT = r"\b(?:" + "|".join(regex for _, regex in FORMATS) + ")"
"""All formats."""
