"""What a process is told from outside: environment variables `LIANDONG_…`, and nothing else."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings of every service.

    bus: the code of this bus. keys: the folder of private keys. contracts: the deployment's overlay.
    postgres: a connection URL. listen: the address that servers bind to. Sizes in bytes.
    calendar: a file of calendars beside the packaged ones. clock_grace: how long after a due instant the bus waits for
    what is on its way; clock_tolerance: what it says later than that, it marks as late.
    backlog_limit: how many submissions may wait at most before those who send more than their share are asked to; it
    is less where several send and the bus does less than that in a second.
    legal_time: the file that drives legal time; without it, legal time is real time.
    files: where attachments lie: a path, or `s3://bucket/prefix` with AWS_… in the environment; by default a folder
    beside the keys. max_uploads, max_uploading: how many files an agency may have on their way in, and of what size
    together. upload_lifetime: how long one that nobody carries on with is kept. max_uncited: of what size together an
    agency's files may be that no event cites, with those on their way in; uncited_lifetime: how long one is kept.
    """

    model_config = SettingsConfigDict(env_prefix="LIANDONG_", extra="ignore")

    bus: str = "310112-bus"
    keys: Path = Path("keys")
    contracts: Path | None = None
    postgres: str = ""
    listen: str = "127.0.0.1"
    gateway_port: int = Field(default=8700, ge=0, le=65535)
    delivery_port: int = Field(default=8701, ge=0, le=65535)
    audit_port: int = Field(default=8702, ge=0, le=65535)
    transfers_port: int = Field(default=8703, ge=0, le=65535)
    clocks_port: int = Field(default=8704, ge=0, le=65535)
    notices_port: int = Field(default=8705, ge=0, le=65535)
    letters_port: int = Field(default=8706, ge=0, le=65535)
    leads_port: int = Field(default=8707, ge=0, le=65535)
    coordination_port: int = Field(default=8708, ge=0, le=65535)
    workorders_port: int = Field(default=8709, ge=0, le=65535)
    annotations_port: int = Field(default=8710, ge=0, le=65535)
    files_port: int = Field(default=8711, ge=0, le=65535)
    delivery_url: str = "http://127.0.0.1:8701"
    audit_url: str = "http://127.0.0.1:8702"
    files_url: str = "http://127.0.0.1:8711"
    files: str = ""
    max_file: int = Field(default=2 * 1024**3, ge=1)
    max_uploads: int = Field(default=32, ge=1)
    max_uploading: int = Field(default=8 * 1024**3, ge=1)
    upload_lifetime: timedelta = timedelta(days=1)
    max_uncited: int = Field(default=10 * 1024**3, ge=1)
    uncited_lifetime: timedelta = timedelta(days=7)
    max_body: int = Field(default=1024 * 1024, ge=1024)
    max_batch: int = Field(default=500, ge=1)
    backlog_limit: int = Field(default=1000, ge=1)
    future_tolerance: timedelta = timedelta(minutes=5)
    token_lifetime: timedelta = timedelta(minutes=5)
    inbox_retention: timedelta = timedelta(days=90)
    clock_grace: timedelta = timedelta(minutes=1)
    clock_tolerance: timedelta = timedelta(minutes=5)
    calendar: Path | None = None
    legal_time: Path | None = None

    @property
    def files_folder(self) -> Path:
        """Where attachments lie by default, and where they are collected on their way into another store."""
        return self.keys.absolute().parent / "files"

    def port(self, service: str) -> int:
        """The port of a service's HTTP server."""
        return int(getattr(self, f"{service}_port"))

    @classmethod
    def ports(cls) -> dict[str, int]:
        """The port of each service where nothing else is said."""
        fields = {
            name.removesuffix("_port"): field for name, field in cls.model_fields.items() if name.endswith("_port")
        }
        return {name: int(field.default) for name, field in fields.items()}
