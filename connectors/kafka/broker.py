"""Apache Kafka, one KRaft node, as a child process on loopback.

A single node survives a crash of its process. Like every Kafka it leaves flushing to the
operating system, so a power cut may take the last seconds; a real cluster replicates instead.
"""

import base64
import os
import re
import shutil
import signal
import subprocess
import uuid
from pathlib import Path
from typing import ClassVar, Final

import psutil
from kafka.errors import KafkaError  # type: ignore[import-untyped]  # ships no py.typed

from connectors.engine import Engine
from connectors.errors import EngineError
from connectors.kafka import jars
from connectors.kafka.admin import admin
from connectors.kafka.java import find_java
from connectors.kafka.settings import KafkaSettings
from connectors.process import LOOPBACK, Child, free_port, port_answers, spawn

HEAP: Final = "512m"

_VERSION: Final = re.compile(r"Kafka version: (\S+)")
_READY_TIMEOUT_MS: Final = 3_000

_MARKER: Final = "-Dliandong.data="

# After a crash the controller admits the broker again only when its old session has run out, so
# that is short.
_SETTINGS: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=CLIENT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=CLIENT://{host}:{port}
listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENT
log.dirs={logs}
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
"""


class EmbeddedKafka(Engine):
    """One broker that is its own controller, without authentication, reachable from here only."""

    name: ClassVar[str] = "Kafka"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, data: Path, *, port: int | None = None) -> None:
        """Nothing starts yet."""
        super().__init__(data, port=port)
        self._controller: int | None = None
        self._log_start = 0

    @property
    def bootstrap(self) -> str:
        """The address, "127.0.0.1:port"."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def settings(self) -> KafkaSettings:
        """What clients need, whatever the environment says about other clusters."""
        return KafkaSettings.model_construct(bootstrap=self.bootstrap)

    def version(self) -> str:
        """The version in the broker's own log of this start. Raises EngineError before a start."""
        self._running_child()
        with self.log.open(encoding="utf-8", errors="replace") as text:
            text.seek(self._log_start)
            for line in text:
                match = _VERSION.search(line)
                if match:
                    return match.group(1)
        message = f"{self.log} does not name Kafka's version; was it truncated?"
        raise EngineError(message)

    def _prepare(self) -> None:
        """Settings are written at every start, since ports change; the format stays."""
        self._controller = self._controller or free_port()
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir()
        logs = self.data / "logs"
        text = _SETTINGS.format(host=LOOPBACK, port=self.port, controller=self._controller, logs=logs)
        self._properties.write_text(text, "utf-8")
        if not (logs / "meta.properties").exists():
            self._format()

    def _spawn(self) -> Child:
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        command = self._java("kafka.Kafka", str(self._properties))
        return spawn(command, log=self.log, cwd=self.data, env=_environment())

    def _ready(self) -> bool:
        if not port_answers(self.port):
            return False
        try:
            with admin(self.settings, _READY_TIMEOUT_MS) as client:
                return bool(client.describe_cluster()["brokers"])
        except KafkaError:
            return False

    def _is_ours(self, process: psutil.Process) -> bool:
        return f"{_MARKER}{self.data}" in process.cmdline()

    @property
    def _properties(self) -> Path:
        return self.data / "server.properties"

    @property
    def _temporary(self) -> Path:
        return self.data / "tmp"

    def _format(self) -> None:
        """Give the log folder its cluster id, the same for ever."""
        command = self._java(
            "kafka.tools.StorageTool", "format", "--ignore-formatted",
            "--cluster-id", self._cluster_id(), "--config", str(self._properties),
        )  # fmt: skip
        result = subprocess.run(command, cwd=self.data, env=_environment(), capture_output=True, text=True, check=False)
        if result.returncode:
            message = f"Kafka cannot format {self.data}: {result.stdout}{result.stderr}"
            raise EngineError(message)

    def _cluster_id(self) -> str:
        """Kafka's spelling of a UUID, kept beside the data."""
        file = self.data / "cluster.id"
        if not file.exists():
            made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            # A leading dash would read as an option.
            file.write_text("L" + made[1:], "utf-8")
        return file.read_text("utf-8").strip()

    def _java(self, main: str, *arguments: str) -> list[str]:
        return [
            str(find_java()),
            f"{_MARKER}{self.data}",
            f"-Xmx{HEAP}",
            # Nothing of the JVM's or of its native libraries may stay behind in /tmp.
            "-XX:-UsePerfData",
            f"-Djava.io.tmpdir={self._temporary}",
            "-Djava.awt.headless=true",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
            "-cp",
            os.pathsep.join(str(jar) for jar in jars.class_path()),
            main,
            *arguments,
        ]


def _environment() -> dict[str, str]:
    """Ours, without what would change the JVM behind our back."""
    hidden = {"CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"}
    return {name: value for name, value in os.environ.items() if name not in hidden}
