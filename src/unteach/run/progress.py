"""What a person sees while it works: one moving line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_EVERY = 10.0
LONGEST_BAR: Final = 24
SHORTEST_BAR: Final = 8
"""Columns of the bar; where there is no room for the shortest, there is none."""


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
        wait = 0.1 if self._moves else PLAIN_EVERY
        last = done >= total
        if now - self._said < wait and not (last and (self._moves or self._said)):
            return
        facts = "  ".join(filter(None, (f"{done}/{total}", self._left(now, done, total))))
        if self._moves:
            self._draw(what, done / max(1, total), facts, detail)
        elif self._said or now - self._began >= PLAIN_EVERY or total > done > 0:
            print(
                "  ".join(("", what, facts, *filter(None, (detail,)))), file=self.stream, flush=True
            )
        self._said = now

    @cached_property
    def _console(self) -> Console:
        from rich.console import Console

        return Console(file=self.stream, highlight=False, markup=False, emoji=False)

    @cached_property
    def _moves(self) -> bool:
        return self.stream.isatty() and not self._console.is_dumb_terminal

    def _draw(self, what: str, part: float, facts: str, detail: str) -> None:
        """One line that is no wider than the terminal, whatever that is now; its end is cut first."""
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        console = self._console
        room = console.width - 1  # some terminals go on below once the last column is full
        rest = Text("  ".join(filter(None, (facts, detail))))
        head, known = Text(what), Text(facts).cell_len + len("    ")
        head.truncate(max(1, room - known), overflow="ellipsis")
        spare = room - head.cell_len - known - len("  ")
        columns = min(LONGEST_BAR, spare - len("  ...") if detail else spare)
        bar = (
            ProgressBar(total=1.0, completed=part, width=columns) if columns >= SHORTEST_BAR else ""
        )
        drawn = (
            [Text(piece.text, piece.style or "") for piece in console.render(bar)] if bar else []
        )
        line = Text.assemble("  ", head, "  ", *drawn, "  " if bar else "", rest)
        line.truncate(max(0, room), overflow="ellipsis" if room > 0 else "crop")
        self._erase()
        console.print(line, end="", soft_wrap=True)
        self.stream.flush()

    def _left(self, now: float, done: int, total: int) -> str:
        if done < 2 or done >= total:
            return ""
        seconds = (now - self._began) / (done - 1) * (total - done)
        return f"{clock(seconds)} left"

    def _end_line(self) -> None:
        if self._what and self._said and not self.quiet and self._moves:
            self._erase()
            self.stream.flush()
        self._what = ""

    def _erase(self) -> None:
        from rich.control import Control
        from rich.segment import ControlType

        self._console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))


def clock(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
