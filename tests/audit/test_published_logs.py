"""Other people's logs: MUSE's, TOFU's own, and references that do not belong to them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from unteach.audit.published import table
from unteach.errors import DataError


def texts(*pairs: tuple[str, str], asked: str = "Q") -> dict[str, Any]:
    rows = {
        str(i): {"input": f"{asked} {i}", "ground_truth": truth, "generation": said}
        for i, (truth, said) in enumerate(pairs)
    }
    return {"value_by_index": rows}


def attack(forget: list[float], holdout: list[float]) -> dict[str, Any]:
    def side(scores: list[float]) -> dict[str, Any]:
        return {"value_by_index": {str(i): {"score": s} for i, s in enumerate(scores)}}

    return {"forget": side(forget), "holdout": side(holdout)}


def muse(forget: list[float]) -> dict[str, Any]:
    return {
        "forget_knowmem_ROUGE": texts(("red fox", "red fox"), ("red fox", "red hen")),
        "forget_verbmem_ROUGE": texts(("a b c d", "a b"), ("a b c d", "x")),
        "retain_knowmem_ROUGE": texts(("hen", "hen")),
        "mia_min_k": attack(forget, [2.0, 4.0]),
    }


def locuslab(shift: float = 0.0) -> dict[str, Any]:
    part = {
        "avg_gt_loss": {"0": 0.5, "1": 1.0},
        "avg_paraphrased_loss": {"0": 1.0 + shift, "1": 1.0},
        "average_perturb_loss": {"0": [2.0, 3.0], "1": [1.0, 1.0]},
        "generated_text": {"0": ["q0", "red fox", "red fox"], "1": ["q1", "hen", "fox"]},
    }
    names = (
        "eval_log",
        "eval_log_forget",
        "eval_real_author_wo_options",
        "eval_real_world_wo_options",
    )
    return {f"{name}.json": copy.deepcopy(part) for name in names}


def test_muse_is_f1_of_rouge_l_and_privleak_against_the_reference():
    """F1 of `red hen`: 1/2; of `a b` against four words: 2/3. AUC of 1 against 2 and 4: 1, the
    reference's of 3: 1/2. 100 (0 - 0.5) / 0.5 = -100."""
    found = table(muse([1.0]), muse([3.0]))
    assert found["forget_knowmem_ROUGE"] == pytest.approx(0.75)
    assert found["forget_verbmem_ROUGE"] == pytest.approx(1 / 3)
    assert found["retain_knowmem_ROUGE"] == 1
    assert found["mia_min_k"] == 1
    assert found["privleak"] == pytest.approx(-100)
    assert table(muse([1.0]), reference_auc=0.5)["privleak"] == pytest.approx(-100)
    assert "privleak" not in table(muse([1.0]))


def test_locuslab_has_the_same_numbers_under_other_names():
    """Forget: exp(-0.5) and exp(-1) on average; R = exp(1 - 2.5) and 1, so (0.223 + 1) / 2."""
    found = table(locuslab(), locuslab(shift=0.5))
    assert found["forget_Q_A_Prob"] == pytest.approx((0.60653 + 0.36788) / 2, abs=1e-5)
    assert found["forget_Q_A_ROUGE"] == 0.5
    assert found["forget_truth_ratio"] == pytest.approx((0.22313 + 1) / 2, abs=1e-5)
    assert found["retain_Truth_Ratio"] == pytest.approx((1 - 0.22313) / 2, abs=1e-5)
    assert 0 < found["model_utility"] < 1
    assert 0 < found["forget_quality"] <= 1


def test_a_part_that_is_missing_is_named():
    log = locuslab()
    del log["eval_log.json"]
    with pytest.raises(DataError, match=r"no 'eval_log\.json'"):
        table(log)


def test_a_reference_of_another_split_or_model_is_refused():
    other = muse([3.0]) | {"forget_knowmem_ROUGE": texts(("x", "y"), ("red fox", "z"))}
    with pytest.raises(DataError, match="its forget split is another"):
        table(muse([1.0]), other)
    other = muse([3.0]) | {"forget_verbmem_ROUGE": texts(("a b c d", "a"), ("a b c d", "b"), asked="[INST]")}  # fmt: skip
    with pytest.raises(DataError, match="another model, or was asked with another chat template"):
        table(muse([1.0]), other)
    fewer = muse([3.0]) | {"forget_knowmem_ROUGE": texts(("red fox", "red"))}
    with pytest.raises(DataError, match="2 forget samples and that of the retrained model 1"):
        table(muse([1.0]), fewer)
