# SPDX-License-Identifier: Apache-2.0
"""What every test shares.

- `repository`: the root of the working tree; tests that read sources or documents skip without it.
- `shared_data`: the folder of shared data (`MUNIMENT_SHARED_DATA`); tests skip without it.
- `small_job`, `small_release`: the corpus of `small_corpus` and an undisturbed release of it; made
  once, read only: a test that runs the job again on them must leave the same bytes.
- `sound`, `copy`: the release of `release_fixture`, read only, and a copy that may be damaged.
- hypothesis runs derandomised and without a database, so that equal sources give equal results.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from muniment.pipelines.release import Release

settings.register_profile(
    "muniment",
    derandomize=True,
    database=None,
    deadline=None,  # no timing in tests: the first call of a kernel compiles it
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("muniment")

_ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the working tree."""
    return _ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of shared data, or skip."""
    folder = Path(os.environ.get("MUNIMENT_SHARED_DATA", _ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; MUNIMENT_SHARED_DATA names the folder")
    return folder


@pytest.fixture(scope="session")
def small_job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the job file of the small corpus."""
    from small_corpus import write_corpus

    return write_corpus(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def small_release(
    small_job: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """Return the output folder of an undisturbed run of the small corpus, and its summary."""
    from muniment.pipelines.run import run_job
    from muniment.schemas.job_file import load_job

    output = tmp_path_factory.mktemp("released")
    return output, run_job(load_job(small_job), output)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Return a sound release of thirty documents, written by hand; read only."""
    from muniment.pipelines.release import open_release
    from release_fixture import build_release

    output = tmp_path_factory.mktemp("sound")
    build_release(output)
    return open_release(output)


@pytest.fixture
def copy(sound: Release, tmp_path: Path) -> Release:
    """Return a copy of the sound release that a test may damage."""
    from muniment.pipelines.release import open_release

    shutil.copytree(sound.output, tmp_path / "copy")
    return open_release(tmp_path / "copy")
