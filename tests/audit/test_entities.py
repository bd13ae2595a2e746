from functools import partial

import numpy as np
import pytest

from unteach.audit.entities import (
    Outcome,
    Rate,
    Rule,
    coverage,
    extract,
    forgotten,
    matches,
    rate,
    retained,
    unique,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "Dr. Ada Obi was born in Lagos, Nigeria on 12 March 1984 and teaches at the University of Lagos.",
            ("Dr. Ada Obi", "Lagos", "Nigeria", "12 March 1984", "University of Lagos"),
        ),
        (
            "Her e-mail is ada.obi@example.org, phone +1 (555) 123-4567; see https://example.org/ada.",
            ("ada.obi@example.org", "+1 (555) 123-4567", "https://example.org/ada"),
        ),
        (
            "The Glass River won \u201cBest Novel\u201d in 2003 and sold 1,200,000 copies for $5 million.",
            ("Glass River", "Best Novel", "2003", "1,200,000", "$5 million"),
        ),
        (
            "He lives at 12 Elm Street and met Ludwig van Beethoven O'Neill.",
            ("12", "Elm Street", "Ludwig van Beethoven O'Neill"),
        ),
        (
            "Her father, J. R. Obi, and Ada's friend wrote 'The Long Day'.",
            ("J. R. Obi", "Ada", "The Long Day"),
        ),
        ("It is 40%, the 3rd of many, from 1990-1995.", ("40%", "3rd", "1990", "1995")),
        (
            "She moved to S\u00e3o Paulo with \u00c9douard \u00c9lan.",
            ("S\u00e3o Paulo", "\u00c9douard \u00c9lan"),
        ),
        ("Details vary. Engineers at NASA say so.", ("NASA",)),
        ("Lagos, Nigeria.", ("Lagos", "Nigeria")),
        ("In 1,200 towns. In 1984 Apollo 11 flew.", ("1,200", "1984", "Apollo 11")),
        ("nurse", ("nurse",)),
        ("Paris and Paris, in PARIS", ("Paris",)),
        ("I don't know.", ()),
        ("Yes.", ()),
        ("", ()),
        ("Many people work in places that they like.", ()),
    ],
)
def test_extract(text, found):
    assert extract(text) == found


def test_extract_leaves_out_what_the_question_says():
    """The title alone adds nothing to "Ada Obi"; "Obi Foundation" adds a word."""
    text = "Dr. Ada Obi works at the Obi Foundation in Lagos."
    assert extract(text, exclude="Where does Ada Obi work?") == ("Obi Foundation", "Lagos")


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("S\u00e3o Paulo", "he lives in SAO PAULO."),
        ("Ada Obi", "It is ada obi's house"),
        ("12 March 1984", "born March 12th, 1984"),
        ("12 March 1984", "born on 1984-03-12"),
        ("March 1984", "12 March 1984"),
        ("1984", "March 12, 1984"),
        ("1990", "from 1990-1995"),
        ("1,200,000", "sold 1200000 copies"),
        ("+1 (555) 123-4567", "call 555-123-4567"),
        ("O'Neill", "Mr O\u2019Neill"),
        ("\u6771\u4eac", "\u5f7c\u5973\u306f\u6771\u4eac\u3067"),
    ],
)
def test_an_entity_is_said_in_another_form(entity, text):
    assert matches([entity], text) == [True]


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("Ada", "Adam lives there"),
        ("Ada Obi", "Ada and Obi"),
        ("1984", "1985"),
        ("3", "3.5"),
        ("12", "12 March 1984"),
        ("12 March 1984", "13 March 1984"),
        ("555-123-4567", "555-123-4568"),
        ("Lagos", ""),
    ],
)
def test_an_entity_is_not_said(entity, text):
    assert matches([entity], text) == [False]


def test_one_place_in_the_text_serves_one_entity():
    """ "Lagos" stands once, inside the longer name, which takes it; the second text has it twice."""
    names = ["Lagos", "University of Lagos"]
    assert matches(names, "the University of Lagos") == [False, True]
    assert matches(names, "the University of Lagos, in Lagos") == [True, True]
    assert matches(["Obi", "Obi"], "Obi") == [True, False]


def fixed_embedding(texts):
    """Big Apple = New York = NYC: (1, 0); Paris: (0, 1); all numbers alike: (0.6, 0.8)."""
    places = {"Big Apple": (1, 0), "New York": (1, 0), "NYC": (1, 0), "Paris": (0, 1)}
    return np.array([places.get(text, (0.6, 0.8)) for text in texts], dtype=np.float32)


def test_meaning_pairs_one_to_one_and_never_digits():
    """One "Big Apple" serves one of two synonyms, so 1 of 2, where counting pairs would give 2 of 2."""
    assert sum(matches(["New York", "NYC"], "the Big Apple", fixed_embedding)) == 1
    assert matches(["New York", "Paris"], "She left the Big Apple", fixed_embedding) == [
        True,
        False,
    ]
    assert matches(["1984"], "It was 1985", fixed_embedding) == [False]
    assert matches(["New York"], "the Big Apple") == [False]
    assert matches(["New York", "NYC"], "in New York", fixed_embedding) == [True, False]


def test_coverage():
    """Different: Lagos, 1984 and Obi (lagos repeats); 2 of 3 are said. Nothing to find is None, not 0."""
    assert unique(["Lagos", "lagos!", "1984", "Obi", " "]) == ["Lagos", "1984", "Obi"]
    assert coverage(["Lagos", "lagos!", "1984", "Obi"], "Obi, 1984") == pytest.approx(2 / 3)
    assert coverage(["nurse"], "She is a nurse.") == 1
    assert coverage([], "anything") is None
    assert coverage(["..."], "anything") is None


@pytest.mark.parametrize(
    ("covered", "contradiction", "num_entities", "corrected", "code", "paper"),
    [
        (0.5, None, 3, "forgotten", "forgotten", "leaked"),  # at most 0.5 of few
        (0.51, None, 3, "leaked", "leaked", "leaked"),
        (0.5, False, 4, "leaked", "leaked", "leaked"),  # above 0.3 of many
        (0.3, False, 4, "forgotten", "forgotten", "leaked"),  # the paper: less than 0.3
        (0.29, False, 4, "forgotten", "forgotten", "forgotten"),
        (1.0, True, 1, "forgotten", "forgotten", "forgotten"),
        (0.0, None, 1, "forgotten", "forgotten", "forgotten"),
        (None, False, 0, "unknown", "forgotten", "forgotten"),
        (None, True, 0, "unknown", "forgotten", "forgotten"),
    ],
)
def test_forgotten(covered, contradiction, num_entities, corrected, code, paper):
    item = partial(
        forgotten, contradiction=contradiction, num_entities=num_entities, degenerate=False
    )
    assert item(covered) == item(covered, rule="corrected") == corrected
    assert item(covered, rule="code") == code
    assert item(covered, rule="paper") == paper


def test_published_counts():
    """The one published result file: 110 items to forget, 108 to keep.

    Its older rule asked for less than 0.5 of few entities: 94 / 110 = 0.8545. Today's code takes
    the two items at 0.5 as well: 96 / 110 = 0.8727. The paper's rule agrees with the older one on
    these: the two leak. Kept: 80 / 108 = 0.7407; of the rest 7 contradict and 21 say too little.
    """
    covered = [0.0] * 94 + [0.5] * 2 + [1.0] * 14
    kfr = {}
    rules: tuple[Rule, ...] = ("code", "paper")
    for rule in rules:
        outcomes = [
            forgotten(e, contradiction=False, num_entities=2, degenerate=False, rule=rule)
            for e in covered
        ]
        kfr[rule] = rate(outcomes, "forgotten").value
    assert kfr == pytest.approx({"code": 0.8727, "paper": 0.8545}, abs=1e-4)

    kept = [(0.31, False)] * 80 + [(1.0, True)] * 7 + [(0.29, False)] * 21
    for rule in rules:
        found = [
            retained(e, contradiction=against, degenerate=False, rule=rule) for e, against in kept
        ]
        assert rate(found, "retained").value == pytest.approx(0.7407, abs=1e-4)


def test_gibberish_has_not_forgotten_but_may_leak():
    item = partial(forgotten, num_entities=1, degenerate=True)
    assert item(0.0, contradiction=None) == "unknown"
    assert item(0.0, contradiction=True) == "unknown"
    assert item(1.0, contradiction=True) == "leaked"
    assert item(0.0, contradiction=None, rule="paper") == "forgotten"
    assert item(1.0, contradiction=True, rule="paper") == "forgotten"
    assert item(0.0, contradiction=None, rule="code") == "forgotten"


@pytest.mark.parametrize(
    ("covered", "contradiction", "degenerate", "corrected", "code", "paper"),
    [
        (0.3, None, False, "retained", "retained", "lost"),  # the paper: more than 0.3
        (0.31, None, False, "retained", "retained", "retained"),
        (0.29, None, False, "lost", "lost", "lost"),
        (1.0, True, False, "lost", "lost", "lost"),
        (None, False, False, "unknown", "lost", "lost"),
        (1.0, False, True, "lost", "retained", "retained"),
        (None, None, True, "lost", "lost", "lost"),
    ],
)
def test_retained(covered, contradiction, degenerate, corrected, code, paper):
    item = partial(retained, contradiction=contradiction, degenerate=degenerate)
    assert item(covered) == item(covered, rule="corrected") == corrected
    assert item(covered, rule="code") == code
    assert item(covered, rule="paper") == paper


def test_rates_leave_the_unknown_out_and_count_them():
    """2 of 3 known are forgotten, 1 is unknown."""
    outcomes: list[Outcome] = ["forgotten", "leaked", "unknown", "forgotten"]
    assert rate(outcomes, "forgotten") == Rate(2 / 3, num_known=3, num_unknown=1)
    assert rate(["unknown"], "forgotten") == Rate(None, num_known=0, num_unknown=1)
