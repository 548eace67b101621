"""A simulated 网闸: carries files from one folder to another, as badly as its seeded script says."""

import random
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Weather:
    """Shares of the files, from 0 to 1, that the gap loses, cuts off, carries again later, or leaves for the next time.

    What is left overtakes and is overtaken. `off`: it carries nothing at all.
    """

    lose: float = 0.0
    cut: float = 0.0
    repeat: float = 0.0
    leave: float = 0.0
    off: bool = False


FAIR = Weather()


class Gap:
    """One direction of a gap. The same seed has the same faults."""

    def __init__(self, source: Path, target: Path, *, seed: int = 0, weather: Weather = FAIR) -> None:
        for folder in (source, target):
            folder.mkdir(parents=True, exist_ok=True)
        self._source, self._target = source, target
        self._random = random.Random(seed)  # noqa: S311, a script and no secret
        self._again: list[tuple[str, bytes]] = []
        self.weather = weather

    def carry(self) -> int:
        """Carry what lies there now, manifests after their files in fair weather; how many files came over."""
        if self.weather.off:
            return 0
        came = 0
        again, self._again = self._again, []
        for name, body in again:
            self._bring(name, body)
            came += 1
        for path in sorted(self._source.iterdir(), key=lambda path: path.name):
            if path.is_file() and not path.name.startswith("."):
                came += self._one(path)
        return came

    def _one(self, path: Path) -> int:
        if self._happens(self.weather.leave):
            return 0
        body = path.read_bytes()
        path.unlink()
        if self._happens(self.weather.lose):
            return 0
        if self._happens(self.weather.repeat):
            self._again.append((path.name, body))
        if self._happens(self.weather.cut):
            body = body[: len(body) // 2]
        self._bring(path.name, body)
        return 1

    def _bring(self, name: str, body: bytes) -> None:
        half = self._target / f".{name}"
        half.write_bytes(body)
        half.rename(self._target / name)

    def _happens(self, share: float) -> bool:
        return share > 0 and self._random.random() < share
