# SPDX-License-Identifier: Apache-2.0
"""What the data card says, in which order: prose without numbers, and tables of named queries.

Prose here never holds a number about the data: every number on the card is a cell of a named
query, whose name stands beside it.
"""

from __future__ import annotations

from .card_parts import Facts, Listing, Section, columns

SECTIONS: tuple[Section, ...] = (
    Section(
        "At a glance",
        "glance",
        ("Every record that was read is kept, removed by a rule, or quarantined; none is lost.",),
        (
            Facts(
                "totals",
                columns(
                    "documents_in: Documents read; documents_kept: Documents kept; "
                    "documents_removed: Documents removed by a rule; "
                    "documents_quarantined: Documents quarantined; "
                    "share_kept: Share of documents kept; tokens_in: Tokens read; "
                    "tokens_out: Tokens kept, after redaction; bytes_out: Bytes of text kept; "
                    "sources: Sources; languages: Languages; domains: Domains; "
                    "collected_from: First day of collection; "
                    "collected_to: Last day of collection; "
                    "published_from: Earliest date of a document; "
                    "published_to: Latest date of a document"
                ),
            ),
            Listing(
                "erasures-published",
                "Erased on request since the release was made; all other numbers are of that time",
                columns("first_day: First day; last_day: Last day; documents: Documents"),
                empty="Nothing.",
            ),
        ),
    ),
    Section(
        "Sources",
        "sources",
        (
            "What was declared about each source before the run, in the terms of the public "
            "summary of the EU AI Act (Article 53), and how much of it stayed.",
        ),
        (
            Listing(
                "by-source",
                "What came from each source",
                columns(
                    "source_id: Source; documents_in: Read; documents_kept: Kept; "
                    "documents_removed: Removed; documents_quarantined: Quarantined; "
                    "tokens_out: Tokens kept; share: Share of tokens"
                ),
                limit=40,
                bar="share",
            ),
            Listing(
                "sources",
                "Declarations",
                columns(
                    "source_id: Source; kind: Kind; publisher: Publisher; version: Version; "
                    "uri: Obtained from; crawler: Crawler; contract_ref: Contract; "
                    "generator: Generator; licence_default: Licence by default; "
                    "legal_basis: Copyright basis; personal_data_basis: Personal data basis; "
                    "origin: Origin; collected_from: Collected from; collected_to: Collected to; "
                    "reviewer: Reviewed by; trust_tier: Trust; illegal_n: Examined before use; "
                    "illegal_k: Illegal among them; blacklisted: Blacklisted; "
                    "observability: Rights signals visible"
                ),
                limit=40,
            ),
            Listing(
                "public-datasets",
                "Large public data sets (EU summary, section 2.1)",
                columns(
                    "source_id: Source; publisher: Publisher; version: Version; "
                    "tokens_in: Tokens read; share: Share of public data sets"
                ),
                bar="share",
                empty="No public data set was read.",
            ),
        ),
    ),
    Section(
        "Languages",
        "languages",
        ("Languages as identified in the text; `und` was not identifiable.",),
        (
            Listing(
                "by-language",
                "Documents and tokens by language",
                columns(
                    "lang: Language; documents_in: Read; documents_kept: Kept; "
                    "tokens_out: Tokens kept; share: Share of tokens"
                ),
                bar="share",
            ),
            Listing(
                "removal-by-language",
                "Do the rules remove more of a language?",
                columns(
                    "lang: Language; documents_in: Read; removed: Removed; "
                    "removal_rate: Share removed; commonest_reason: Commonest reason"
                ),
                bar="removal_rate",
            ),
        ),
    ),
    Section(
        "Licences",
        "licences",
        ("Licences as SPDX expressions, and whether the document or its source says so.",),
        (
            Listing(
                "by-licence",
                "Corpus by licence",
                columns(
                    "licence: Licence; documents_kept: Documents; "
                    "said_by_document: Said by the document; said_by_source: Said by the source; "
                    "tokens_out: Tokens; share: Share of tokens"
                ),
                bar="share",
            ),
            Listing(
                "unknown-licence",
                "Unknown licences by source",
                columns(
                    "source_id: Source; documents_unknown: Documents; tokens_unknown: Tokens; "
                    "share_unknown: Share of the source"
                ),
                bar="share_unknown",
                empty="Every kept document has a known licence.",
            ),
        ),
    ),
    Section(
        "Domains and dates",
        "domains",
        ("Registrable domains of the addresses, largest first.",),
        (
            Listing(
                "domains",
                "Domains",
                columns(
                    "domain: Domain; documents_in: Read; documents_kept: Kept; "
                    "tokens_in: Tokens read; tokens_out: Tokens kept; share: Share of tokens"
                ),
                bar="share",
                empty="No document has an address.",
            ),
            Listing(
                "by-year",
                "Corpus by year of publication",
                columns(
                    "year: Year; documents_kept: Documents; tokens_out: Tokens; "
                    "share: Share of tokens"
                ),
                limit=40,
                bar="share",
            ),
        ),
    ),
    Section(
        "What was left out, and why",
        "left-out",
        (
            "Rules in the order of the policy. A document leaves at one rule, its terminal one; "
            "`also` counts the documents that the rule would have removed as well.",
        ),
        (
            Listing(
                "funnel-published",
                "Funnel",
                columns(
                    "rule_id: Rule; action: Action; documents: Leave here; also_hit: Also; "
                    "documents_left: Documents left; tokens_left: Tokens left; "
                    "meaning: What the rule does"
                ),
                limit=60,
                bar="documents_left",
            ),
            Listing(
                "reasons-published",
                "Reasons",
                columns(
                    "outcome: Outcome; reason: Reason; documents: Documents; "
                    "tokens: Tokens read; share: Share of what left"
                ),
                limit=60,
                bar="share",
                empty="Nothing was left out.",
            ),
            Listing(
                "shadow-published",
                "Rules in shadow, which never act",
                columns(
                    "rule_id: Rule; documents: Documents hit; "
                    "only_here: Would leave if enforced; tokens: Their tokens"
                ),
                empty="No rule in shadow fired.",
            ),
        ),
    ),
    Section(
        "Duplicates",
        "duplicates",
        (
            "Candidates are proposed by MinHash bands. A near copy is removed only if its true "
            "Jaccard similarity to the surviving document reaches the threshold. The curve is the "
            "chance that a pair of some similarity is proposed at all: below one, copies are "
            "missed.",
        ),
        (
            Facts(
                "run",
                columns(
                    "dedup_bands: Bands; dedup_rows: Rows of a band; "
                    "dedup_threshold: Jaccard threshold"
                ),
            ),
            Listing(
                "duplicates",
                "Members of duplicate clusters",
                columns(
                    "role: Role; method: Found by; documents: Documents; tokens: Tokens; "
                    "clusters: Clusters; least_jaccard: Least Jaccard; "
                    "mean_jaccard: Mean Jaccard; tainted: Copy an opted-out document"
                ),
                empty="No duplicates were found.",
            ),
            Listing(
                "s-curve",
                "Chance that a pair is found",
                columns("jaccard: Jaccard; chance: Chance"),
                empty="Near-duplicates were not looked for.",
                curve=("jaccard", "chance"),
            ),
        ),
    ),
    Section(
        "Personal data",
        "personal-data",
        (
            "Spans that detectors found, by type and grade (GB/T 35273 and PIPL). Counts only: "
            "neither values nor their hashes are shown. Groups of few documents stand together "
            "with a larger one, so that no difference of two numbers speaks of a few people.",
        ),
        (
            Facts(
                "pii-reach",
                columns(
                    "names: Names of persons looked for; least_score: Least score replaced; "
                    "names_unread_kept: Documents kept whose names no model reads; "
                    "names_unread_share: Their share of tokens; "
                    "not_searched: Documents quarantined because they could not be searched"
                ),
            ),
            Listing(
                "names-unread",
                "Languages whose names no model reads",
                columns(
                    "lang: Language; documents: Documents; documents_kept: Kept; "
                    "removed_for_it: Removed for it; tokens_kept: Tokens kept"
                ),
                limit=40,
                empty="None: a model reads the names of every language in it, or names were not "
                "looked for at all.",
            ),
            Listing(
                "pii-grades-published",
                "Documents by the highest grade found in them",
                columns(
                    "grade: Grade; documents_in: Documents judged; documents_kept: Kept; "
                    "removed_for_it: Removed for it; found: Spans found; "
                    "redacted_in_kept: Replaced in kept"
                ),
            ),
            Listing(
                "pii-published",
                "Spans by type",
                columns(
                    "entity_type: Type; grade: Grade; action: Action; "
                    "documents: Documents; found: Found; found_in_kept: In kept; "
                    "redacted_in_kept: Replaced; left_in_kept: Left"
                ),
                limit=40,
                empty="No personal data was found.",
            ),
        ),
        (
            "This corpus is not claimed to be free of personal data: detectors miss some, and a "
            "detector cannot measure what it misses.",
            "Names: off looks for none, contact around other identifiers and contact cues only "
            "(names in news and encyclopaedias stay), all everywhere. In a language that no model "
            "reads, names stay as they are.",
        ),
    ),
    Section(
        "Toxicity",
        "toxicity",
        ("Score of the worst window of each document, where a model for its language exists.",),
        (
            Listing(
                "toxicity",
                "Scores by language",
                columns(
                    "lang: Language; documents_in: Documents judged; measured: Scored; "
                    "removed: Removed; median: Median score; percentile_99: 99th percentile; "
                    "highest_kept: Highest kept"
                ),
            ),
        ),
        ("A language with no scored documents has no model: nothing is known of its toxicity.",),
    ),
    Section(
        "Rights",
        "rights",
        (
            "What the opt-out signals say, and how much of them the inputs could show: `none` "
            "means that no signal was visible, not that nobody objected.",
        ),
        (
            Listing(
                "rights",
                "Corpus by rights state",
                columns(
                    "rights_observability: Signals visible; rights_state: State; "
                    "documents_kept: Documents; tokens_out: Tokens; share: Share of tokens"
                ),
                bar="share",
            ),
            Listing(
                "protocols",
                "What each protocol said, and how often it decided",
                columns(
                    "protocol: Protocol; channel: Seen in; value: Says; status: Read; "
                    "applied: Counts; documents: Documents; decided: Decided; "
                    "first_seen: First seen; last_seen: Last seen"
                ),
                limit=40,
                empty="No signal was visible.",
            ),
            Listing(
                "marks",
                "Notices and marks in the texts (flags, no verdicts)",
                columns(
                    "source_id: Source; documents_in: Documents read; "
                    "copyright_notices: Copyright notices; "
                    "reservation_notices: Reservations of mining or training; "
                    "marked_generated: Marked as generated; noticed_kept: With a notice, kept; "
                    "generated_kept: Marked as generated, kept"
                ),
            ),
            Listing(
                "lists-published",
                "Opt-out and takedown lists",
                columns(
                    "list_id: List; kind: Kind; version: Version; licence: Licence; "
                    "retrieved: Retrieved; entries: Entries; "
                    "documents_matched: Documents matched; canaries: Canaries; "
                    "canaries_passed: Passed; sha256: SHA-256"
                ),
                limit=40,
                empty="No list was applied.",
            ),
        ),
    ),
    Section(
        "Quarantine",
        "quarantine",
        ("Records that could not be judged. They are never kept: in doubt, muniment leaves out.",),
        (
            Listing(
                "quarantine",
                "Quarantined records",
                columns(
                    "reason: Reason; stage: Stage; source_id: Source; records: Records; "
                    "bytes: Bytes"
                ),
                limit=40,
                empty="Every record could be judged.",
            ),
        ),
    ),
    Section(
        "Models and rules",
        "models",
        ("What measured and what decided, with the digest of each model.",),
        (
            Listing(
                "models",
                "Models",
                columns(
                    "model: Model; version: Version; task: Task; licence: Licence; sha256: SHA-256"
                ),
                limit=40,
                empty="No model measured.",
            ),
            Listing(
                "rules",
                "Rules",
                columns(
                    "rule_id: Rule; version: Version; mode: Mode; action: Action; "
                    "parameters: Parameters; basis: Basis"
                ),
                limit=60,
            ),
        ),
    ),
    Section(
        "What is not known",
        "not-known",
        ("Shares of the tokens in the corpus.",),
        (
            Facts(
                "unknowns",
                columns(
                    "licence_unknown: No known licence; "
                    "rights_unobservable: No rights signal could be seen; "
                    "rights_unknown: Rights state unknown; "
                    "toxicity_unmeasured: Toxicity not measured; "
                    "language_unknown: Language not identified; domain_unknown: No address; "
                    "date_unknown: No date"
                ),
            ),
        ),
        (
            "Whether a removal from this release reaches models that were trained on an earlier "
            "one, or copies that others hold: it does not.",
            "Whether names of persons outside the configured scope of name recognition are left.",
            "Whether a document without a copy in this release has one elsewhere.",
        ),
    ),
    Section(
        "How to check this card",
        "check",
        (
            "The same inputs, job, models and key give the same release, byte for byte. Each "
            "number above is a cell of the query named beside it.",
        ),
        (
            Facts(
                "run",
                columns(
                    "code_version: Version of muniment; schema_version: Version of the tables; "
                    "tokenizer: Tokenizer; config_sha256: SHA-256 of the job; "
                    "policy_sha256: SHA-256 of the rules; "
                    "inputs_sha256: SHA-256 over the inputs; key_id: Id of the secret key; "
                    "guard_override: Guard overridden because"
                ),
            ),
        ),
    ),
)
"""The card from top to bottom."""
