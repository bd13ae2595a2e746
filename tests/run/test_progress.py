"""What is said on a terminal, elsewhere, and when asked to be quiet."""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len

from unteach.run.progress import Progress, clock


class Screen(io.StringIO):
    """A stream that is a terminal, or not."""

    def __init__(self, moving: bool) -> None:
        super().__init__()
        self.moving = moving

    def isatty(self) -> bool:
        return self.moving


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def drawn(screen: Screen) -> list[str]:
    """Each line that moved, without colours, and with one sign for the whole bar."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", screen.getvalue())
    return [re.sub("[\u2501\u2578\u257a]+", "=", line) for line in plain.split("\r\x1b[2K")[1:]]


@pytest.fixture
def time_is(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock; append to set it."""
    now = [100.0]
    monkeypatch.setattr("unteach.run.progress.time.monotonic", lambda: now[-1])
    return now


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (45, "45 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3600, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_clock(seconds: float, text: str):
    assert clock(seconds) == text


def test_a_log_file_gets_a_line_every_ten_seconds(time_is: list[float]):
    """Steps take 4 s: step 1 starts the count, and steps 4 and 7 come 12 s and 24 s after it."""
    screen = Screen(moving=False)
    progress = Progress(stream=screen)
    for step in range(1, 9):
        progress.update("train", step, 100, "loss 1.0")
        time_is.append(time_is[-1] + 4)
    lines = screen.getvalue().splitlines()
    assert [line.split("  ")[2] for line in lines] == ["1/100", "4/100", "7/100"]
    assert lines[1] == "  train  4/100  6 min 24 s left  loss 1.0"


def test_a_log_file_has_no_control_characters(time_is: list[float]):
    screen = Screen(moving=False)
    progress = Progress(stream=screen)
    progress.update("train", 1, 10)
    progress.say("done")
    assert "\r" not in screen.getvalue()
    assert "\x1b" not in screen.getvalue()


def test_time_left_is_by_the_steps_since_the_first(time_is: list[float]):
    """After 1 step nothing is known; 2 s for the second, so 8 more take 16 s."""
    screen = Screen(moving=True)
    progress = Progress(stream=screen)
    progress.update("train", 1, 10)
    time_is.append(102.0)
    progress.update("train", 2, 10)
    assert drawn(screen) == ["  train  =  1/10", "  train  =  2/10  16 s left"]


def test_a_terminal_shows_one_moving_line(time_is: list[float]):
    screen = Screen(moving=True)
    progress = Progress(stream=screen)
    progress.update("train", 1, 3)
    time_is.append(100.05)
    progress.update("train", 2, 3)  # too soon after the last
    time_is.append(100.06)
    progress.update("train", 3, 3)  # the last step is always shown
    progress.say("done")
    assert drawn(screen) == ["  train  =  1/3", "  train  =  3/3", "done\n"]


@pytest.mark.parametrize("width", [1, 8, 20, 33, 40, 60, 80, 200])
@pytest.mark.parametrize("what", ["t", "method[0].train", "\u706f\u5854" * 12])
def test_a_moving_line_is_never_wider_than_the_terminal(
    width: int, what: str, time_is: list[float], monkeypatch: pytest.MonkeyPatch
):
    """A line of the whole width, or of wide characters, would scroll."""
    monkeypatch.setenv("COLUMNS", str(width))
    screen = Screen(moving=True)
    progress = Progress(stream=screen)
    values = "  ".join(f"forget.term{n} 0.123" for n in range(9))
    for step in range(1, 4):
        progress.update(what, step, 12345, values)
        time_is.append(time_is[-1] + 3)
    shown = [re.sub(r"\x1b\[[\d;]*m", "", s) for s in screen.getvalue().split("\r\x1b[2K")[1:]]
    assert len(shown) == 3
    assert all(cell_len(line) < width and "\n" not in line for line in shown)


def test_the_bar_grows_and_what_matters_most_is_cut_last(
    time_is: list[float], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "50")
    screen = Screen(moving=True)
    progress = Progress(stream=screen)
    for done in (1, 5, 10):
        progress.update("train", done, 10, "loss " * 20)
        time_is.append(time_is[-1] + 1)
    assert all(f"{done}/10" in line for done, line in zip((1, 5, 10), drawn(screen), strict=True))
    assert "s left" in drawn(screen)[1]
    assert drawn(screen)[1].endswith("\u2026")


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(
    time_is: list[float], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TERM", "dumb")
    screen = Screen(moving=True)
    progress = Progress(stream=screen)
    progress.update("train", 1, 3)
    progress.say("done")
    assert screen.getvalue() == "  train  1/3\ndone\n"


def test_quiet_says_nothing(time_is: list[float]):
    screen = Screen(moving=True)
    progress = Progress(quiet=True, stream=screen)
    progress.say("hello")
    progress.update("train", 1, 3)
    assert screen.getvalue() == ""


def test_a_new_task_starts_a_new_count(time_is: list[float]):
    screen = Screen(moving=False)
    progress = Progress(stream=screen)
    progress.update("teach", 1, 10)
    time_is.append(150.0)
    progress.update("train", 1, 10)
    assert screen.getvalue() == "  teach  1/10\n  train  1/10\n"


def test_it_goes_to_stderr(capsys: pytest.CaptureFixture[str]):
    Progress().say("hello")
    assert capsys.readouterr() == ("", "hello\n")
