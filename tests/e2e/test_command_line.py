"""The commands as a user types them: up, demo, agency, sign, verify-event, provision; and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from connectors.process import free_port, port_is_free
from services.cli.stack import Ports, trouble
from services.cli.story import telling
from services.cli.story.cast import JUSTICE, TRAFFIC_POLICE
from services.cli.story.telling import SEATS

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "services.cli.app"]


@pytest.fixture
def home(folder: Path) -> dict[str, str]:
    """An environment whose temporary folder is this test's own, so that what is left behind is seen."""
    (folder / "tmp").mkdir()
    return {**os.environ, "TMPDIR": str(folder / "tmp"), "PYTHONUNBUFFERED": "1", "COLUMNS": "120"}


def liandong(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], env=env, cwd=ROOT, capture_output=True, text=True, check=False)


def started(*arguments: str, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments], env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def free_base() -> int:
    """A port for the gateway with which the ports of all other services are free too."""
    bases = (Ports.from_base(free_port()).by_service for _ in range(100))
    return next(ports["gateway"] for ports in bases if all(map(port_is_free, ports.values())))


def left_behind(env: dict[str, str]) -> list[str]:
    """Processes that still use the test's temporary folder, and what lies in it."""
    folder = env["TMPDIR"]
    files = [path.name for path in Path(folder).iterdir() if path.name.startswith("liandong")]
    commands = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    return files + [command for command in commands if folder in command]


@pytest.mark.timeout(240)
def test_demo_prints_one_json_object_and_leaves_nothing(home: dict[str, str]) -> None:
    done = liandong("demo", "--json", env=home)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert set(result) == {
        "engines",
        "exchanges",
        "links",
        "refusals",
        "partners",
        "counts",
        "clocks",
        "delay",
        "checks",
        "elapsed_s",
    }
    assert result["engines"]["kafka"].startswith("4.3")
    assert {exchange["thread"]: exchange["kind"] for exchange in result["exchanges"]} == {
        name: thread.kind for name, thread in telling.THREADS.items()
    }
    steps = telling.steps(telling.new_ids())
    refused = sorted(step.refused for step in steps if step.refused)
    assert sorted(refusal["code"] for refusal in result["refusals"]) == refused
    stated = {item["agency"]: item["stated"] for item in result["partners"]}
    assert result["counts"] | {"delivered": 0} == {
        "submitted": len(steps) + 1 + 6,
        "by_partners": sum(stated.values()),
        "by_the_bus": 6,
        "registered": len(steps) - len(refused) + 6,
        "rejected": len(refused),
        "duplicates": 1,
        "delivered": 0,
    }
    assert result["counts"]["delivered"] > result["counts"]["registered"]
    assert {item["agency"]: item["via"] for item in result["partners"]} == {seat.agency: seat.via for seat in SEATS}
    assert all(item["copies"] for item in result["partners"])
    assert {code for code, count in stated.items() if not count} == {JUSTICE, TRAFFIC_POLICE}
    assert all(check["ok"] for check in result["checks"])
    assert left_behind(home) == []


@pytest.mark.timeout(180)
def test_demo_ends_cleanly_on_ctrl_c(home: dict[str, str]) -> None:
    with started("demo", env=home) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "running after" in line:
                process.send_signal(signal.SIGINT)
                break
        said = process.stdout.read()
        assert process.wait(60) != 0
    assert "Traceback" not in said
    assert left_behind(home) == []


@pytest.mark.timeout(240)
def test_up_agency_sign_submit_verify(home: dict[str, str], folder: Path) -> None:
    data, port = str(folder / "bus"), free_base()
    with started("up", "--data", data, "--port", str(port), env=home) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("running"):
                break
        assert f"http://127.0.0.1:{port}" in said
        try:
            for code in ("310112-cg", "310118-cg"):
                assert liandong("agency", "new", code, "--data", data).returncode == 0
            key = folder / "bus" / "keys" / "310112-cg.1.pem"
            assert key.stat().st_mode & 0o777 == 0o600
            signed = liandong("sign", "--as", "310112-cg", "--data", data, "docs/examples/sent.json")
            assert signed.returncode == 0, signed.stderr
            event = folder / "event.json"
            event.write_text(signed.stdout)
            assert "valid: signed by 310112-cg" in liandong("verify-event", str(event), "--data", data).stdout
            event.write_text(signed.stdout.replace("61.5", "16.5"))
            forged = liandong("verify-event", str(event), "--data", data)
            assert (forged.returncode, "signature-invalid" in forged.stdout) == (1, True)
            logs = "".join(path.read_text() for path in (folder / "bus" / "logs").glob("*.log"))
            assert "PRIVATE KEY" not in logs
            # A service that dies is started again, and the bus says so.
            (gateway,) = [
                child
                for child in psutil.Process(process.pid).children(recursive=True)
                if child.cmdline()[-2:] == ["run", "gateway"]
            ]
            gateway.kill()
            assert "gateway ended" in process.stdout.readline()
            deadline = time.monotonic() + 40
            while trouble(f"http://127.0.0.1:{port}/readyz"):
                assert time.monotonic() < deadline
                time.sleep(0.2)
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            exit_code = process.wait(60)
        assert exit_code == 0
    assert left_behind(home) == []


def test_unknown_service_and_agency_are_told_in_words() -> None:
    for arguments, words in ((("run", "kitchen"), "no service kitchen"), (("agency", "new", "nobody"), "give --name")):
        done = liandong(*arguments)
        assert done.returncode != 0
        assert words in done.stderr
        assert "Traceback" not in done.stderr
