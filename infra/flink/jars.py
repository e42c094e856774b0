# SPDX-License-Identifier: Apache-2.0
"""Get Flink and Beam's job server for it into a folder, pinned and checked.

    python infra/flink/jars.py FOLDER

FOLDER gets `flink/lib`, `flink/bin` (from `apache-flink-libraries`, by pip) and `job-server.jar`
(from Beam's modules, by Maven with `pom.xml`). Both come from wherever pip and mvn are configured
to look. What is there already and has the right digest stays; anything else is an error.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

FLINK = "1.19.3"
FLINK_SHA256 = "4a58e3a1fb7d83340bc96b6c080624c6d792d69fae5d294b96224775204a9c60"
JOB_SERVER_SHA256 = "376f5e79a258a6bba6677c2c851143c7bfadd180177697b33dfbdaf646541dd8"
"""Of the names, sizes and checksums of what is in the jar: Maven puts the time into its headers."""

_HERE = Path(__file__).parent
_ARCHIVE = f"apache-flink-libraries-{FLINK}.tar.gz"


class JarError(Exception):
    """A jar cannot be had or is not what it should be; one line says why."""


def get_flink(folder: Path) -> Path:
    """Return the folder with Flink's `lib/` and `bin/`; download what is missing."""
    target = folder / "flink"
    if list(target.glob(f"lib/flink-dist-{FLINK}.jar")):
        return target
    with tempfile.TemporaryDirectory(dir=folder) as name:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary",
                   ":all:", "--no-build-isolation", "--dest", name,
                   f"apache-flink-libraries=={FLINK}"]  # fmt: skip
        _run(command, "pip")
        archive = Path(name) / _ARCHIVE
        with open(archive, "rb") as file:
            _compare(archive.name, hashlib.file_digest(file, "sha256").hexdigest(), FLINK_SHA256)
        with tarfile.open(archive) as tar:
            tar.extractall(name, filter="data")
        unpacked = Path(name) / _ARCHIVE.removesuffix(".tar.gz") / "deps"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for part in ("bin", "lib"):
            shutil.move(unpacked / part, target / part)
    return target


def get_job_server(folder: Path) -> Path:
    """Return Beam's job server as one jar; build it if it is missing."""
    jar = folder / "job-server.jar"
    if not jar.is_file():
        if shutil.which("mvn") is None:
            raise JarError("mvn: not found; install Maven, or put a job-server.jar into the folder")
        with tempfile.TemporaryDirectory(dir=folder) as name:
            pom = str(_HERE / "pom.xml")
            _run(["mvn", "-B", "-q", "-f", pom, f"-Dfolder={name}", "package"], "mvn")
            _compare("job-server.jar", _contents(Path(name) / "job-server.jar"), JOB_SERVER_SHA256)
            shutil.move(Path(name) / "job-server.jar", jar)
    return jar


def _run(command: list[str], tool: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing"]
        raise JarError(f"{tool}: exit code {done.returncode}: {said[-1]}")


def _contents(jar: Path) -> str:
    with zipfile.ZipFile(jar) as opened:
        entries = sorted(
            f"{entry.filename} {entry.file_size} {entry.CRC:08x}"
            for entry in opened.infolist()
            if not entry.filename.startswith("META-INF/maven/muniment/")
        )
    return hashlib.sha256("\n".join(entries).encode()).hexdigest()


def _compare(name: str, found: str, expected: str) -> None:
    if found != expected:
        raise JarError(f"{name}: expected sha256 {expected}, got {found}")


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line and get the jars."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    folder = parser.parse_args(argv).folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        print(get_flink(folder))
        print(get_job_server(folder))
    except (JarError, OSError) as error:
        print(f"jars.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
