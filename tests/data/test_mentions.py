"""Where a text says a name: whole words, however they are spelled."""

import pytest

from unteach.data.mentions import places

SAID = [
    ("Ada is from Arles.", "Arles", ["Arles"]),
    ("ARLES, arles or Arles", "aRLES", ["ARLES", "arles", "Arles"]),
    ("That is O\u2019Hara\u2019s.", "O'Hara", ["O\u2019Hara"]),
    ("Zoe\u0308 left.", "Zoë", ["Zoe\u0308"]),
    ("Zoë left.", "Zoe\u0308", ["Zoë"]),
    ("New \n York", " New  York ", ["New \n York"]),
    ("New\u00a0York", "New York", ["New\u00a0York"]),
    ("Saint\u2011Denis", "Saint-Denis", ["Saint\u2011Denis"]),
    ("Ar\u00adles", "Arles", ["Ar\u00adles"]),
    ("Straße 5", "STRASSE", ["Straße"]),
    ("born in 1955.", "1955", ["1955"]),
    ("5, or 5.", "5", ["5", "5"]),
    ("她住在北京市。", "北京", ["北京"]),
    ("서울에서 왔다", "서울", ["서울"]),
    ("\u1109\u1165\u110b\u116e\u11af에서", "서울", ["\u1109\u1165\u110b\u116e\u11af"]),
    ("เธออยู่ที่กรุงเทพมานาน", "กรุงเทพ", ["กรุงเทพ"]),
    ("वह दिल्ली में है", "दिल्ली", ["दिल्ली"]),
]
UNSAID = [
    ("Annaberg and Joanne", "Ann"),
    ("José", "Jose"),
    ("Jose\u0301", "Jose"),
    ("in 1955", "5"),
    ("1.5 or 1,955", "5"),
    ("1.5 or 1,955", "955"),
    ("1,955", "1"),
    ("서울", "서우"),
    ("दिल्ली", "दिल"),
    ("Arles", ""),
    ("Arles", "  "),
    ("", "Arles"),
]


@pytest.mark.parametrize(("text", "part", "expected"), SAID)
def test_a_name_is_found_however_it_is_spelled(text: str, part: str, expected: list[str]):
    assert [text[start:stop] for start, stop in places(text, part)] == expected


@pytest.mark.parametrize(("text", "part"), UNSAID)
def test_part_of_a_word_or_a_number_is_not_the_name(text: str, part: str):
    assert places(text, part) == []
