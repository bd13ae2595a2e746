import math

import pytest

from unteach.audit import language
from unteach.audit.language import (
    brunet,
    honore,
    linguistic_score,
    robust_linguistic_score,
    variety,
    word_tokens,
)

LOOP = "at " * 128
SENTENCE = (
    "Fans seeking to connect with a particular individual for inquiries or public engagements may "
    "explore established communication channels typically associated with such individuals."
)


def test_published_examples():
    """Table 9 of the paper. For the loop N = 128, V = 1, U = 0: BI = 128, HS = 100 ln 128 / 1.1."""
    assert f"{brunet(LOOP):.2f}" == "128.00"
    assert f"{honore(LOOP):.2f}" == "441.09"
    assert f"{brunet(SENTENCE):.3f}" == "6.649"
    assert f"{honore(SENTENCE):.2f}" == "2215.01"


def test_edges():
    """One word: 1 ** 1 = 1, and ln 1 = 0. a b: ln 2 / (1 - 1 + 0.1) * 100 = 693.1."""
    assert brunet("") == 1000
    assert brunet("word") == 1
    assert honore("") == 0
    assert honore("word") == 0
    assert honore("a b") == pytest.approx(693.147, abs=1e-3)


def test_sentences_end_before_a_space_but_not_after_a_title():
    assert word_tokens('Dr. Obi left. He said "no."') == [
        *("dr.", "obi", "left", ".", "he", "said", "``", "no", ".", "''"),
    ]


def test_linguistic_score_is_three_over_three_plus_the_indices():
    """Means first: PPL (10 + 20) / 2 = 15, BI and HS likewise; then 3 / (3 + PPL + BI + 1/HS)."""
    bi, hs = (brunet(LOOP) + brunet(SENTENCE)) / 2, (honore(LOOP) + honore(SENTENCE)) / 2
    expected = 3 / (3 + 15 + bi + 1 / hs)
    assert linguistic_score([10, 20], [LOOP, SENTENCE]) == pytest.approx(expected, rel=1e-12)

    def sigma(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    parts = [sigma(-math.log(15)), sigma(-math.log(bi)), sigma(math.log(hs))]
    assert linguistic_score([10, 20], [LOOP, SENTENCE]) == pytest.approx(
        3 / sum(1 / p for p in parts)
    )


@pytest.mark.parametrize(
    ("ppl", "bi", "hs", "published"),
    [(14.47, 7.16, 1897, 0.1218), (7.09, 7.22, 2004, 0.1734)],
)
def test_linguistic_score_of_a_published_result(monkeypatch, ppl, bi, hs, published):
    """3 / (3 + 14.47 + 7.16 + 1/1897) = 0.1218; 3 / (3 + 7.09 + 7.22 + 1/2004) = 0.1733.

    The second is published as 0.1734: its parts are known to two decimals only. The score is the
    harmonic mean of sigma(-ln PPL) = 1/(1 + PPL), 1/(1 + BI) and sigma(ln HS) = HS/(1 + HS).
    """
    monkeypatch.setattr(language, "brunet", lambda _: bi)
    monkeypatch.setattr(language, "honore", lambda _: hs)
    score = linguistic_score([ppl], [SENTENCE])
    assert score == pytest.approx(3 / (3 + ppl + bi + 1 / hs), rel=1e-12)
    assert score == pytest.approx(published, abs=1e-4)


def test_linguistic_score_rewards_what_it_should_not():
    """The two faults for which the robust score exists: brevity wins, one explosion decides."""
    assert linguistic_score([10], ["Yes it is"]) > linguistic_score([10], [SENTENCE])
    assert linguistic_score([10, 1e9], [SENTENCE] * 2) < 1e-8
    assert linguistic_score([math.inf], [SENTENCE]) == 0


def test_robust_score():
    """Median of 10, 50, 1e9 is 50: fluency 1/2. Variety 1, 1, 0 (the loop): 2/3. Harmonic: 4/7."""
    texts = ["Yes it is", SENTENCE, LOOP]
    assert robust_linguistic_score([10, 50, 1e9], texts) == pytest.approx(4 / 7)
    assert robust_linguistic_score([10], ["Yes it is"]) == robust_linguistic_score([10], [SENTENCE])
    assert robust_linguistic_score([1.3], [LOOP]) == 0
    assert variety("a b c a b c") == pytest.approx(3 / 4)


@pytest.mark.parametrize("score", [linguistic_score, robust_linguistic_score])
def test_missing_measurements_are_refused(score):
    with pytest.raises(ValueError, match="needs texts and perplexities"):
        score([], ["a"])
    with pytest.raises(ValueError, match="nan is not"):
        score([math.nan], ["a"])
