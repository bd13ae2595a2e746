"""A recipe to a run folder, on a model of 35 thousand weights."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.run.conftest import FORGET, KEEP, Ground, stage
from unteach.data.examples import read_jsonl
from unteach.errors import DataError, DiskFullError, OutputError, RecipeError
from unteach.report.read import read
from unteach.run import pipeline, teach
from unteach.run.folder import RunFolder
from unteach.run.pipeline import audit, run
from unteach.run.prepare import prepare
from unteach.run.progress import Progress
from unteach.train import log
from unteach.train.loop import Plan

FILES = (
    "data/forget.jsonl",
    "data/holdout.jsonl",
    "data/retain.jsonl",
    "data/splits.json",
    "evidence/answers.jsonl",
    "findings.json",
    "log.jsonl",
    "model/config.json",
    "model/model.safetensors",
    "model/tokenizer.json",
    "recipe.yaml",
    "report.html",
    "run.json",
)
LORA = {"name": "lora", "rank": 2}
RELEARN = {"synthesize": {"name": "relearn", "generic": 0.0, "completion": False}}


def no_training(*given: Any, **also: Any) -> int:
    raise AssertionError("it trained again")


def note_plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """What would be taught, instead of teaching it."""
    plans: list[Plan] = []

    def note(model: Any, plan: Plan, log: Any, **more: Any) -> int:
        plans.append(plan)
        return 0

    monkeypatch.setattr(teach, "train", note)
    return plans


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if not p.is_dir()}


class TestAFinishedRun:
    def test_has_every_file(self, finished: RunFolder):
        there = set(files(finished.path))
        assert set(FILES) <= there
        assert not [name for name in there if "unfinished" in name or name.startswith("state")]

    def test_keeps_no_pickle(self, finished: RunFolder):
        endings = {Path(name).suffix for name in files(finished.path)}
        assert endings <= {".json", ".jsonl", ".yaml", ".html", ".safetensors", ".npz", ".jinja"}

    def test_its_model_opens_with_plain_transformers(self, finished: RunFolder):
        model = AutoModelForCausalLM.from_pretrained(finished.model)
        tokenizer = AutoTokenizer.from_pretrained(finished.model)
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": "Who?"}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=False,
        )
        assert model(input_ids=ids).logits.shape[-1] == len(tokenizer)

    def test_its_model_is_not_the_one_it_started_from(self, finished: RunFolder):
        original = json.loads(finished.record.read_text())["models"]["original"]["key"]
        unlearned = json.loads(finished.record.read_text())["models"]["unlearned"]["key"]
        assert original != unlearned

    def test_its_log_has_a_line_a_step(self, finished: RunFolder):
        lines = [json.loads(line) for line in finished.log.read_text().splitlines()]
        assert [line["step"] for line in lines] == [1, 2, 3]
        assert set(lines[0]["terms"]) == {"forget.ascent", "retain.nll"}
        for name in ("loss", "lr", "grad_norm", "tokens_per_second", "memory_bytes", "seconds"):
            assert isinstance(lines[0][name], float | int), name

    def test_its_data_are_those_it_was_given(self, finished: RunFolder, ground: Ground):
        rows = read_jsonl(finished.data / "forget.jsonl")
        assert [(e.prompt, e.answer, e.entities[0]) for e in rows] == list(FORGET)
        about = json.loads((finished.data / "splits.json").read_text())
        assert about["forget"]["rows"] == 3
        assert about == finished.read_record()["splits"]

    def test_its_record_says_what_made_the_numbers(self, finished: RunFolder):
        record = finished.read_record()
        assert record["finished"] is True
        assert [s["stage"] for s in record["stages"]] == ["teach", "method[0].train", "audit"]
        assert set(record["models"]) == {"original", "unlearned", "gold"}
        assert {"torch", "transformers", "peft", "python"} <= set(record["packages"])
        assert record["seed"] == 0
        assert record["seconds"] == pytest.approx(sum(s["seconds"] for s in record["stages"]))

    def test_its_findings_are_one_a_model_and_audit(self, finished: RunFolder):
        found = json.loads(finished.findings.read_text())["findings"]
        names = {(f["model"], f["audit"], f["split"]) for f in found}
        assert len(names) == len(found)
        assert {m for m, _, _ in names} == {"original", "unlearned", "gold"}
        absent = [f for f in found if not f["available"]]
        assert {f["split"] for f in absent} == {"forget_paraphrased"}
        assert all(f["value"] is None for f in absent)
        assert {f["note"] for f in absent} == {
            "no split is named 'forget_paraphrased'. This run has: forget, holdout, retain."
        }

    def test_its_answers_stand_side_by_side(self, finished: RunFolder):
        lines = (finished.evidence / "answers.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        assert [r["question"] for r in rows if r["split"] == "forget"] == [q for q, _, _ in FORGET]
        assert all({"original", "unlearned", "gold", "truth"} <= set(row) for row in rows)

    def test_its_files_are_read_by_the_report(self, finished: RunFolder):
        assert read(finished.path).has("unlearned")

    def test_is_not_run_again(
        self, finished: RunFolder, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ):
        before = files(finished.path)
        monkeypatch.setattr(pipeline, "prepare", no_training)
        again = run(ground.recipe(), finished.path, name="tiny")
        assert again.path == finished.path
        assert files(finished.path) == before

    def test_says_that_it_is_finished(
        self, finished: RunFolder, ground: Ground, capsys: pytest.CaptureFixture[str]
    ):
        run(ground.recipe(), finished.path, progress=Progress())
        said = capsys.readouterr().err
        assert said == f"{finished.path}: this run is finished; --overwrite does it again\n"

    def test_is_not_replaced_by_another_recipe(self, finished: RunFolder, ground: Ground):
        before = files(finished.path)
        with pytest.raises(OutputError) as refused:
            run(ground.recipe(seed=1), finished.path)
        assert str(refused.value) == (
            f"{finished.path}: the folder holds the run of another recipe. "
            "Choose another --out, or give --overwrite to replace it."
        )
        assert files(finished.path) == before


class TestTheReport:
    def test_asks_no_network(self, finished: RunFolder):
        page = finished.report.read_text()
        links = re.findall(r"(?:src|href|srcset|action)\s*=\s*[\"']?([^\"'\s>]+)", page)
        assert [link for link in links if not link.startswith("#")] == []
        for loaded in ("<script", "<link", "<iframe", "<img", "@import", "url("):
            assert loaded not in page.lower()

    def test_escapes_what_data_and_model_say(
        self, ground: Ground, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ):
        from unteach.audit import evidence

        said = "<script>alert('x')</script> & \"so\""
        monkeypatch.setattr(evidence, "as_text", lambda tokenizer, ids: said)
        monkeypatch.setenv("UNTEACH_CACHE", str(tmp_path / "cache"))
        page = run(ground.recipe(method=[]), tmp_path / "out").report.read_text()
        assert "<script" not in page
        assert "&lt;script&gt;alert(" in page
        assert "<b>Corn" not in page
        assert "&lt;b&gt;Corn &amp; Oil&lt;/b&gt;" in page


class TestOverwrite:
    def test_replaces_only_what_a_run_wrote(self, ground: Ground, tmp_path: Path, cache: Path):
        out = tmp_path / "run"
        run(ground.recipe(audits=[{"name": "probability"}]), out)
        (out / "notes.txt").write_text("mine")
        other = ground.recipe(audits=[{"name": "probability"}], save_model=False)
        run(other, out, overwrite=True)
        assert (out / "notes.txt").read_text() == "mine"
        assert not (out / "model").exists()
        assert other.digest() in (out / "recipe.yaml").read_text()

    def test_never_touches_a_folder_that_is_not_a_run(self, ground: Ground, tmp_path: Path):
        (tmp_path / "thesis.tex").write_text("years")
        for overwrite in (False, True):
            with pytest.raises(OutputError, match="files that are not a run"):
                run(ground.recipe(), tmp_path, overwrite=overwrite)
        assert files(tmp_path) == {"thesis.tex": b"years"}


class TestStages:
    def test_what_is_synthesized_is_trained_on(self, ground: Ground, tmp_path: Path, cache: Path):
        learn = stage({"split": "forget_relearn", "objective": "nll"}, KEEP)
        folder = run(ground.recipe(method=[RELEARN, learn]), tmp_path / "run")
        record = folder.read_record()
        assert [s["stage"] for s in record["stages"]] == [
            "teach",
            "method[0].synthesize",
            "method[1].train",
            "audit",
        ]
        made = read_jsonl(folder.data / "forget_relearn.jsonl")
        assert record["splits"]["forget_relearn"]["rows"] == len(made) > 0
        assert (folder.data / "forget_relearn_records.jsonl").is_file()
        lines = [json.loads(line) for line in folder.log.read_text().splitlines()]
        assert set(lines[0]["terms"]) == {"forget_relearn.nll", "retain.nll"}

    def test_an_epoch_is_a_pass_over_the_first_terms_split(
        self, ground: Ground, tmp_path: Path, cache: Path
    ):
        """3 rows of forget: batches of 2 and 1 make 1.5 steps a pass; one of 8 makes 1."""
        for batch, epochs, steps in ((2, 2, 3), (2, 3, 4), (8, 4, 4), (8, 0.1, 1)):
            train = stage(steps=None, epochs=epochs, batch=batch)
            recipe = ground.recipe(method=[train], audits=[{"name": "probability"}])
            folder = run(recipe, tmp_path / f"{batch}-{epochs}")
            assert folder.log.read_text().count("\n") == steps

    def test_two_training_stages_follow_each_other(
        self, ground: Ground, tmp_path: Path, cache: Path
    ):
        method = [stage(steps=2, select=LORA), stage(KEEP, steps=1)]
        folder = run(ground.recipe(method=method), tmp_path / "run")
        lines = [json.loads(line) for line in folder.log.read_text().splitlines()]
        assert [(line["stage"], line["step"]) for line in lines] == [
            ("method[0].train", 1),
            ("method[0].train", 2),
            ("method[1].train", 1),
        ]
        assert (folder.model / "model.safetensors").is_file()

    def test_a_method_that_reads_forget_alone_needs_no_other_rows(
        self, ground: Ground, tmp_path: Path, cache: Path
    ):
        method = [stage({"split": "forget", "objective": "undial"})]
        alone = {"forget": ground.data["forget"]}
        folder = run(ground.recipe(data=alone, teach=None, method=method), tmp_path / "out")
        assert {split.stem for split in folder.data.glob("*.jsonl")} == {"forget"}
        assert folder.report.is_file()

    def test_rows_that_a_synthesis_would_make_are_asked_for_with_its_name(
        self, ground: Ground, tmp_path: Path
    ):
        term = {"split": "forget", "objective": "dpo", "pairs": {"preferred": "forget_idk"}}
        with pytest.raises(
            DataError,
            match=r"no split is named 'forget_idk', which method\[0\]\.train\.terms\[0\]\.pairs\."
            r"preferred reads\. .* Add it under data:, make it with a stage synthesize: refusals, or",
        ):
            run(ground.recipe(method=[stage(term)]), tmp_path / "out")

    def test_pairs_are_as_many_as_the_rows_they_belong_to(
        self, ground: Ground, tmp_path: Path, cache: Path
    ):
        term = {"split": "forget", "objective": "dpo", "pairs": {"preferred": "holdout"}}
        with pytest.raises(
            DataError, match=r"each of 3 rows of 'forget' .*, and 'holdout' has 2\."
        ):
            run(ground.recipe(method=[stage(term)]), tmp_path / "out")

    def test_a_model_on_the_side_leaves_the_model_as_it_was(
        self, ground: Ground, tmp_path: Path, cache: Path
    ):
        """Taken away again 0 times: the unlearned model is the original, bit for bit."""
        side = stage({"split": "forget", "objective": "nll"}, into="more")
        method = [side, {"edit": {"name": "negate", "of": "more", "scale": 0.0}}]
        folder = run(ground.recipe(method=method, teach=None), tmp_path / "out")
        found = load_file(folder.model / "model.safetensors")
        first = load_file(ground.model / "model.safetensors")
        assert all(torch.equal(found[name], first[name]) for name in first)
        assert [line["stage"] for line in log.read(folder.log)] == ["method[0].train"] * 3

    def test_an_adapter_is_saved_as_a_whole_model_that_audit_opens(
        self, ground: Ground, tmp_path: Path, cache: Path
    ):
        recipe = ground.recipe(method=[stage(select=LORA)], audits=[{"name": "probability"}])
        folder = run(recipe, tmp_path / "run")
        assert (folder.model / "model.safetensors").is_file()
        assert (folder.last_adapter / "adapter_model.safetensors").is_file()
        audited = audit(recipe, str(folder.model), tmp_path / "audit")
        mine, theirs = (
            read(f.path).measured("unlearned", "probability", "forget") for f in (folder, audited)
        )
        assert mine is not None
        assert theirs is not None
        assert theirs.point == pytest.approx(mine.point, rel=1e-4)

    def test_without_save_model_there_is_no_model(
        self, ground: Ground, tmp_path: Path, cache: Path
    ):
        folder = run(ground.recipe(save_model=False), tmp_path / "run")
        assert not folder.model.exists()
        assert read(folder.path).has("unlearned")

    def test_gold_must_be_at_hand_where_it_is_asked_for(self, ground: Ground, tmp_path: Path):
        term = {"split": "forget", "objective": "ascent", "down_to": "gold"}
        with pytest.raises(RecipeError, match=r"method\[0\]\.train\.terms\[0\]\.down_to: 'gold'"):
            run(ground.recipe(teach=None, method=[stage(term)]), tmp_path / "run")
        assert not (tmp_path / "run").exists()


class TestTeaching:
    def test_is_done_once_for_all_runs(
        self, ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        recipe = ground.recipe(audits=[{"name": "probability"}], save_model=False)
        first = run(recipe, tmp_path / "first")
        monkeypatch.setattr(teach, "train", no_training)
        second = run(recipe, tmp_path / "second")
        stages = [f.read_record()["stages"][0] for f in (first, second)]
        assert [s["cached"] for s in stages] == [False, True]
        keys = [f.read_record()["models"] for f in (first, second)]
        assert keys[0] == keys[1]

    @pytest.mark.parametrize("change", [{"epochs": 3}, {"lr": 0.02}, {"batch": 2}])
    def test_taught_otherwise_is_another_model(
        self,
        ground: Ground,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        change: dict[str, Any],
    ):
        trained = note_plans(monkeypatch)
        taught = {"epochs": 2, "lr": 0.01, "batch": 3}
        for given in (taught, taught | change, taught):
            ready = prepare(ground.recipe(teach=given), Path())
            teach.original(ready, Progress(quiet=True))
        assert len(trained) == 2

    def test_an_epoch_is_a_pass_over_rows_that_are_fewer_than_a_batch(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ):
        """6 rows make one batch, so 4 epochs are 4 steps, and not 4 * 6 / 8 = 3."""
        plans = note_plans(monkeypatch)
        taught = {"epochs": 4, "batch": 8}
        teach.original(prepare(ground.recipe(teach=taught), Path()), Progress(quiet=True))
        assert plans[0].steps == 4

    def test_gold_never_saw_the_forget_rows(self, ground: Ground, monkeypatch: pytest.MonkeyPatch):
        plans = note_plans(monkeypatch)
        ready = prepare(ground.recipe(), Path())
        teach.original(ready, Progress(quiet=True))
        teach.gold(ready, Progress(quiet=True))
        rows = [
            {i for step in range(plan.steps) for i in plan.window(step)["taught"]} for plan in plans
        ]
        assert rows == [{0, 1, 2, 3, 4, 5}, {3, 4, 5}]

    def test_a_model_given_as_gold_is_used(self, ground: Ground, tmp_path: Path, cache: Path):
        recipe = ground.recipe(teach=None, gold=str(ground.model), method=[stage(steps=1)])
        folder = run(recipe, tmp_path / "run")
        models = folder.read_record()["models"]
        assert models["gold"]["key"] == models["original"]["key"]
        assert folder.read_record()["stages"][0]["cached"] is True


class TestAudit:
    def test_opens_a_folder_that_plain_transformers_wrote(
        self, ground: Ground, tmp_path: Path, cache: Path
    ):
        model = AutoModelForCausalLM.from_pretrained(ground.model)
        with torch.no_grad():
            model.model.norm.weight.mul_(0.5)
        model.save_pretrained(tmp_path / "theirs")
        AutoTokenizer.from_pretrained(ground.model).save_pretrained(tmp_path / "theirs")
        recipe = ground.recipe(teach=None, method=[])
        folder = audit(recipe, str(tmp_path / "theirs"), tmp_path / "audit")
        found = read(folder.path)
        assert found.has("original")
        assert found.has("unlearned")
        assert not found.has("gold")
        assert folder.report.is_file()
        assert not folder.model.exists()

    def test_of_the_original_itself_has_nothing_to_compare_with(
        self, ground: Ground, tmp_path: Path, cache: Path
    ):
        recipe = ground.recipe(teach=None, method=[])
        found = read(audit(recipe, str(ground.model), tmp_path / "audit").path)
        assert found.has("unlearned")
        assert not found.has("original")

    def test_against_a_given_original(
        self, ground: Ground, finished: RunFolder, tmp_path: Path, cache: Path
    ):
        recipe = ground.recipe(teach=None, method=[])
        folder = audit(recipe, str(finished.model), tmp_path / "audit", original=str(ground.model))
        found = read(folder.path)
        assert found.has("original")
        assert found.record.title == f"Audit of {finished.path.name}/model"

    def test_changes_nothing_in_the_audited_folder(
        self, ground: Ground, finished: RunFolder, tmp_path: Path, cache: Path
    ):
        before = files(finished.model)
        audit(ground.recipe(), str(finished.model), tmp_path / "audit")
        assert files(finished.model) == before


class TestAnInterruption:
    """What is left behind by one at the worst place, and that the next call mends it."""

    def test_in_the_audit_keeps_the_model_and_the_data_it_made(
        self, ground: Ground, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ):
        learn = stage({"split": "forget_relearn", "objective": "nll"})
        asked = {"name": "probability", "split": "forget_relearn"}
        recipe = ground.recipe(method=[RELEARN, learn], audits=[asked])
        whole = run(recipe, tmp_path / "whole")

        def interrupted(*given: Any) -> Any:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "examine", interrupted)
            with pytest.raises(KeyboardInterrupt):
                run(recipe, tmp_path / "run")
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "train_stage", no_training)
            folder = run(recipe, tmp_path / "run")
        assert folder.read_record()["splits"] == whole.read_record()["splits"]
        assert folder.findings.read_text() == whole.findings.read_text()
        assert files(folder.data) == files(whole.data)

    def test_before_the_report_does_not_count_as_finished(
        self, ground: Ground, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def full(*given: Any, **also: Any) -> None:
            raise OSError(28, "No space left on device")

        recipe = ground.recipe(method=[], audits=[{"name": "probability"}])
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "write_report", full)
            with pytest.raises(DiskFullError):
                run(recipe, tmp_path / "run")
        assert run(recipe, tmp_path / "run").report.is_file()

    def test_with_other_data_in_between_is_refused(
        self, ground: Ground, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """The recipe is the same, but what its file of rows holds is not: two halves of two runs."""
        from tests.run.conftest import write_data, write_rows

        moved = Ground(ground.model, write_data(tmp_path / "data"))
        recipe = moved.recipe(audits=[{"name": "probability"}])

        def interrupted(*given: Any, **also: Any) -> Any:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "examine", interrupted)
            with pytest.raises(KeyboardInterrupt):
                run(recipe, tmp_path / "run")
        write_rows(tmp_path / "data" / "forget.jsonl", FORGET[:2])
        with pytest.raises(OutputError) as refused:
            run(recipe, tmp_path / "run")
        assert str(refused.value) == (
            f"{tmp_path / 'run'}: the rows of forget are not those this run was started with. "
            "Put them back, choose another --out, or give --overwrite to start anew."
        )


def test_what_a_run_learned_is_the_same_twice(ground: Ground, tmp_path: Path, cache: Path):
    recipe = ground.recipe(audits=[{"name": "probability"}])
    first, second = (run(recipe, tmp_path / name) for name in ("first", "second"))
    weights = [load_file(f.model / "model.safetensors") for f in (first, second)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert first.findings.read_text() == second.findings.read_text()
