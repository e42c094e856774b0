# SPDX-License-Identifier: Apache-2.0
"""Verbs of the command line about keys, signatures, proofs and the difference of releases."""

from __future__ import annotations

from pathlib import Path

import click

from ..schemas.errors import IntegrityError
from .cli_words import RELEASE, folder_and, print_json, say

_KEY = click.Path(path_type=Path)


@click.command()
@click.argument("path", type=_KEY)
@click.option("--signing", is_flag=True, help="An ed25519 key to sign releases: PATH and PATH.pub.")
def keygen(*, path: Path, signing: bool) -> None:
    """Write a new secret key to PATH, readable by its owner only."""
    if signing:
        from .envelope import generate_signing_key, key_name  # noqa: PLC0415

        public = generate_signing_key(path)
        print_json({"key_file": str(path), "key_name": key_name(public), "public_key": public})
        return
    from ..transforms.keys import generate_key  # noqa: PLC0415

    print_json({"key_file": str(path), "key_id": generate_key(path).key_id.hex()})


@click.command()
@click.argument("folder", metavar="[DIR]", default=RELEASE)
@click.option("--release", "release_id", metavar="ID", help="Another release than the current one.")
@click.option("--key-file", type=_KEY, help="Key of the job: hold every row against the roots.")
@click.option(
    "--trusted-key",
    "trusted",
    multiple=True,
    metavar="PUB",
    help="Public key, or its file: one of those given must have signed; checks the parents too.",
)
@click.option(
    "--known",
    metavar="ID",
    help="Release that was current when you looked before: this one must be it, or go back to it.",
)
def verify(
    *,
    folder: str,
    release_id: str | None,
    key_file: Path | None,
    trusted: tuple[str, ...],
    known: str | None,
) -> None:
    """Check every file of the release in DIR, its roots and its books; name what is wrong."""
    from ..transforms.keys import load_key  # noqa: PLC0415
    from .chain import check_known  # noqa: PLC0415
    from .envelope import read_public_key  # noqa: PLC0415
    from .release import open_release  # noqa: PLC0415
    from .verify import verify as verify_release  # noqa: PLC0415

    release = open_release(folder, snapshot=release_id)
    signers = [read_public_key(key) for key in trusted]
    faults = verify_release(release, load_key(key_file) if key_file else None, signers)
    faults += check_known(release, known) if known else []
    if faults:
        for fault in faults[1:]:
            say(str(fault))
        raise IntegrityError(str(faults[0]))
    erased = len(release.erasure.tombstones) if release.erasure else 0
    done = {"release": release.id, "files": len(release.listed), "verified": True, "erased": erased}
    print_json(done | {"rows_proved": key_file is not None, "signature_proved": bool(signers)})


@click.command()
@click.argument("folder", metavar="[DIR]", default=RELEASE)
@click.option("--key", "key_file", type=_KEY, required=True, help="Private ed25519 key.")
@click.option("--release", "release_id", metavar="ID", help="Another release than the current one.")
def sign(folder: str, key_file: Path, release_id: str | None) -> None:
    """Verify the release in DIR and sign it (DSSE, in-toto), beside it in attestations/."""
    from .envelope import load_signing_key, public_hex  # noqa: PLC0415
    from .release import open_release  # noqa: PLC0415
    from .signatures import sign as sign_release  # noqa: PLC0415
    from .verify import verify as verify_release  # noqa: PLC0415

    key = load_signing_key(key_file)
    release = open_release(folder, snapshot=release_id)
    faults = verify_release(release)
    if faults:
        raise IntegrityError(f"not signed: {faults[0]}")
    place = sign_release(release, key)
    print_json({"release": release.id, "attestation": place, "public_key": public_hex(key)})


@click.command()
@click.argument("words", nargs=-1, metavar="[DIR] DOC_ID")
@click.option("--key-file", type=_KEY, required=True, help="Key of the job; makes the salts.")
@click.option("--release", "release_id", metavar="ID", help="Another release than the current one.")
@click.option(
    "--table", type=click.Choice(["documents", "decisions"]), default="documents", show_default=True
)
def prove(words: tuple[str, ...], key_file: Path, release_id: str | None, table: str) -> None:
    """Print a proof, as JSON, that the rows of a document are those of the release in DIR.

    It discloses these rows and nothing else, and is checked without the manifest.
    """
    from ..transforms.keys import load_key  # noqa: PLC0415
    from .proof import prove_rows  # noqa: PLC0415
    from .release import open_release  # noqa: PLC0415

    folder, rest = folder_and(words, 1, "DOC_ID")
    release = open_release(folder, snapshot=release_id)
    print_json(prove_rows(release, table, rest[0], load_key(key_file)))


@click.command("verify-proof")
@click.argument("proof", type=click.Path(path_type=Path))
@click.option("--root", required=True, metavar="HEX", help="Salted root that was published.")
def verify_proof(proof: Path, root: str) -> None:
    """Check a proof of `muniment prove` against a root; no manifest and no key is needed."""
    from .proof import check_proof, read_proof  # noqa: PLC0415

    content = read_proof(proof)
    fault = check_proof(content, root)
    if fault:
        raise IntegrityError(f"{proof}: {fault}")
    print_json({"table": content["table"], "rows": len(content["rows"]), "proved": True})


@click.command()
@click.argument("words", nargs=-1, metavar="[DIR] OLD NEW")
@click.option("--format", "form", type=click.Choice(["text", "json", "md"]), default="text")
def diff(words: tuple[str, ...], form: str) -> None:
    """Compare two releases: what left, what came, why, and which rules and lists changed.

    OLD and NEW are release ids of the folder DIR, or folders whose current releases are meant.
    """
    from .diff import compare_releases, render  # noqa: PLC0415
    from .release import is_release_id, open_release  # noqa: PLC0415

    folder, rest = folder_and(words, 2, "OLD and NEW")
    old, new = (
        open_release(folder, snapshot=word) if is_release_id(word) else open_release(word)
        for word in rest
    )
    difference = compare_releases(old, new)
    if form == "json":
        print_json(difference)
    else:
        click.echo(render(difference, form), nl=False)


PROOF_COMMANDS = (keygen, verify, sign, prove, verify_proof, diff)
