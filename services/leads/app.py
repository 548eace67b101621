"""The registrar of leads 协查, 溯源."""

from typing import Final

from services.kernel.registrar_service import RegistrarService
from services.kernel.schema import schema
from services.kernel.service import Runtime

SCHEMA: Final = schema("leads", "outbox", "registrar")


def build(runtime: Runtime) -> RegistrarService:
    """The service."""
    return RegistrarService(runtime, "leads")
