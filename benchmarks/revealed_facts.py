"""Of runs that revealed: what is left of the facts that were said, and of those that were not.

A fact was said if one kept row of any round, about its subject, holds all its specific parts. The
probabilities are of what is specific in the true answers, means over facts with 95 % intervals.

    python benchmarks/revealed_facts.py runs/reveal/adapters_revealed runs/reveal/npo_revealed
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from unteach.audit.finding import mean
from unteach.audit.revealed import covered
from unteach.data.examples import read_jsonl
from unteach.report.read import Role, read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    given = parser.parse_args()
    print(
        f"{'run':26s}{'model':11s}{'facts':>6s}{'said':>6s}   {'left of those':20s}left of the others"
    )
    for folder in given.runs:
        truth = read_jsonl(folder / "data" / "forget.jsonl")
        is_said = covered(truth, said(folder)) == 1
        for model in get_args(Role):
            finding = read(folder).measured(model, "specific_probability", "forget")
            if finding and finding.per_example and len(finding.per_example) == len(truth):
                values = np.array(finding.per_example, dtype=float)
                groups = np.array([row.group or row.id for row in truth])
                both = [shown(values[part], groups[part]) for part in (is_said, ~is_said)]
                counts = f"{len(truth):6d}{int(is_said.sum()):6d}"
                print(f"{folder.name:26s}{model:11s}{counts}   {both[0]:20s}{both[1]}")


def said(folder: Path) -> list[tuple[str, str]]:
    """Every kept row of every round: whom it is about, and what it says."""
    names = ("revealed", "revealed_check")
    files = [path for name in names for path in folder.glob(f"data/round-*/{name}.jsonl")]
    return [(row.group or "", row.answer) for path in files for row in read_jsonl(path)]


def shown(values: NDArray[np.float64], groups: NDArray[np.str_]) -> str:
    found = mean(values.tolist(), groups.tolist())
    if found.value is None:
        return "none"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


if __name__ == "__main__":
    main()
