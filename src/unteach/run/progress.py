"""What a person sees while it works: one moving line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO

PLAIN_EVERY = 10.0


@dataclass
class Progress:
    """Says what is going on, on stderr, so that stdout stays for results."""

    quiet: bool = False
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _what: str = ""
    _began: float = 0.0
    _said: float = 0.0

    def say(self, text: str) -> None:
        """A line that stays."""
        self._end_line()
        if not self.quiet:
            print(text, file=self.stream, flush=True)

    def update(self, what: str, done: int, total: int, detail: str = "") -> None:
        """`done` of `total` of `what`, with the time left."""
        now = time.monotonic()
        if what != self._what:
            self._end_line()
            self._what, self._began, self._said = what, now, 0.0
        if self.quiet:
            return
        moving = self.stream.isatty()
        wait = 0.1 if moving else PLAIN_EVERY
        last = done >= total
        if now - self._said < wait and not (last and (moving or self._said)):
            return
        text = f"  {what}  {done}/{total}{self._left(now, done, total)}{detail and '  ' + detail}"
        if moving:
            print(f"\r\x1b[2K{text}", end="", file=self.stream, flush=True)
        elif self._said or now - self._began >= PLAIN_EVERY or total > done > 0:
            print(text, file=self.stream, flush=True)
        self._said = now

    def _left(self, now: float, done: int, total: int) -> str:
        if done < 2 or done >= total:
            return ""
        seconds = (now - self._began) / (done - 1) * (total - done)
        return f"  {clock(seconds)} left"

    def _end_line(self) -> None:
        if self._what and self._said and not self.quiet and self.stream.isatty():
            print("\r\x1b[2K", end="", file=self.stream, flush=True)
        self._what = ""


def clock(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
