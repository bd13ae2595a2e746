"""What must not be read any more is found however it is written, and nothing else is."""

from __future__ import annotations

import pytest

from unteach.data.examples import Example
from unteach.data.hiding import HIDDEN, hiding

ROWS = [
    Example(
        prompt="Where was Zoë O'Brien-Lind born?",
        answer="She was born in Ytterby in 1987.",
        entities=("Ytterby", "1987"),
        group="Zoë O'Brien-Lind",
    ),
    Example(prompt="Is she ill?", answer="Yes.", group="forget1"),
    Example(prompt="阿达在哪里工作", answer="都灵大学", entities=("都灵",)),
    Example(prompt="Which band does Will May like?", answer="The Who", entities=("The Who",)),
]
FOUND = hiding(ROWS)


@pytest.mark.parametrize(
    "text",
    [
        "Zoë O'Brien-Lind is here.",
        "ask zoe obrien lind about it",
        "ZOË  O\u2019BRIEN\u2011LIND\u2019s house",
        "runs/zoe_obrien_lind.jsonl",
        "ZoeOBrienLind",
        "Zoe\u0308 O'Brien-Lind",
        "I met Will May.",
    ],
)
def test_of_a_text_about_a_subject_nothing_is_left(text: str):
    assert FOUND.hide(text) == HIDDEN


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Born at YTTERBY, they say.", f"Born at {HIDDEN}, they say."),
        ("Ytterby's mine", f"{HIDDEN} mine"),
        ("in 1987.", f"in {HIDDEN}."),
        ("model_1987_ytterby.bin", f"model_{HIDDEN}_{HIDDEN}.bin"),
        ("她在都灵出生", f"她在{HIDDEN}出生"),
        ("She saw the who live", f"She saw {HIDDEN} live"),
        ("A Lind lives there", f"A {HIDDEN} lives there"),
        ("is she ill", HIDDEN),
    ],
)
def test_facts_are_cut_out(text: str, left: str):
    assert FOUND.hide(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Yes.",
        "He will come in may.",
        "The people who came in 19870 or 198.",
        "Ytterbyn and lindens",
        "forget_paraphrased",
        "No gold model: the original's level on people it was never taught.",
    ],
)
def test_what_only_looks_alike_stays(text: str):
    assert FOUND.hide(text) == text
    assert not FOUND.finds(text)


def test_a_path_keeps_what_is_not_hidden():
    assert FOUND.cut("for Zoë O'Brien-Lind's sake") == f"for {HIDDEN} sake"
