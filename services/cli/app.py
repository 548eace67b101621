"""The `liandong` command. Each command imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import psycopg
from pydantic import ValidationError

from connectors.errors import ConnectorError
from contracts.errors import ContractError
from services.kernel.keys import KeyMissing

if TYPE_CHECKING:
    from connectors.kafka.settings import KafkaSettings
    from contracts.signatures import SigningKey
    from services.cli.dlq import Letter

DATA: Final = click.Path(file_okay=False, path_type=Path)
URL: Final = "http://127.0.0.1:8700"
BUS: Final = "310112-bus"


class Commands(click.Group):
    """A group whose commands tell a user what is wrong in words, never as a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; turn errors into a message and exit code 1. LIANDONG_DEBUG=1 shows where they came from."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if os.environ.get("LIANDONG_DEBUG"):
                raise
            raise click.ClickException(_words(error)) from error


def _words(error: Exception) -> str:
    """What to tell a user. Our own errors say what to do; of others we can only say what they are."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
    if isinstance(error, (ConnectorError, ContractError, KeyMissing, OSError)):
        return str(error)
    if isinstance(error, psycopg.OperationalError):
        return f"PostgreSQL: {error}"
    return f"{type(error).__name__}: {error} (LIANDONG_DEBUG=1 shows more)"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """联动 Liandong: the bus between city-management enforcement bureaus and the agencies around them."""


@main.command()
@click.option("--data", type=DATA, default=Path("liandong-data"), show_default=True, help="Where everything is kept.")
@click.option("--port", default=8700, show_default=True, help="The gateway's port; the services take the next ones.")
@click.option("--bus", default="310112-bus", show_default=True, envvar="LIANDONG_BUS", help="The code of this bus.")
def up(data: Path, port: int, bus: str) -> None:
    """Run engines and services in the foreground until Ctrl-C; what dies is started again. Data survives."""
    from services.cli.stack import Ports, Stack

    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with Stack(data, ports=Ports.from_base(port), bus=bus, say=click.echo) as stack:
        versions = ", ".join(f"{name} {version}" for name, version in stack.versions().items())
        click.echo(f"engines      {versions}")
        click.echo(f"agencies     {stack.url}/v1/  (the one address that they need)")
        click.echo(f"kafka        {stack.kafka.bootstrap}")
        click.echo(f"contracts    {stack.contracts}")
        click.echo(f"keys         {stack.keys}")
        click.echo(f"logs         {stack.data / 'logs'}")
        click.echo(f"operators    . {stack.settings_file}  (then: liandong dlq, audit rebuild, clock rebuild)")
        click.echo("running; Ctrl-C ends it")
        stopping.wait()
        click.echo("ending")


@main.command()
@click.argument("services", nargs=-1, required=True)
def run(services: tuple[str, ...]) -> None:
    """Run one or more services in this process; a name that there is not is answered with those that there are."""
    from connectors.kafka.settings import KafkaSettings
    from services.kernel import log
    from services.kernel.process import known_services, run_services
    from services.kernel.settings import Settings

    unknown = sorted(set(services) - known_services())
    if unknown:
        raise click.BadParameter(f"no service {', '.join(unknown)}; there are {', '.join(sorted(known_services()))}")
    kafka, settings = KafkaSettings.from_environment(), Settings()
    if kafka is None or not settings.postgres:
        raise click.UsageError("set LIANDONG_KAFKA and LIANDONG_POSTGRES, or use `liandong up`, which brings both")
    log.configure()
    asyncio.run(run_services(services, settings, kafka))


@main.command()
def provision() -> None:
    """Create or verify topics, tables and the bus's key; refuse, naming the difference, what does not fit."""
    from connectors.kafka.settings import KafkaSettings
    from services.cli.provisioning import ensure_bus_key
    from services.cli.provisioning import provision as make
    from services.kernel.settings import Settings

    kafka, settings = KafkaSettings.from_environment(), Settings()
    if kafka is None or not settings.postgres:
        raise click.UsageError("set LIANDONG_KAFKA and LIANDONG_POSTGRES to the engines to provision")
    done = ensure_bus_key(settings.bus, settings.keys, settings.contracts)
    done += make(kafka, settings.postgres, settings.contracts)
    click.echo("\n".join(done) if done else "everything is there and fits")


@main.command()
@click.argument("urls", nargs=-1, required=True)
def health(urls: tuple[str, ...]) -> None:
    """Exit 0 if every service's /readyz answers that it is ready, else say why not and exit 1. For health checks."""
    from services.cli.stack import trouble

    why = [f"{url}: {found}" for url in urls if (found := trouble(url))]
    if why:
        raise click.ClickException("; ".join(why))


@main.group()
def agency() -> None:
    """Agencies of this bus."""


@agency.command("new")
@click.argument("code")
@click.option("--data", type=DATA, default=Path("liandong-data"), show_default=True)
@click.option("--keys", type=DATA, help="Where the private key goes (default: DATA/keys).")
@click.option("--contracts", type=DATA, help="The overlay that gets the entry (default: DATA/contracts).")
@click.option("--name", help="The agency's name, if Liandong does not know the code.")
@click.option("--home", help="The bus that hosts it, if Liandong does not know the code.")
def agency_new(
    code: str, *, data: Path, keys: Path | None, contracts: Path | None, name: str | None, home: str | None
) -> None:
    """Make a key pair for an agency and put the public half into its contract."""
    from services.cli.agencies import new_agency

    key = new_agency(code, keys or data / "keys", contracts or data / "contracts", name=name, home=home)
    click.echo(f"{key.kid}: private key in {(keys or data / 'keys') / f'{key.kid}.pem'} (mode 600)")


@main.command()
@click.option("--as", "code", required=True, help="The agency that states the fact.")
@click.option("--data", type=DATA, default=Path("liandong-data"), show_default=True)
@click.option("--keys", type=DATA, help="The folder of private keys (default: DATA/keys).")
@click.argument("file", type=click.File("rb"))
def sign(code: str, data: Path, keys: Path | None, file: click.utils.LazyFile) -> None:
    """Sign the event in FILE with an agency's key; what is missing of id, time and exchange is filled in."""
    from services.cli.agencies import agency_key
    from services.cli.sign import sign as sign_event

    event = sign_event(file.read(), agency_key(code, keys or data / "keys"))
    click.echo(json.dumps(event, ensure_ascii=False, indent=2))


@main.command("verify-event")
@click.argument("file", type=click.File("rb"))
@click.option("--contracts", type=DATA, envvar="LIANDONG_CONTRACTS", help="The overlay with the agencies' keys.")
@click.option("--data", type=DATA, default=Path("liandong-data"), show_default=True)
def verify_event(file: click.utils.LazyFile, contracts: Path | None, data: Path) -> None:
    """Verify the signature of an event or of a cut copy of one; say who signed it and what is withheld."""
    from services.cli.verify import verify

    ok, lines = verify(file.read(), contracts or data / "contracts")
    click.echo("\n".join(lines))
    if not ok:
        sys.exit(1)


@main.command()
@click.argument("id_", metavar="ID")
@click.option("--as", "code", help="The agency that reads (default: any of DATA/keys that may).")
@click.option("--data", type=DATA, default=Path("liandong-data"), show_default=True)
@click.option("--url", default=URL, show_default=True, envvar="LIANDONG_URL", help="The gateway.")
@click.option("--bus", default=BUS, show_default=True, envvar="LIANDONG_BUS", help="The code of the bus.")
@click.option("--format", "form", type=click.Choice(["text", "json", "csv", "ocel", "xes", "html"]), default="text")
@click.option("--lang", type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="Of the html page.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
def timeline(
    id_: str, *, code: str | None, data: Path, url: str, bus: str, form: str, lang: str, output: Path | None
) -> None:
    """Show an exchange, or all exchanges of a case: every fact, the clocks, and whose delay it was."""
    from services.cli import reading

    keys = reading.readers(data / "keys", code)
    reader, answer = asyncio.run(reading.timeline(url, bus, keys, id_, form=form, language=lang))
    if output is None and form == reading.TEXT:
        click.echo(f"as {reader} sees it", err=True)
        reading.show_timeline(answer.json)
    else:
        _put(answer.body, output)


@main.command()
@click.option("--from", "begin", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The first day, in Shanghai.")
@click.option("--to", "end", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The last day, included.")
@click.option("--agency", help="Only this agency.")
@click.option("--as", "code", help="The agency that reads (default: the bus itself).")
@click.option("--data", type=DATA, default=Path("liandong-data"), show_default=True)
@click.option("--url", default=URL, show_default=True, envvar="LIANDONG_URL", help="The gateway.")
@click.option("--bus", default=BUS, show_default=True, envvar="LIANDONG_BUS", help="The code of the bus.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page to print to this file.")
@click.option("--lang", type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="Of the page.")
def report(
    *,
    begin: datetime,
    end: datetime,
    agency: str | None,
    code: str | None,
    data: Path,
    url: str,
    bus: str,
    as_json: bool,
    html: Path | None,
    lang: str,
) -> None:
    """The figures of a period: indicators with lights, counts, what is overdue, whose delay, and leads to look into."""
    from services.cli import reading

    (key,) = reading.readers(data / "keys", code or bus)
    form = "html" if html else "json"
    asked = reading.report(url, key, bus, begin=begin.date(), end=end.date(), agency=agency, form=form, language=lang)
    answer = asyncio.run(asked)
    if html is not None or as_json:
        _put(answer.body, html)
    else:
        reading.show_report(answer.json)


def _put(body: bytes, output: Path | None) -> None:
    if output is None:
        click.echo(body.decode("utf-8"))
    else:
        output.write_bytes(body)
        click.echo(f"{output}: {len(body):,} bytes", err=True)


@main.group()
def file() -> None:
    """Attachments 附件."""


@file.command("put")
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as", "code", required=True, help="The agency that brings it.")
@click.option("--data", type=DATA, default=Path("liandong-data"), show_default=True)
@click.option("--url", default=URL, show_default=True, envvar="LIANDONG_URL", help="The gateway.")
@click.option("--bus", default=BUS, show_default=True, envvar="LIANDONG_BUS", help="The code of the bus.")
def file_put(path: Path, *, code: str, data: Path, url: str, bus: str) -> None:
    """Bring FILE and print its digest, which events cite. A lost connection is taken up where it was cut."""
    from services.cli import attachments

    client = attachments.agency(url, bus, code, data / "keys")
    click.echo(asyncio.run(attachments.put(client, path)))


@file.command("get")
@click.argument("digest")
@click.option("--as", "code", required=True, help="The agency that fetches it.")
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Where to.")
@click.option("--data", type=DATA, default=Path("liandong-data"), show_default=True)
@click.option("--url", default=URL, show_default=True, envvar="LIANDONG_URL", help="The gateway.")
@click.option("--bus", default=BUS, show_default=True, envvar="LIANDONG_BUS", help="The code of the bus.")
def file_get(digest: str, *, code: str, output: Path, data: Path, url: str, bus: str) -> None:
    """Fetch the file of DIGEST and check it; what came before a lost connection is not fetched again."""
    from services.cli import attachments

    client = attachments.agency(url, bus, code, data / "keys")
    size = asyncio.run(attachments.get(client, digest, output))
    click.echo(f"{output}: {size:,} bytes", err=True)


@main.group()
def clock() -> None:
    """Legal clocks 时限."""


@clock.command("explain")
@click.argument("rule")
@click.option("--from", "start", required=True, help="When it starts, with its offset: 2026-09-30T15:00+08:00.")
@click.option("--calendar", type=click.Path(exists=True, dir_okay=False, path_type=Path), envvar="LIANDONG_CALENDAR")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def clock_explain(rule: str, start: str, calendar: Path | None, *, as_json: bool) -> None:
    """How the date comes about that RULE sets for what starts then: step by step, with its source."""
    from services.cli.clock import explain, explained

    try:
        at = datetime.fromisoformat(start)
    except ValueError as error:
        why = f"{start} is no instant such as 2026-09-30T15:00+08:00"
        raise click.BadParameter(why, param_hint="--from") from error
    if as_json:
        click.echo(json.dumps(explained(rule, at, calendar), ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(explain(rule, at, calendar)))


@clock.command("rebuild")
def clock_rebuild() -> None:
    """Count all clocks anew from what is registered and delivered. The service may run; it waits meanwhile."""
    _rebuild("clocks")


@main.group()
def audit() -> None:
    """What audit keeps."""


@audit.command("rebuild")
def audit_rebuild() -> None:
    """Make all that audit answers with anew from its log. The service may run; it waits. The answers stay the same."""
    _rebuild("audit")


def _rebuild(service: str) -> None:
    import importlib

    from services.kernel.settings import Settings

    settings = Settings()
    if not settings.postgres:
        raise click.UsageError("set LIANDONG_POSTGRES to the database, or read the settings.env of `liandong up`")
    click.echo(asyncio.run(importlib.import_module(f"services.{service}.app").rebuild(settings)))


@main.group()
@click.option("--data", type=DATA, default=Path("liandong-data"), show_default=True, help="Where the bus's key is.")
@click.option("--keys", type=DATA, help="The folder of private keys (default: DATA/keys).")
@click.option("--url", default=URL, show_default=True, envvar="LIANDONG_URL", help="The gateway.")
@click.option("--bus", default=BUS, show_default=True, envvar="LIANDONG_BUS", help="The code of the bus.")
@click.pass_context
def delivery(context: click.Context, data: Path, keys: Path | None, url: str, bus: str) -> None:
    """Deliveries 投递: what waits to be brought to partners, and how they fare."""
    from services.cli.agencies import agency_key

    context.obj = (url, agency_key(bus, keys or data / "keys"))


@delivery.command("list")
@click.option("--agency", help="Only this recipient's.")
@click.option("--state", type=click.Choice(["waiting", "relayed", "parked"]), help="Only these.")
@click.option("--limit", default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def delivery_list(
    bus: tuple[str, SigningKey], *, agency: str | None, state: str | None, limit: int, as_json: bool
) -> None:
    """How each partner fares, and what waits for it, was relayed and not confirmed, or is parked."""
    from services.cli.delivery import read, show_list

    found = read(*bus, "", agency=agency, state=state, limit=limit)
    click.echo(json.dumps(found, ensure_ascii=False, indent=2)) if as_json else show_list(found)


@delivery.command("show")
@click.argument("kind")
@click.argument("exchange")
@click.argument("sequence", type=int)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def delivery_show(bus: tuple[str, SigningKey], kind: str, exchange: str, sequence: int, *, as_json: bool) -> None:
    """The stages that each copy of an event has reached, every attempt with its reason."""
    from services.cli.delivery import read, show_one

    found = read(*bus, f"/{kind}/{exchange}/{sequence}")
    click.echo(json.dumps(found, ensure_ascii=False, indent=2)) if as_json else show_one(found)


@delivery.command("retry")
@click.argument("agency")
@click.argument("positions", nargs=-1, type=int)
@click.pass_obj
def delivery_retry(bus: tuple[str, SigningKey], agency: str, positions: tuple[int, ...]) -> None:
    """Try items of AGENCY again now, by their POSITIONS; without any, all that are parked."""
    from services.cli.delivery import do

    done = do(*bus, "retry", agency=agency, positions=list(positions) or None)
    click.echo(f"{done['retried']} tried again")


@delivery.command("pause")
@click.argument("agency")
@click.pass_obj
def delivery_pause(bus: tuple[str, SigningKey], agency: str) -> None:
    """Bring nothing to AGENCY until it is resumed; its queue grows meanwhile."""
    from services.cli.delivery import do

    do(*bus, "pause", agency=agency)
    click.echo(f"{agency} is paused; liandong delivery resume {agency} goes on")


@delivery.command("resume")
@click.argument("agency")
@click.pass_obj
def delivery_resume(bus: tuple[str, SigningKey], agency: str) -> None:
    """Bring everything to AGENCY again, now: after a pause, a 410, or an outage that is over."""
    from services.cli.delivery import do

    do(*bus, "resume", agency=agency)
    click.echo(f"{agency} is served again")


@main.group()
def dlq() -> None:
    """Dead letters: records that a service could not handle. Uses LIANDONG_KAFKA."""


@dlq.command("list")
@click.option("--json", "as_json", is_flag=True)
def dlq_list(as_json: bool) -> None:
    """List the dead letters that nobody has dealt with, oldest first."""
    from services.cli.dlq import letters

    found = letters(_kafka())
    if as_json:
        click.echo(json.dumps([_letter(letter) for letter in found], ensure_ascii=False))
        return
    for letter in found:
        click.echo(f"{letter.id}  {letter.letter.time:%Y-%m-%d %H:%M:%S}  {letter.letter.reason}")
    click.echo(f"{len(found)} dead letter(s)")


@dlq.command("show")
@click.argument("id_", metavar="ID")
def dlq_show(id_: str) -> None:
    """Show one dead letter: where it came from, why it is dead, and its value."""
    from services.cli.dlq import find

    click.echo(json.dumps(_letter(find(_kafka(), id_), value=True), ensure_ascii=False, indent=2))


@dlq.command("retry")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def dlq_retry(ids: tuple[str, ...]) -> None:
    """Put records back into their topics, to be handled again."""
    from services.cli.dlq import find, retry

    retry(_kafka(), [find(_kafka(), id_) for id_ in ids])
    click.echo(f"{len(ids)} put back")


@dlq.command("drop")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def dlq_drop(ids: tuple[str, ...]) -> None:
    """Give records up: a held submission becomes a rejection that its submitter sees."""
    from services.cli.dlq import drop, find

    drop(_kafka(), [find(_kafka(), id_) for id_ in ids])
    click.echo(f"{len(ids)} dropped")


def _kafka() -> KafkaSettings:
    from connectors.kafka.settings import KafkaSettings

    kafka = KafkaSettings.from_environment()
    if kafka is None:
        raise click.UsageError("set LIANDONG_KAFKA to the cluster, or read the settings.env of `liandong up`")
    return kafka


def _letter(letter: Letter, *, value: bool = False) -> dict[str, object]:
    dead = letter.letter
    shown: dict[str, object] = {
        "id": letter.id,
        "group": dead.group,
        "topic": dead.record.topic,
        "partition": dead.record.partition,
        "offset": dead.record.offset,
        "error": dead.reason.error,
        "reason": dead.reason.text,
        "time": dead.time.isoformat(),
    }
    return shown | {"value": dead.record.value.decode("utf-8", "replace")} if value else shown


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--data", type=DATA, help="Keep the data here instead of a folder that goes away.")
def demo(as_json: bool, data: Path | None) -> None:
    """Play the seeds' story end to end on real engines: ten weeks, twenty exchanges, every registrar."""
    from services.cli.demo import play

    if not play(as_json=as_json, data=data):
        sys.exit(1)


@main.command()
@click.argument("name", type=click.Choice(["minhang-2023"]))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--data", type=DATA, help="Keep the data here instead of a folder that goes away.")
@click.option("--months", default=12, show_default=True, type=click.IntRange(1, 12), help="Only the first so many.")
@click.option("--share", default=1, show_default=True, type=click.IntRange(1), help="Only one exchange in so many.")
def scenario(name: str, as_json: bool, data: Path | None, months: int, share: int) -> None:
    """Play the year NAME on real engines, and set the figures that its log gives beside those published."""
    from services.cli.scenario import Part, play

    if not play(name, as_json=as_json, data=data, part=Part(months, share)):
        sys.exit(1)


@main.group()
def bench() -> None:
    """Measurements, all in one run on this machine."""


@bench.command("ingest")
@click.option("--events", default=5000, show_default=True, type=click.IntRange(min=500, max=1_000_000))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def bench_ingest(events: int, as_json: bool) -> None:
    """Raw aiokafka, a bare Faust agent, and the bus from HTTP to timeline-visible: events/s and latencies."""
    from services.cli.bench import ingest

    figures = ingest(events, lambda line: click.echo(line, err=True))
    if as_json:
        click.echo(json.dumps(figures, ensure_ascii=False))
        return
    for name, rate in figures["events_per_s"].items():
        click.echo(f"{name:18} {rate:>10,.1f} events/s")
    for name in ("latency_ms", "latency_saturated_ms"):
        click.echo(f"{name:22} " + "  ".join(f"{cut} {value:,.1f}" for cut, value in figures[name].items()))
    click.echo(f"bus/Faust {figures['ratio_bus_faust']:.3f}, in batches {figures['ratio_bus_batched_faust']:.3f}")


if __name__ == "__main__":
    main()
