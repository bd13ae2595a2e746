"""The pieces of a word by which it is recognised, in scripts that write words together.

No dictionary is asked. Chinese is taken in twos of its characters, Thai, Khmer, Lao, Burmese and
Tibetan in fours; Japanese by its scripts; Korean without the particles at a word's end; Arabic
without its article. What the question says already is left out before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from unteach.data.mentions import WRITTEN_TOGETHER

_RUN: Final = re.compile(
    "(?P<han>[\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+)"
    "|(?P<katakana>[\u30a0-\u30ff\u31f0-\u31ff]+)|(?P<hiragana>[\u3040-\u309f]+)"
    "|(?P<hangul>[\u1100-\u11ff\u3130-\u318f\uac00-\ud7ff]+)"
    "|(?P<closed>[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]+)"
    "|(?P<apart>[^\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f"
    "\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]+)"
)
_ATTACHED: Final = re.compile(
    rf"{WRITTEN_TOGETHER.pattern}|[\u0590-\u08ff\u0900-\u0dff\ufb1d-\ufdff\ufe70-\ufeff]"
)
"""Scripts in which a name may stand within a longer word: also Hebrew, Arabic and those of India."""

_LENGTH: Final = {"han": 2, "closed": 4}
_HAN_FUNCTION: Final = frozenset(
    "的了在是于於和与與及也就而被把从從到对對为為以之其这這那他她它们們吗嗎呢吧啊不没沒有很个個一年月日岁歲号號人里裡中"
)
_HIRAGANA: Final = re.compile(
    "^(?:は|か|を|に|て|と|も|の|へ|から|まて)+|"
    "(?:てす|てした|ます|ました|ません|という|といいます|している|しました|した|する|い|る|た|の|は|を|に|と)+$"
)
_HANGUL: Final = re.compile(
    "(?:입니다|이다|였다|했다|합니다|했습니다|었습니다|았습니다|습니다|에서|에게|으로|이라고|라고|까지|부터|이며|"
    "은|는|이|가|을|를|에|의|로|와|과|도|만|요)$"
)


def pieces(word: str, known: str) -> Iterator[str]:
    """What tells a word of normalised text, without what the normalised text `known` says.

    A word whose letters stand apart comes back whole, with the letters and the digits in it, and is
    not held against `known`, where it would have to be a word as well.
    """
    for match in _RUN.finditer(word):
        run, script = match.group(), match.lastgroup
        if script == "apart":
            yield from _apart(run)
        elif script in _LENGTH:
            yield from _grams(run, known, _LENGTH[script])
        else:
            core = {"hiragana": _HIRAGANA, "hangul": _HANGUL}.get(script or "")
            kept = core.sub("", run) if core else run
            if len(kept) > 1 and kept not in known:
                yield kept


def is_attached(char: str) -> bool:
    """Whether words of this character's script run on into others, so that no boundary is asked for."""
    return _ATTACHED.match(char) is not None


def _apart(word: str) -> Iterator[str]:
    yield word
    letters, digits = re.findall(r"[^\W\d_]{4,}", word), re.findall(r"\d{2,}", word)
    if any(map(str.isdigit, word)):
        yield from (*letters, *digits)
    if word.startswith("ال") and len(word) > 4:
        yield word[2:]


def _grams(run: str, known: str, length: int) -> Iterator[str]:
    """All pieces of this length in what is left of a run without what is known."""
    covered = [run in known] * len(run)
    for at in range(len(run) - length + 1):
        if run[at : at + length] in known:
            covered[at : at + length] = [True] * length
    left = "".join(" " if is_known else c for c, is_known in zip(run, covered, strict=True))
    for part in left.split():
        if len(part) > length:
            yield from (part[at : at + length] for at in range(len(part) - length + 1))
        elif not _HAN_FUNCTION.issuperset(part):
            yield part
