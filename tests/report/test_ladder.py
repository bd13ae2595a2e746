from pathlib import Path

import pytest

from tests.report.conftest import finding, write_run
from unteach.report.ladder import is_made, untested
from unteach.report.read import read


@pytest.mark.parametrize(
    ("audit", "split", "attack"),
    [
        ("probability", "forget_reversed", "reversed questions"),
        ("probability", "forget_paraphrased", "paraphrases"),
        ("specific_probability", "forget_multihop", "several steps"),
        ("relearned_probability", "forget", "fine-tuning attacks"),
        ("quantised_probability", "forget", "quantisation"),
        ("mia_min_k", "forget", "membership inference"),
        ("sampled_leak", "forget", "repeated sampling"),
    ],
)
def test_what_was_tested_is_read_off_the_findings(
    tmp_path: Path, audit: str, split: str, attack: str
) -> None:
    run = read(write_run(tmp_path / "run", [finding(audit, split, "unlearned", 0.3)]))
    assert attack not in [one.name for one in untested([run])]
    assert "jailbreaks" in [one.name for one in untested([run])]


@pytest.mark.parametrize(("split", "model"), [("retain", "unlearned"), ("forget", "gold")])
def test_a_test_of_something_else_ticks_nothing(tmp_path: Path, split: str, model: str) -> None:
    run = read(write_run(tmp_path / "run", [finding("quantised_probability", split, model, 0.3)]))
    assert "quantisation" in [one.name for one in untested([run])]


def test_a_test_that_could_not_be_made_is_not_tested(tmp_path: Path) -> None:
    rows = [finding("quantised_probability", "forget", "unlearned", None, note="no memory")]
    run = read(write_run(tmp_path / "run", rows))
    assert "quantisation" in [one.name for one in untested([run])]


@pytest.mark.parametrize(
    ("split", "made"),
    [
        ("forget", False),
        ("forget_paraphrased", False),
        ("forget_reversed", False),
        ("forget_relearn", True),
        ("forget_swapped", True),
        ("forget_idk", True),
        ("forget_neighbours", True),
        ("neighbours", False),
        ("retain_scope", True),
        ("retain_paraphrased", False),
        ("revealed", True),
    ],
)
def test_rows_of_a_synthesis_are_told_by_the_name_it_gives(split: str, made: bool) -> None:
    assert is_made(split) is made
