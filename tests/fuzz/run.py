"""Thousands of hostile cases by hand: `python -m tests.fuzz.run --cases 3000 --seed 1`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fuzz.cases import cases
from unteach.errors import UserError

LONGEST = 20
"""Seconds of a case, after which it counts as one that hangs."""


def outcomes(seed: int, number: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    """(kind, outcome) -> how many; and a description of each defect."""
    counts: Counter[tuple[str, str]] = Counter()
    defects: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(seed, number, Path(folder)):
            said = ""
            try:
                with _no_longer_than(LONGEST):
                    case.tried()
                outcome = "accepted"
            except UserError as error:
                outcome = "refused" if _is_sentence(str(error)) else "no sentence"
            except TimeoutError:
                outcome = "hang"
            except Exception:  # what this is here to find
                outcome, said = "traceback", traceback.format_exc(limit=-4)
            if outcome not in ("accepted", "refused"):
                defects.append(f"{case.kind}: {outcome}: {case.what}\n{said}")
            counts[case.kind, outcome] += 1
    return counts, defects


def _is_sentence(text: str) -> bool:
    """Something for a person to read, on lines that a terminal can take."""
    return bool(text.strip()) and "Traceback" not in text


@contextmanager
def _no_longer_than(seconds: int) -> Iterator[None]:
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def end(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def main() -> None:
    """Print the counts, and each defect."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    counts, defects = outcomes(given.seed, given.cases)
    for defect in defects:
        print(defect)
    for (kind, outcome), number in sorted(counts.items()):
        print(f"{kind:<12} {outcome:<12} {number:>6}")
    print(f"{sum(counts.values())} cases, {len(defects)} defects")
    sys.exit(bool(defects))


if __name__ == "__main__":
    main()
