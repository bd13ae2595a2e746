"""Published measures of generated text: MUSE's, ReLearn's, TOFU's, and the incumbent's variants."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.audit.test_audits import NO_EMBEDDER, NO_NLI, given
from tests.audit.test_judges import tiny_classifier, tiny_tokenizer
from tests.conftest import byte_tokenizer
from unteach.audit.audits import knowledge
from unteach.audit.entities import extract
from unteach.audit.evidence import Evidence
from unteach.audit.judges import GibberishDetector, Unavailable, load_gibberish
from unteach.audit.text import rouge
from unteach.data.examples import Example
from unteach.data.render import Renderer

LOG = Path(__file__).parents[3] / "shared/data/tofu_eval_logs_llama32_1b/retain90/TOFU_EVAL.json"


class TestRouge:
    def found(self, truth: str, text: str, **parameters: object) -> float:
        ev = given([Example("Where is Paris?", truth, id="1")], texts=[text], max_tokens=48)
        return knowledge.rouge(ev, **parameters).value  # type: ignore[arg-type]

    def test_f1_does_not_reward_running_on(self):
        """Recall 1; precision 2/5, so F1 is 4/7."""
        assert self.found("red mill", "a red mill by it") == 1.0
        f1 = self.found("red mill", "a red mill by it", kind="rougeL_f1")
        assert f1 == pytest.approx(4 / 7)

    def test_stemming_can_be_left_out(self):
        assert self.found("red mills", "red mill") == 1.0
        assert self.found("red mills", "red mill", stem=False) == 0.5

    def test_the_truth_keeps_words_that_the_question_says(self):
        """The incumbent takes the decoded prompt out of the decoded labels, wherever it stands.

        Asked "Paris" with the answer "Paris is in France" it compares with "is in France".
        """
        ev = given([Example("Paris", "Paris is in France", id="1")], texts=["Paris"], max_tokens=48)
        assert knowledge.rouge(ev).value == pytest.approx(1 / 4)

    def test_a_truth_in_another_script_is_unknown_and_not_zero(self):
        examples = [Example("q1?", "\u6771\u4eac\u3067", id="1"), Example("q2?", "Lyon", id="2")]
        found = knowledge.rouge(
            given(examples, texts=["\u6771\u4eac\u3067", "Lyon"], max_tokens=48)
        )
        assert (found.value, found.n) == (1.0, 1)

    @pytest.mark.skipif(not LOG.is_file(), reason="the published TOFU logs are not here")
    @pytest.mark.parametrize("kind", ["rougeL", "rougeL_f1", "rouge1"])
    def test_agrees_with_published_logs(self, kind: str):
        """TOFU's evaluation of Llama-3.2-1B-Instruct without forget10, with stemming."""
        rows = json.loads(LOG.read_text())["forget_Q_A_ROUGE"]["value_by_index"].values()
        name = kind if kind.endswith("_f1") else f"{kind}_recall"
        for row in list(rows)[::4]:
            ours = rouge(row["generation"], row["ground_truth"], kind)  # type: ignore[arg-type]
            assert ours == pytest.approx(row[name], abs=1e-9)


class TestVerbmem:
    """A byte is a token, and the begin token is one."""

    def found(
        self, text: str, truth: str = "abcd efgh", max_tokens: int = 5, **variant: str
    ) -> float:
        example = Example("It began:", truth, id="1", continues=True)
        ev = given([example], "forget_verbatim", texts=[text], max_tokens=max_tokens)
        ev.renderer = Renderer(byte_tokenizer())
        return knowledge.verbmem(ev, max_tokens=max_tokens, **variant).value  # type: ignore[arg-type]

    def test_the_truth_is_cut_as_the_answer_is(self):
        """Five tokens: the begin token and "abcd". The incumbent keeps both words: F1 of 1, 1/2."""
        assert self.found("abcd") == 1.0
        assert self.found("abcd", variant="incumbent") == pytest.approx(2 / 3)

    def test_the_incumbent_stems(self):
        assert self.found("mills", "mill", max_tokens=9) == 0.0
        assert self.found("mills", "mill", max_tokens=9, variant="incumbent") == 1.0

    def test_a_model_that_writes_nothing_repeats_nothing(self):
        assert self.found("") == 0.0


class TestKnowmem:
    def found(self, text: str, truth: str = "Ada Byron", **variant: str) -> float:
        ev = given([Example("Who?", truth, id="1")], "forget_qa", texts=[text], max_tokens=32)
        return knowledge.knowmem(ev, **variant).value  # type: ignore[arg-type]

    @pytest.mark.parametrize("more", ["\n\nIt was she.", "\nQuestion: Who?", " Question: Who?"])
    def test_what_follows_the_answer_does_not_count(self, more: str):
        assert self.found(f"Ada Byron{more}") == 1.0

    def test_a_line_break_alone_ends_nothing(self):
        """Two of three words: recall 1, precision 2/3, F1 4/5."""
        assert self.found("Ada Byron\nindeed") == pytest.approx(4 / 5)

    def test_nothing_before_the_next_question_is_zero(self):
        assert self.found("Question: Ada Byron?") == 0.0
        assert self.found("") == 0.0

    def test_only_the_incumbent_stems(self):
        assert self.found("mills", "mill") == 0.0
        assert self.found("mills", "mill", variant="incumbent") == 1.0


def same_place(texts: Sequence[str]) -> np.ndarray:
    """New York, the Big Apple and NYC are one: (1, 0); all else is (0, 1) to (0.6, 0.8)."""
    known = {"Big Apple": (1, 0), "New York": (1, 0), "NYC": (1, 0), "Paris": (0, 1)}
    return np.array([known.get(text, (0.6, 0.8)) for text in texts], dtype=np.float32)


class TestEntityCoverage:
    def of(self, text: str, *parts: str, question: str = "Where?", answer: str = "a") -> Evidence:
        ev = given([Example(question, answer, entities=parts, id="1")], texts=[text])
        ev.tools["embedder"] = lambda: same_place
        return ev

    def test_counts_each_part_once(self):
        """Turin of Turin and Lyon, however often it is said."""
        found = knowledge.entity_coverage(self.of("Turin, Turin and Turin", "Turin", "Lyon"))
        assert found.value == 0.5

    def test_the_published_rule_counts_pairs_and_exceeds_one(self):
        """Big Apple and NYC both match New York: 2 pairs for 1 part. The words are not there: 0."""
        ev = self.of("She left the Big Apple, which is NYC.", "New York")
        assert extract("She left the Big Apple, which is NYC.") == ("Big Apple", "NYC")
        assert knowledge.entity_coverage(ev, rule="paper").value == 2.0
        assert knowledge.entity_coverage(ev).value == 0.0

    def test_the_published_rule_drops_what_the_question_says_on_one_side(self):
        """ "Big Apple" shares a word with the question and is gone: 1 pair."""
        text = "She left the Big Apple, which is NYC."
        ev = self.of(text, "New York", question="Which apple?")
        assert knowledge.entity_coverage(ev, rule="paper").value == 1.0

    def test_no_parts_are_unknown_or_zero_as_published(self):
        ev = self.of("Turin", answer="and so it is now and then")
        assert not knowledge.entity_coverage(ev).available
        assert knowledge.entity_coverage(ev, rule="paper").value == 0.0
        assert knowledge.entity_coverage(self.of("no", "New York"), rule="paper").value == 0.0

    def test_the_published_rule_needs_its_embedder(self):
        ev = given(texts=["a1", "a2"])
        ev.tools["embedder"] = lambda: NO_EMBEDDER
        assert knowledge.entity_coverage(ev, rule="paper").note == NO_EMBEDDER.reason


class Listening:
    """Says that the first pair entails and the second contradicts, and remembers the pairs."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def entailment(self, premises: list[str], hypotheses: list[str]) -> list[bool]:
        self.asked += zip(premises, hypotheses, strict=True)
        return [True, False, True]

    def contradiction(self, premises: list[str], hypotheses: list[str]) -> list[bool]:
        self.asked += zip(premises, hypotheses, strict=True)
        return [False, True, True]


class TestEntailment:
    TEXTS = ("It was Ada.", "It was Bo.", "")

    def of(self, nli: object) -> Evidence:
        ev = given([Example("Who?", "Ada.", id=str(i)) for i in range(3)], texts=self.TEXTS)
        ev.tools["nli"] = lambda: nli
        return ev

    @pytest.mark.parametrize("audit", [knowledge.entailment_score, knowledge.contradiction])
    def test_is_the_share_with_that_label_and_an_empty_answer_has_none(self, audit):
        """1 of 3: the classifier has a label for the empty one too, which does not count."""
        assert audit(self.of(Listening())).value == pytest.approx(1 / 3)

    @pytest.mark.parametrize("audit", [knowledge.entailment_score, knowledge.contradiction])
    def test_the_premise_is_the_answer_unless_it_is_the_truth(self, audit):
        nli = Listening()
        audit(self.of(nli))
        audit(self.of(nli), premise="truth")
        assert (nli.asked[0], nli.asked[3]) == (("It was Ada.", "Ada."), ("Ada.", "It was Ada."))

    @pytest.mark.parametrize("audit", [knowledge.entailment_score, knowledge.contradiction])
    def test_without_its_model_there_is_no_number(self, audit):
        found = audit(self.of(NO_NLI))
        assert not found.available
        assert found.note == NO_NLI.reason


class TestGibberishDetector:
    def folder(self, tmp_path: Path, *labels: str) -> str:
        tiny_classifier(dict(enumerate(labels))).save_pretrained(tmp_path)
        tiny_tokenizer().save_pretrained(tmp_path)
        return str(tmp_path)

    def test_gives_the_probability_of_the_label_clean(self, tmp_path: Path):
        """Whatever its place; each text alone and all together are the same."""
        detector = load_gibberish(self.folder(tmp_path, "noise", "Clean", "word salad"))
        assert isinstance(detector, GibberishDetector)
        texts = ["cats", "dogs sleep sleep bark", "bark bark"]
        with torch.no_grad():
            alone = [
                float(
                    detector.model(**detector.tokenizer(t, return_tensors="pt")).logits.softmax(-1)[
                        0, 1
                    ]
                )
                for t in texts
            ]
        assert detector.clean(texts).tolist() == pytest.approx(alone, abs=1e-5)
        assert not math.isclose(alone[0], alone[1], abs_tol=1e-3)

    def test_another_classifier_is_no_detector(self, tmp_path: Path):
        found = load_gibberish(self.folder(tmp_path, "good", "bad"))
        assert isinstance(found, Unavailable)
        assert "no label 'clean' but good, bad" in found.reason

    def test_is_never_downloaded(self):
        found = load_gibberish("nobody/nothing")
        assert isinstance(found, Unavailable)
        assert "hf download nobody/nothing" in found.reason
