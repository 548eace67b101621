"""The registrar of work orders 派单."""

from typing import Final

from services.kernel.registrar_service import RegistrarService
from services.kernel.schema import schema
from services.kernel.service import Runtime

SCHEMA: Final = schema("workorders", "outbox", "registrar")


def build(runtime: Runtime) -> RegistrarService:
    """The service."""
    return RegistrarService(runtime, "workorders")
