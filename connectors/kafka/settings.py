"""Which Kafka to talk to, and how: LIANDONG_KAFKA and LIANDONG_KAFKA_*."""

import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from connectors.errors import SettingsError

PREFIX: Final = "LIANDONG_KAFKA"

_SERVER: Final = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})$")


class KafkaSettings(BaseSettings):
    """A cluster's address and the rights to use it.

    `LIANDONG_KAFKA=host:port,host:port` gives the address, `LIANDONG_KAFKA_<FIELD>` each other
    field. Raises pydantic's ValidationError, which names the setting at fault.
    """

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}_", frozen=True, populate_by_name=True, extra="ignore")

    bootstrap: str = Field(validation_alias=PREFIX)
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    cafile: Path | None = None
    certfile: Path | None = None
    keyfile: Path | None = None

    @field_validator("bootstrap")
    @classmethod
    def _addresses(cls, value: str) -> str:
        servers = [server.strip() for server in value.split(",") if server.strip()]
        wrong = [server for server in servers if not _SERVER.match(server)]
        if wrong or not servers:
            message = f"{PREFIX} must be host:port,host:port,… but is {value!r}"
            raise SettingsError(message)
        return ",".join(servers)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        sasl = (self.sasl_mechanism, self.sasl_username, self.sasl_password)
        if self.security_protocol.startswith("SASL") and None in sasl:
            message = (
                f"{self.security_protocol} needs {PREFIX}_SASL_MECHANISM, "
                f"{PREFIX}_SASL_USERNAME and {PREFIX}_SASL_PASSWORD"
            )
            raise SettingsError(message)
        if not self.security_protocol.startswith("SASL") and sasl != (None, None, None):
            message = f"{PREFIX}_SASL_* needs {PREFIX}_SECURITY_PROTOCOL=SASL_SSL (or SASL_PLAINTEXT)"
            raise SettingsError(message)
        return self

    @classmethod
    def from_environment(cls) -> Self | None:
        """The external cluster's settings, or None if none is set (then embed one)."""
        return cls.model_validate({}) if os.environ.get(PREFIX) else None

    @property
    def servers(self) -> list[str]:
        """The addresses, one by one."""
        return self.bootstrap.split(",")

    def environment(self) -> Mapping[str, str]:
        """The variables that give a child process these same settings. Holds the password."""
        values = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in self
            if value is not None and name != "bootstrap"
        }
        prefixed = {f"{PREFIX}_{name.upper()}": value for name, value in values.items()}
        return {PREFIX: self.bootstrap, **prefixed}

    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS context, None without TLS. Raises OSError if a file cannot be read."""
        if not self.security_protocol.endswith("SSL"):
            return None
        context = ssl.create_default_context(cafile=self.cafile)
        if self.certfile:
            context.load_cert_chain(self.certfile, self.keyfile)
        return context

    def aiokafka(self) -> dict[str, Any]:
        """The connection's arguments for aiokafka's clients."""
        return self._arguments()

    def kafka_python(self) -> dict[str, Any]:
        """The connection's arguments for kafka-python's clients."""
        return self._arguments()

    def _arguments(self) -> dict[str, Any]:
        """Both libraries happen to use the same names for these."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.servers,
            "security_protocol": self.security_protocol,
            "ssl_context": self.ssl_context(),
        }
        if self.sasl_mechanism and self.sasl_password:
            arguments |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password.get_secret_value(),
            }
        return arguments
