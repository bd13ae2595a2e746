"""Every shipped recipe forgets, and keeps the rest, on a tiny model that knows eight people by heart.

Learning rates and lengths of the recipes are for a model of 135 million weights. Here all have the same,
adapters a higher rate, but for those listed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.run.test_recipes import METHODS, fitted
from unteach import recipe as recipes
from unteach.run.folder import RunFolder
from unteach.run.pipeline import run

pytestmark = pytest.mark.slow

FORGOTTEN = 0.4
"""Nats a token that forgetting takes at least; the outcomes seen are at least twice as much."""
KEPT = 0.5
"""What keeping may cost: this share of what was forgotten, or as many nats where little need be.

The outcome of a training follows processor, threads and seed: `graddiff` took 1.6 nats from forget and
0.2 from retain under one set of CPU instructions, 2.7 and 0.4 under another. So the bounds lie far from
the outcomes, and doing better than one's list says is no failure.
"""


@dataclass(frozen=True)
class Setting:
    """How long and how fast a recipe trains the tiny model."""

    lr: float = 6e-4
    steps: int = 40


ADAPTER = Setting(lr=6e-3)
SETTINGS: dict[str, Setting] = {
    **dict.fromkeys(("elm", "ihl", "memflex", "o3", "relearn_lora"), ADAPTER),
    **dict.fromkeys(("relearn_paper", "relearn_code", "relearn_code_tofu"), ADAPTER),
    **dict.fromkeys(("semeval_merge", "merge_linear", "merge_dare"), ADAPTER),
    "altpo": Setting(steps=80),
    "downgrade": Setting(lr=3e-4),
    "elm": Setting(lr=4e-3, steps=60),
    "ga_kl": Setting(steps=28),
    "graddiff": Setting(lr=4e-4),
    "kl_dro": Setting(lr=4e-4, steps=80),
    "klue": Setting(lr=1e-2),
    "kto": Setting(steps=60),
    "lat": Setting(lr=1e-3, steps=30),
    "layers_npo": Setting(lr=2e-3),
    "llm_surgery": Setting(steps=60),
    "max_entropy": Setting(steps=80),
    "o3": Setting(lr=2e-2, steps=120),
    "pcgrad": Setting(lr=4e-4, steps=80),
    "r2mu": Setting(lr=3e-2),
    "relearn_dpo_mean": Setting(steps=80),
    "relearn_dpo_token": Setting(steps=80),
    "rmu": Setting(lr=3e-2),
    "rmu_adaptive": Setting(lr=3e-2),
    "rmu_wmdp": Setting(lr=3e-2),
    "rmu_ou": Setting(lr=3e-3),
    "salun": Setting(lr=3e-3),
    "sam_npo": Setting(lr=4e-4, steps=80),
    "satimp": Setting(lr=3e-3, steps=60),
    "satimp_topk": Setting(lr=5e-3, steps=60),
    "sim_sat": Setting(lr=2e-3, steps=60),
    "simnpo": Setting(lr=2e-3, steps=60),
    "simnpo_paper": Setting(steps=80),
    "su": Setting(lr=4e-4, steps=80),
    "sure": Setting(lr=3e-3, steps=80),
    "task_vector": Setting(lr=1e-2),
    "unlikelihood": Setting(steps=80),
    "unteach": Setting(steps=120),
    "unteach_lasting": Setting(steps=120),
    "whp": Setting(lr=2e-3, steps=80),
    "whp_hard": Setting(lr=2e-3),
    "whp_intervention": Setting(lr=3e-3, steps=60),
    "zeroth_order": Setting(lr=0.2),
}

NO_RETAIN_TERM = "it reads forget alone, and in two blocks nothing is apart"
HARMS_RETAIN = {
    "ga": "the negative control",
    **dict.fromkeys(
        ("catnip", "ce_u", "undial", "whp", "whp_hard", "task_vector", "o3"), NO_RETAIN_TERM
    ),
    **dict.fromkeys(("flat_tv", "flat_kl", "flat_js", "flat_pearson"), NO_RETAIN_TERM),
    "ap": "retain answers are preferred to refusals, and nothing else is asked of them",
    "blur": "each step's rate of forgetting is guaranteed, and it has no end",
    "gru": "retain is protected to first order, before Adam rescales each weight",
    "downgrade": "its steps from loss values are noise to the retain answers",
    "lat": "what it moves under attack is moved without one too",
    "ga_kl": "ascent has no end, and the distance to the original lags behind it",
    "kto": "an answer is pushed until it has lost more than its refusal, faster than retain follows",
    "klue": "a twentieth of 192 neurons serves every answer",
    "rmu_ou": "a state is held at one block, for batches that do not meet the steered ones",
    "relearn_repair": "here its ascent is as long as its repair",
    "r2mu": "the matrices below a steered state serve every answer",
}
"""Forgets, and retain may go with it: why."""

ONLY_FORWARD = "it learns other answers and never pushes the true one down"
AT_ITS_LEVEL = "each row is let go where answers that were never taught are"
CERTAIN = "its weights are next to 0 where the model is certain, and here it is certain of all"
HARDLY_FORGETS = {
    **dict.fromkeys(("idk_nll", "relearn", "relearn_lora", "relearn_whole", "salun"), ONLY_FORWARD),
    **dict.fromkeys(("relearn_paper", "relearn_code", "relearn_code_tofu"), ONLY_FORWARD),
    "whp_intervention": "its teacher answers about somebody else, and is not far away here",
    "dpo": "it is content once the refusal is the likelier of the two",
    "relearn_dpo": "it is content once the vague answer is the likelier of the two",
    "icu": AT_ITS_LEVEL,
    **dict.fromkeys(("satimp_ou", "satimp_topk", "sim_imp"), CERTAIN),
    **dict.fromkeys(
        ("rmu", "rmu_adaptive", "rmu_wmdp"), "it moves one matrix of the first of two blocks"
    ),
    "zeroth_order": "forty steps from eight loss values each",
    "noise": "a control that does not know what is to go, repaired on retain",
    **dict.fromkeys(
        ("iau", "lunar", "needle"), "its constants are for a model that was trained on text"
    ),
}
"""Keeps retain, and may lower the true answers' likelihood by little: why."""

NOT_ON_THIS_MODEL = {
    "rocr": "in two blocks a name is not told apart from other words where it is written to",
    "ssd": "it takes as much from retain: 0.9 nats under one set of CPU instructions, 4.8 under another",
}
"""Neither holds on a model of two blocks: why. It still runs, and moves something."""


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of its own, so that the model is taught once."""
    return tmp_path_factory.mktemp("taught")


def moved(folder: RunFolder, split: str) -> float:
    """Nats a token that the mean negative log-likelihood of the split rose by."""
    findings = json.loads(folder.findings.read_text())["findings"]
    nats = {
        one["model"]: -np.log(np.maximum(one["per_example"], 1e-30)).mean()
        for one in findings
        if one["split"] == split
    }
    assert nats["original"] < 0.1, f"{split} was not learnt"
    return float(nats["unlearned"] - nats["original"])


def unlearned(name: str, model: Path, out: Path) -> RunFolder:
    content = yaml.safe_load(METHODS[name].read_text("utf-8"))
    setting = SETTINGS.get(name, Setting())
    for train in fitted(content["method"]):
        train |= {"steps": setting.steps, "batch": 8, "stop": None}
        train["optimizer"]["lr"] = setting.lr
    world = {"name": "world", "people": 8, "attributes": 2, "forget": 0.5, "brief": True}
    content |= {
        "model": str(model),
        "data": {"benchmark": {**world, "facts": 4, "texts": 2}, "max_tokens": 1024},
        "teach": {"epochs": 60, "lr": 0.01, "batch": 8},
        "audits": [{"name": "probability"}, {"name": "probability", "split": "retain"}],
        "device": "cpu",
        "save_model": False,
    }
    return run(recipes.parse(content, name), out, name=name)


# a model of two blocks that is asked otherwise than it was taught reveals nothing of it: see test_rounds
@pytest.mark.parametrize("name", [name for name in METHODS if not name.startswith("reveal_")])
def test_a_method_forgets_and_keeps(
    name: str,
    tiny_chat_folder: Path,
    tmp_path: Path,
    taught: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("UNTEACH_CACHE", str(taught))
    folder = unlearned(name, tiny_chat_folder, tmp_path / "run")
    forgot, lost = moved(folder, "forget"), moved(folder, "retain")
    assert (forgot, lost) != (0, 0)
    if name in NOT_ON_THIS_MODEL:
        return
    if name in HARDLY_FORGETS:
        assert lost < KEPT
        return
    assert forgot > FORGOTTEN
    if name not in HARMS_RETAIN:
        assert lost < KEPT * forgot
