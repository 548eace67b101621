"""The registrar of letters 执法建议书 and its sisters."""

from typing import Final

from services.kernel.registrar_service import RegistrarService
from services.kernel.schema import schema
from services.kernel.service import Runtime

SCHEMA: Final = schema("letters", "outbox", "registrar")


def build(runtime: Runtime) -> RegistrarService:
    """The service."""
    return RegistrarService(runtime, "letters")
