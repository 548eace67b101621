"""The registrar of what agencies settle together: assistance, coordination, joint operations, demands and follow-up."""

from typing import Final

from services.kernel.registrar_service import RegistrarService
from services.kernel.schema import schema
from services.kernel.service import Runtime

SCHEMA: Final = schema("coordination", "outbox", "registrar")


def build(runtime: Runtime) -> RegistrarService:
    """The service."""
    return RegistrarService(runtime, "coordination")
