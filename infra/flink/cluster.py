# SPDX-License-Identifier: Apache-2.0
"""Start, look at and stop a Flink session cluster and a pool of Beam workers on this machine.

    python infra/flink/cluster.py start FOLDER --flink DIR [--jar FILE] [--task-managers 2] [--slots 2]
    python infra/flink/cluster.py status FOLDER
    python infra/flink/cluster.py stop FOLDER

Everything listens on the loopback address only. FOLDER gets `conf/`, `log/` and `processes.json`
with the process id of each part; `stop` ends those processes and no others. DIR holds Flink's
`lib/` and `bin/`, as `jars.py` or a Flink distribution has them. With the job server's jar on its
class path the cluster keeps Beam's classes between jobs: every job brings them along all the same,
but loading and compiling them anew took 2 CPU seconds in each TaskManager. Needs Java 17.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
PROCESSES = "processes.json"
START_SECONDS = 90
STOP_SECONDS = 15
JOB_MANAGER_HEAP = "256m"
TASK_MANAGER_MEMORY = "1280m"
"""All memory of a TaskManager; the Python workers' is their own."""

_ENTRY = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_MEMORY = ("org.apache.flink.runtime.util.bash.BashJavaUtils", "GET_TM_RESOURCE_PARAMS")
_MEMORY_MARK = "BASH_JAVA_UTILS_EXEC_RESULT:"
_OPENS = (
    "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
    "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    *(
        f"--add-opens=java.base/{name}=ALL-UNNAMED"
        for name in (
            "java.io",
            "java.lang",
            "java.lang.reflect",
            "java.net",
            "java.nio",
            "java.text",
            "java.time",
            "java.util",
            "java.util.concurrent",
            "java.util.concurrent.atomic",
            "java.util.concurrent.locks",
            "sun.nio.ch",
        )
    ),
)
"""What Flink's own `config.yaml` opens for Java 17 (`env.java.opts.all`)."""

_CONFIG = """\
jobmanager.rpc.address: {host}
jobmanager.rpc.port: {rpc}
jobmanager.bind-host: {host}
jobmanager.memory.process.size: 1024m
rest.address: {host}
rest.bind-address: {host}
rest.port: {rest}
taskmanager.host: {host}
taskmanager.bind-host: {host}
taskmanager.numberOfTaskSlots: {slots}
taskmanager.memory.process.size: {memory}
taskmanager.memory.managed.fraction: 0.3
taskmanager.memory.network.min: 160m
taskmanager.memory.network.max: 160m
taskmanager.network.sort-shuffle.min-buffers: 64
taskmanager.load-balance.mode: SLOTS
classloader.resolve-order: {order}
io.tmp.dirs: {folder}/tmp
blob.storage.directory: {folder}/tmp
restart-strategy.type: fixed-delay
restart-strategy.fixed-delay.attempts: 3
restart-strategy.fixed-delay.delay: 1 s
heartbeat.interval: 2000
heartbeat.timeout: 10000
slot.request.timeout: 60000
"""

_LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.file.ref = File
appender.file.type = File
appender.file.name = File
appender.file.fileName = ${sys:log.file}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{HH:mm:ss,SSS} %-5p %-60c %x - %m%n
"""


class ClusterError(Exception):
    """The cluster cannot be started or is not there; one line says why."""


class Cluster:
    """A cluster in a folder.

    Args:
        folder: Its configuration, logs, temporary files and process ids.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def start(
        self,
        flink: Path,
        *,
        task_managers: int,
        slots: int,
        python: str,
        jar: Path | None = None,
    ) -> dict[str, Any]:
        """Start all parts and wait until the cluster answers.

        Args:
            flink: Folder with Flink's `lib/` and `bin/`.
            jar: Beam's job server, for the class path.
            task_managers: How many.
            slots: Tasks that one of them takes.
            python: Interpreter of the workers; muniment is installed in it.

        Returns:
            What `status` says.

        Raises:
            ClusterError: Java or a jar is missing, or a part does not come up.
        """
        if any(self._alive(entry["pid"]) for entry in self._processes().values()):
            raise ClusterError(f"{self.folder}: a cluster runs here already; stop it first")
        _check_java()
        if not list(flink.glob("lib/flink-dist-*.jar")):
            raise ClusterError(f"{flink}: expected lib/flink-dist-*.jar; see infra/flink/README.md")
        for name in ("conf", "log", "tmp"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir(parents=True)
        rpc, rest, pool = _free_ports(3)
        config = _CONFIG.format(
            host=HOST, rpc=rpc, rest=rest, slots=slots, memory=TASK_MANAGER_MEMORY,
            folder=self.folder, order="parent-first" if jar else "child-first",
        )  # fmt: skip
        (self.folder / "conf" / "config.yaml").write_text(config)
        (self.folder / "conf" / "log4j.properties").write_text(_LOGGING)
        record = {
            "class_path": ":".join(
                [f"{flink.absolute()}/lib/*", *([str(jar.absolute())] if jar else [])]
            ),
            "flink": str(flink.absolute()),
            "python": python,
            "slots": slots,
            "task_managers": task_managers,
            "rest": f"{HOST}:{rest}",
            "pool": f"{HOST}:{pool}",
        }
        (self.folder / "cluster.json").write_text(json.dumps(record, indent=1))
        (self.folder / PROCESSES).write_text("{}")
        try:
            self._spawn("job-manager", self._java([f"-Xmx{JOB_MANAGER_HEAP}"], _ENTRY))
            for number in range(task_managers):
                self.start_task_manager(number)
            self.start_pool()
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self.status()

    def start_task_manager(self, number: int) -> int:
        """Start a TaskManager, again if it was killed; return its process id."""
        options, dynamic = self._memory()
        identity = ["-D", f"taskmanager.resource-id=task-manager-{number}-{time.time_ns()}"]
        return self._spawn(
            f"task-manager-{number}", self._java(options, _TASK_MANAGER, *dynamic, *identity)
        )

    def start_pool(self) -> int:
        """Start the pool of Beam workers; return its process id."""
        record = self.record()
        command = [record["python"], "-m", "muniment.pipelines.worker_pool",
                   f"--port={record['pool'].rpartition(':')[2]}"]  # fmt: skip
        return self._spawn("worker-pool", command)

    def record(self) -> dict[str, Any]:
        """Return the addresses and settings of the cluster.

        Raises:
            ClusterError: None was started in this folder.
        """
        try:
            return dict(json.loads((self.folder / "cluster.json").read_text()))
        except FileNotFoundError:
            raise ClusterError(f"{self.folder}: no cluster was started here") from None

    def flags(self, parallelism: int) -> list[str]:
        """Return the flags of `muniment run` for this cluster; the job server's jar is missing."""
        record = self.record()
        return [
            "--runner=FlinkRunner",
            f"--flink_master={record['rest']}",
            f"--parallelism={parallelism}",
            "--environment_type=EXTERNAL",
            f"--environment_config={record['pool']}",
        ]

    def status(self) -> dict[str, Any]:
        """Return addresses, and what runs under which process id."""
        processes = {
            name: {"pid": entry["pid"], "running": self._alive(entry["pid"])}
            for name, entry in self._processes().items()
        }
        return self.record() | {"processes": processes}

    def pid(self, name: str) -> int:
        """Return the process id of a part."""
        return int(self._processes()[name]["pid"])

    def free_slots(self) -> int:
        """Return how many slots wait for work; 0 while the cluster does not answer."""
        try:
            return int(self.ask("overview")["slots-available"])
        except OSError:
            return 0

    def ask(self, path: str) -> dict[str, Any]:
        """Return what the JobManager's REST interface says."""
        url = f"http://{self.record()['rest']}/{path}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return dict(json.load(answer))

    def stop(self) -> None:
        """End every process that `start` started, and no other."""
        processes = [entry["pid"] for entry in self._processes().values()]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in reversed(processes):
                if self._alive(pid):
                    os.killpg(pid, number)
            latest = time.monotonic() + STOP_SECONDS
            while any(self._alive(pid) for pid in processes) and time.monotonic() < latest:
                time.sleep(0.1)
        (self.folder / PROCESSES).unlink(missing_ok=True)

    def _wait(self) -> None:
        record = self.record()
        wanted = record["slots"] * record["task_managers"]
        latest = time.monotonic() + START_SECONDS
        while self.free_slots() < wanted or not _answers(record["pool"]):
            for name, entry in self._processes().items():
                if not self._alive(entry["pid"]):
                    raise ClusterError(f"{name} stopped; see {self.folder / 'log'}")
            if time.monotonic() > latest:
                raise ClusterError(f"the cluster does not answer; see {self.folder / 'log'}")
            time.sleep(0.2)

    def _java(self, options: Sequence[str], main: str, *arguments: str) -> list[str]:
        conf, class_path = self.folder / "conf", self.record()["class_path"]
        # C1 alone: what is slow runs in Python, and without the optimising compiler the three JVMs
        # took 16 s of CPU time to come up, with it 34.
        return [
            "java", *options, *_OPENS,
            "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            f"-Dlog4j.configurationFile=file:{conf}/log4j.properties",
            "-cp", class_path, main, "--configDir", str(conf), *arguments,
        ]  # fmt: skip

    def _memory(self) -> tuple[list[str], list[str]]:
        """Return the JVM options and the dynamic settings that Flink derives from its config."""
        flink, conf = self.record()["flink"], self.folder / "conf"
        command = ["java", "-cp", f"{flink}/lib/*:{flink}/bin/bash-java-utils.jar", *_MEMORY,
                   "--configDir", str(conf)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = [
            line.partition(_MEMORY_MARK)[2].split()
            for line in done.stdout.splitlines()
            if line.startswith(_MEMORY_MARK)
        ]
        if len(found) < 2:
            raise ClusterError(f"{flink}: its memory helper failed, exit code {done.returncode}")
        return found[0], found[1]

    def _spawn(self, name: str, command: list[str]) -> int:
        log = self.folder / "log" / name
        if command[0] == "java":
            command = [command[0], f"-Dlog.file={log}.log", *command[1:]]
        with open(f"{log}.out", "ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=self.folder,
            )
        processes = self._processes()
        processes[name] = {"pid": process.pid, "started": _started(process.pid)}
        (self.folder / PROCESSES).write_text(json.dumps(processes, indent=1))
        return process.pid

    def _processes(self) -> dict[str, dict[str, int]]:
        try:
            return dict(json.loads((self.folder / PROCESSES).read_text()))
        except FileNotFoundError:
            return {}

    def _alive(self, pid: int) -> bool:
        """Tell whether a process of ours runs; another one with a reused id is not ours."""
        ours = next((e for e in self._processes().values() if e["pid"] == pid), None)
        return ours is not None and _started(pid) == ours["started"]


def _started(pid: int) -> int:
    """Return the start time of a running process in clock ticks, or -1."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] == "Z" else int(fields[19])


def _check_java() -> None:
    java = shutil.which("java")
    if java is None:
        raise ClusterError("java: not found; install Java 17 (Debian: openjdk-17-jre-headless)")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    if 'version "17.' not in told:
        first = (told.splitlines() or ["nothing"])[0]
        raise ClusterError(
            f"java: expected version 17, it says {first}; put a Java 17 first on PATH"
        )


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind((HOST, 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("verb", choices=("start", "status", "stop"))
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--flink", type=Path, metavar="DIR", help="holds Flink's lib/ and bin/")
    parser.add_argument("--jar", type=Path, metavar="FILE", help="job server, kept by the cluster")
    parser.add_argument("--task-managers", type=int, default=2)
    parser.add_argument("--slots", type=int, default=2, help="of each TaskManager")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the workers")
    options = parser.parse_args(argv)
    if options.verb == "start" and options.flink is None:
        parser.error("--flink: expected the folder of Flink's lib/ and bin/")
    cluster = Cluster(options.folder)
    try:
        if options.verb == "stop":
            cluster.stop()
            return 0
        if options.verb == "start":
            cluster.start(
                options.flink,
                task_managers=options.task_managers,
                slots=options.slots,
                python=options.python,
                jar=options.jar,
            )
        print(json.dumps(cluster.status(), indent=1))
    except (ClusterError, OSError) as error:
        print(f"cluster.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
