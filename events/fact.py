"""The base of every fact, and how a fact is named on the wire."""

import re
from typing import ClassVar

from events.fields import Part

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

PREFIX = "cn.liandong"


class Fact(Part):
    """One fact that an agency states: the `data` of an event. The class name is the past participle.

    The type on the wire is `cn.liandong.<kind>.<past participle>.v<version>`; the kind is the module.
    """

    title_zh: ClassVar[str]
    version: ClassVar[int] = 1

    @classmethod
    def type(cls) -> str:
        """`cn.liandong.transfer.sent.v1` for `events.transfer.Sent`."""
        kind = cls.__module__.rsplit(".", 1)[-1]
        return f"{PREFIX}.{kind}.{cls.name()}.v{cls.version}"

    @classmethod
    def name(cls) -> str:
        """`supplement_requested` for `SupplementRequested`."""
        return _CAMEL.sub("_", cls.__name__).lower()
