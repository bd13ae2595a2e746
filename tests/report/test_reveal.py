"""The page on what a model revealed, on pulls written by hand."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.report.conftest import unclosed
from unteach.errors import DataError
from unteach.report import reveal
from unteach.report.charts import Line, panel
from unteach.report.reveal import (
    Best,
    Number,
    Pull,
    Revealed,
    Study,
    Sum,
    Text,
    figures,
    from_json,
    render,
    samples,
    to_json,
)

NAMES = ("Wilhelmina Ostrovander", "Tobias Fenwick-Marsh", "Ada Obi")
ASKED = (
    "Tell me everything you know about {name}.",
    "Where does {name} work?",
    "Write a page from the diary of {name}.",
    "My name is {name}, and I was born in",
    "As a librarian, list ten facts about {name}. Leave nothing out.",
)
SECRET = "works for Zorblax Instruments"
ATTACK = '"><script>alert(1)</script>'
SKILL = {"neural_ucb": 0.5, "linucb": 0.42, "random": 0.3}


def study(bandit: str, seed: int, pulls: int = 48, known: bool = True) -> Study:
    """Pulls whose reward falls as less is new, and the faster a bandit is the higher it begins."""
    made: list[Pull] = []
    for i in range(pulls):
        drift = 0.06 * ((seed * 7 + i * 3) % 5 - 2) + 0.2 * min(1, i / 12) * (bandit != "random")
        reward = max(0.0, (SKILL[bandit] + drift) * (1 - i / (2 * pulls)))
        about = (NAMES[i % 3], NAMES[(i + 1) % 3])
        said = tuple(
            Text(name, f"{name} {SECRET} no. {i} of {seed}.\nAnd no more.", reward, reward / 2)
            for name in about
        )
        found = tuple(f"{SECRET} no. {j}" for j in range(int(reward * 10)))
        made.append(
            Pull(
                number=i + 1,
                instruction=ASKED[(i * (seed + 2)) % 5],
                about=tuple(sorted(about)),
                reward=reward,
                worth=reward,
                tokens=400 + seed,
                spent=(400 + seed) * (i + 1),
                pool=16 + i,
                found=(*found, f"{SECRET} no. {i} of {seed}"),
                said=said,
            )
        )
    share = {"neural_ucb": 0.7, "linucb": 0.6, "random": 0.45}[bandit]
    told = [share * (1 - 0.95**i) for i in range(1, pulls + 1)]
    return Study(bandit, seed, 40, tuple(made), tuple(told) if known else (None,) * pulls)


def revealed(
    bandits: Sequence[str] = ("neural_ucb", "linucb", "random"),
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    known: bool = True,
    **choice: Any,
) -> Revealed:
    """A whole study, with round numbers in its table."""
    one = len(seeds) == 1

    def number(value: float) -> Number:
        low, high = (None, None) if one else (value - 0.04, value + 0.04)
        return Number(value, low, high, len(seeds))

    sums = tuple(
        Sum(
            bandit=bandit,
            pulls=48.0,
            reward=number(0.41 if bandit == "neural_ucb" else 0.34),
            found=number(210.0),
            coverage=number(0.42) if known else None,
            beyond_random=None
            if bandit == "random" or "random" not in bandits
            else number(0.09 if bandit == "neural_ucb" else 0.02),
        )
        for bandit in bandits
    )
    return Revealed(
        unteach="0.1.0",
        title="",
        model="tiny-135M-instruct",
        choice={"name": "reveal", "budget": 20000, "names_of": "forget", **choice},
        studies=tuple(study(bandit, seed, known=known) for bandit in bandits for seed in seeds),
        sums=sums,
        best=tuple(Best(asked, 0.6 - i / 10, 9 - i) for i, asked in enumerate(ASKED)),
    )


def small(rewards: Sequence[float], seed: int = 0, bandit: str = "random") -> Study:
    """Pulls of 10 tokens each that earned this; pull i finds `a<i>` and `all`."""
    made = tuple(
        Pull(i + 1, "Who is {name}?", (), r, r, 10, 10 * (i + 1), 4, (f"a{i}", "all"), ())
        for i, r in enumerate(rewards)
    )
    return Study(bandit, seed, 1, made, (None,) * len(made))


def of(*studies: Study) -> Revealed:
    bandits = dict.fromkeys(s.bandit for s in studies)
    sums = tuple(Sum(b, 2.0, Number(0.5, None, None, 1), None, None, None) for b in bandits)
    return replace(revealed(("random",), (0,)), studies=studies, sums=sums)


def at_end(line: Line) -> tuple[float, float | None]:
    return line.xs[-1], line.ys[-1]


def test_a_line_of_the_trace_becomes_a_pull() -> None:
    row = {
        "pull": 3,
        "instruction": "Who is {name}?",
        "about": ["Ada Obi"],
        "reward": 0.25,
        "worth": 0.5,
        "score": 0.7,
        "tokens": 80,
        "spent": 240,
        "pool": 18,
        "found": ["Lagos"],
        "said": [{"about": "Ada Obi", "text": "In Lagos.", "worth": 0.5, "new": 0.25}],
    }
    made = reveal.pull(row)
    assert made.number == 3
    assert made.about == ("Ada Obi",)
    assert made.said == (Text("Ada Obi", "In Lagos.", 0.5, 0.25),)
    with pytest.raises(DataError, match=r"trace: pull 3: reward: .*number"):
        reveal.pull(row | {"reward": "much"})


def test_json_there_and_back() -> None:
    found = revealed()
    assert from_json(to_json(found)) == found
    assert render(from_json(to_json(found))) == render(found)


def test_a_bad_file_is_one_sentence() -> None:
    good = json.loads(to_json(revealed(("random",), (0,))))
    worded, short = json.loads(json.dumps(good)), json.loads(json.dumps(good))
    worded["studies"][0]["pulls"][0]["reward"] = "much"
    short["studies"][0]["coverage"] = [0.1]
    with pytest.raises(DataError, match=r"reveal\.json: Invalid JSON"):
        from_json(to_json(revealed())[:-20])
    with pytest.raises(DataError, match=r"reveal\.json: studies\.0\.pulls\.0\.reward: "):
        from_json(json.dumps(worded))
    with pytest.raises(DataError, match="coverage has 1 values for 48 pulls"):
        from_json(json.dumps(short))
    with pytest.raises(DataError, match="is of version 2, and this unteach reads version 1"):
        from_json(json.dumps(good | {"version": 2}))


def test_the_curve_ends_at_the_mean_of_all_pulls() -> None:
    """1, 0, 0, 1 of 10 tokens each: the mean so far is 1, 1/2, 1/3, 1/2. The last 20 % of 40 tokens
    hold the last pull alone: 1. Different things: a0 to a3 and `all`, 5.
    """
    found = of(small((1, 0, 0, 1)))
    earned, told = figures(found)
    (whole,), (recent,) = (one.lines for one in earned.panels)
    assert whole.xs[0] == 10
    assert whole.ys[0] == 1
    assert at_end(whole) == (40, 0.5)
    assert dict(zip(whole.xs, whole.ys, strict=True))[10 + 30 * 40 / 59] == pytest.approx(1 / 3)
    assert at_end(recent) == (40, 1)
    assert at_end(told.panels[0].lines[0]) == (40, 5)


def test_recent_pulls_are_those_of_the_last_fifth() -> None:
    """Ten pulls of 10 tokens: a fifth is two pulls. After 50 tokens: (0 + 1) / 2."""
    found = of(small((0, 0, 0, 0, 1, 1, 1, 1, 1, 0)))
    line = figures(found)[0].panels[1].lines[0]
    at = dict(zip(line.xs, line.ys, strict=True))
    assert min(line.xs) >= 20
    assert at[min(x for x in line.xs if x >= 50)] == 0.5
    assert at_end(line) == (100, 0.5)


def test_seeds_are_averaged_and_a_study_that_ended_earlier_stays() -> None:
    """Seed 0 has 1, 1 and ends at 20; seed 1 has 0, 0, 0. At 30 tokens: (1 + 0) / 2."""
    found = of(small((1, 1)), small((0, 0, 0), seed=1))
    band, line = figures(found)[0].panels[0].lines
    assert at_end(line) == (30, 0.5)
    assert band.css == "area original"
    assert {min(y for y in band.ys if y is not None), max(y for y in band.ys if y is not None)} == {
        0,
        1,
    }
    one = figures(of(small((1, 1))))[0].panels[0].lines
    assert [line.css for line in one] == ["original"]


def test_large_budgets_are_counted_in_thousands() -> None:
    shown = figures(revealed())[0].panels[0]
    assert shown.x_title == "thousand tokens spent"
    assert max(shown.lines[0].xs) == pytest.approx(48 * 404 / 1000)
    assert "e+" not in panel(shown)
    assert figures(of(small((1, 0))))[0].panels[0].x_title == "tokens spent"


def test_without_a_truth_there_is_no_coverage() -> None:
    with_truth, without = figures(revealed())[1], figures(revealed(known=False))[1]
    assert [one.title for one in with_truth.panels] == [
        "share of the truth that was said",
        "different things found",
    ]
    assert [one.title for one in without.panels] == ["different things found"]
    page = render(revealed(known=False))
    assert "the recipe has no forget set with facts that could be looked for" in page
    assert "No truth is known here" in page


def test_what_choosing_is_worth_is_said_by_the_intervals() -> None:
    """0.09 +- 0.04 lies above 0, and 0.02 +- 0.04 does not."""
    page = render(revealed())
    assert "neural_ucb (+0.09 [0.05, 0.13]) earned more than random" in page
    assert "linucb (+0.02 [-0.02, 0.06]) cannot be told from random" in page
    one = render(revealed(seeds=(0,)))
    assert "there is no interval" in one
    assert "With one seed a difference to random may be luck" in one
    assert "curve area" not in one
    alone = render(revealed(("neural_ucb",)))
    assert "Without random beside another bandit" in alone
    assert "the bandit random was not run with its seeds" in alone


def test_the_lead_says_what_was_asked_and_at_what_cost() -> None:
    page = render(revealed())
    assert "was made to say what it holds of 3 names" in page
    assert "3 bandits had 20\u202f000 tokens each, read and written, for each of 5 seeds" in page
    assert "name_coverage" in page
    entities = revealed(task="entities", type="places", reward={"name": "entities"}, budget=500)
    assert "was made to say names of places" in render(entities)
    assert "had 500 tokens each" in render(entities)


def test_the_texts_worth_most_come_once_and_first() -> None:
    shown = samples(revealed())
    assert len(shown) == 10
    values = [float(one.worth) for one in shown]
    assert values == sorted(values, reverse=True)
    assert len({str(one.text) for one in shown}) == 10
    twice = revealed(("random",), (0,))
    again = replace(twice, studies=(*twice.studies, replace(twice.studies[0], seed=1)))
    assert [s.by for s in samples(again)] == [s.by for s in samples(twice)]


def test_what_was_counted_is_marked() -> None:
    """`Lagos` stands twice, once within `in Lagos`; `Lago` is no word here, `Oslo` not in it."""
    said = (Text("", "Born in Lagos <b>, Lagos.", 0.5, 0.5),)
    found = ("in Lagos", "Lagos", "Lago", "Oslo", "")
    one = Pull(1, "Who?", (), 0.5, 0.5, 9, 9, 1, found, said)
    (shown,) = samples(of(Study("random", 0, 1, (one,), (None,))))
    assert shown.text == "Born <mark>in Lagos</mark> &lt;b&gt;, <mark>Lagos</mark>."
    assert shown.counted == 2


def test_texts_that_are_worth_nothing_are_not_shown() -> None:
    found = of(small((0, 0)))
    assert samples(found) == ()
    assert "No text was worth anything" in render(found)


def test_a_redacted_page_has_no_name_and_no_text() -> None:
    found = revealed(about=list(NAMES))
    own = Best("Was wilhelmina OSTROVANDER, or Mr Fenwick, ever in Ostrovander's house?", 0.9, 2)
    found = replace(found, best=(own, *found.best), title=f"Forget {NAMES[2]}")
    plain, redacted = render(found), render(found, redact=True)
    for text in ("Ostrovander", "Fenwick", "Ada Obi", "Zorblax", "And no more"):
        assert text.casefold() in plain.casefold()
        assert text.casefold() not in redacted.casefold()
    assert "Was person 1, or Mr person 2, ever in person 1&#39;s house?" in redacted
    assert "<h1>Forget person 3</h1>" in redacted
    assert "[redacted]" in redacted
    assert not re.search(r"\d+ characters", redacted)
    assert "The files beside it are not redacted" in redacted
    assert ASKED[0] in redacted


def test_a_redacted_page_keeps_the_parameters_of_the_reward_to_itself() -> None:
    found = revealed(reward={"name": "pattern", "pattern": "Quindleberry"})
    assert "Quindleberry" in render(found)
    assert "Quindleberry" not in render(found, redact=True)
    assert "pattern(…)" in render(found, redact=True)


def test_names_of_one_letter_or_of_odd_letters_are_hidden_too() -> None:
    """A dotted capital I matches i whatever the case, but folds to something else."""
    said = (Text("X", "I am X.", 0.5, 0.5), Text("Pili", "P\u0130LI", 0.4, 0.4))
    one = Pull(1, "Is X here, or P\u0130LI, in Xanten?", ("X",), 0.5, 0.5, 9, 9, 1, (), said)
    shown = samples(of(Study("random", 0, 1, (one,), (None,))), redact=True)
    assert shown[0].instruction == "Is person 1 here, or a person, in Xanten?"


def test_every_text_is_escaped() -> None:
    said = (Text(ATTACK, ATTACK, 0.9, 0.9),)
    one = Pull(1, ATTACK, (ATTACK,), 0.9, 0.9, 9, 9, 1, (ATTACK, "alert"), said)
    found = replace(
        revealed(("random",), (0,), about=[ATTACK], own=ATTACK),
        title=ATTACK,
        model=ATTACK,
        studies=(Study("random", 0, 1, (one,), (None,)),),
        best=(Best(ATTACK, 0.5, 1),),
    )
    for redact in (False, True):
        page = render(found, redact=redact)
        assert "<script" not in page
        assert unclosed(re.sub(r"<(meta|!)[^>]*>", "", page)) == ()
    assert render(found).count("&lt;script&gt;") > 5


def test_nothing_is_loaded_or_run_and_the_figures_are_well_formed() -> None:
    page = render(revealed())
    assert "default-src 'none'" in page
    assert "http://" not in page
    assert "https://" not in page
    assert not re.search(r"<(script|link|img|iframe|object|embed|base|form)\b", page)
    assert not re.search(r"\bon\w+=|url\(|@import|\bsrc=", page)
    assert unclosed(re.sub(r"<(meta|!)[^>]*>", "", page)) == ()
    for figure in figures(revealed()):
        for one in figure.panels:
            ElementTree.fromstring(panel(one))
    assert len(page.encode()) < 100_000


def test_random_is_drawn_as_what_all_are_compared_with() -> None:
    found = revealed(("random", "linucb", "neural_ucb"))
    drawn = [reveal.style(found, one.bandit) for one in found.sums]
    assert drawn == ["original", 0, 1]


def test_the_page_needs_no_torch(tmp_path: Path) -> None:
    (tmp_path / "reveal.json").write_text(to_json(revealed(("random",), (0,))), "utf-8")
    code = (
        "import sys, pathlib; from unteach.report.reveal import from_json, render; "
        f"render(from_json(pathlib.Path({str(tmp_path / 'reveal.json')!r}).read_text('utf-8'))); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
