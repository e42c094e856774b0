# SPDX-License-Identifier: Apache-2.0
"""Opening a release: what is refused before a single row is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from muniment.pipelines.query import connect
from muniment.pipelines.release import open_release
from muniment.schemas.errors import IntegrityError, ReleaseError
from release_fixture import build_release, tables, write_release

if TYPE_CHECKING:
    pass


def test_an_empty_folder_holds_no_release(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no release here; run `muniment run"):
        open_release(tmp_path)


def test_a_missing_folder_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no such folder"):
        open_release(tmp_path / "nowhere")


@pytest.mark.parametrize("line", ["", "snapshots/../etc\n", "snapshots/0000\n", "x" * 200])
def test_a_pointer_that_is_not_one_plain_line_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "CURRENT").write_text(line)
    with pytest.raises(IntegrityError, match="expected one line"):
        open_release(tmp_path)


def test_a_pointer_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "CURRENT").symlink_to("/etc/passwd")
    with pytest.raises(ReleaseError, match="not a link"):
        open_release(tmp_path)


def test_a_snapshot_is_named_by_its_id_only(tmp_path: Path) -> None:
    build_release(tmp_path)
    with pytest.raises(ReleaseError, match="16 hexadecimal digits"):
        open_release(tmp_path, snapshot="../../etc")
    with pytest.raises(ReleaseError, match="no release 0000000000000000"):
        open_release(tmp_path, snapshot="0" * 16)


def test_an_older_snapshot_can_be_opened_by_its_id(tmp_path: Path) -> None:
    first = build_release(tmp_path)
    second = write_release(tmp_path, tables(), parent=first)
    assert open_release(tmp_path).id == second
    assert open_release(tmp_path, snapshot=first).id == first


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_schema_version_is_refused_not_half_read(tmp_path: Path, version: object) -> None:
    write_release(tmp_path, tables(), schema_version=version)
    with pytest.raises(ReleaseError, match="unsupported_version"):
        open_release(tmp_path)


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "a/../b", "a//b", "a\\b", "", ".hidden", "MANIFEST.json"]
)
def test_a_manifest_cannot_list_a_file_outside_the_release(tmp_path: Path, path: str) -> None:
    entry = {"path": path, "table": None, "bytes": 1, "rows": None, "sha256": "0" * 64}
    write_release(tmp_path, tables(), files=[entry])
    with pytest.raises(IntegrityError, match="not a file entry inside the release"):
        open_release(tmp_path)


def test_a_file_reached_through_a_link_is_refused(tmp_path: Path) -> None:
    build_release(tmp_path)
    release = open_release(tmp_path)
    folder = release.folder / "manifest"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="manifest"):
        connect(release)


def test_a_changed_manifest_no_longer_fits_its_folder(tmp_path: Path) -> None:
    build_release(tmp_path)
    manifest = open_release(tmp_path).folder / "MANIFEST.json"
    manifest.write_text(manifest.read_text().replace('"read": 30', '"read": 31'))
    with pytest.raises(IntegrityError, match="changed after the release"):
        open_release(tmp_path)
