"""The registrar of annotations 不动产注记 and filings 备案审核."""

from typing import Final

from services.kernel.registrar_service import RegistrarService
from services.kernel.schema import schema
from services.kernel.service import Runtime

SCHEMA: Final = schema("annotations", "outbox", "registrar")


def build(runtime: Runtime) -> RegistrarService:
    """The service."""
    return RegistrarService(runtime, "annotations")
