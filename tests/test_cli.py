"""The command line: every command as a user types it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.run.conftest import (
    FORGET,
    RETAIN,
    Call,
    Ground,
    cache,
    call,
    finished,
    ground,
    shared_cache,
    stage,
)
from unteach import __version__, cli, registry
from unteach.recipe import shipped
from unteach.run.folder import RunFolder
from unteach.run.pipeline import run

__all__ = ["cache", "call", "finished", "ground", "shared_cache"]  # fixtures of tests/run

COMMANDS = sorted(typer.main.get_command(cli.app).commands)  # type: ignore[attr-defined]
RELEARN = {"synthesize": {"name": "relearn", "generic": 0.0, "completion": False}}
LAYOUTS = {"text": "─", "markdown": "|", "csv": ",", "latex": "\\begin{", "html": "<table"}
QUICK = [{"name": "probability"}]
LOGS = Path(__file__).parents[2] / "shared" / "data" / "tofu_eval_logs_llama32_1b"


@pytest.fixture(scope="session")
def another(
    ground: Ground, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:
    """A second run over the same taught model, by another method."""
    npo = stage({"split": "forget", "objective": "npo"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNTEACH_CACHE", str(shared_cache))
        out = tmp_path_factory.mktemp("runs") / "npo"
        return run(ground.recipe(title="NPO", method=[npo]), out, name="npo")


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_has_an_example(self, call: Call, command: str):
        said = call(command, "--help")
        assert said.code == 0
        assert f"Example: unteach {command}" in said.out
        assert "--json" in said.out

    def test_without_a_command_it_lists_them(self, call: Call):
        said = call()
        assert all(command in said.out + said.err for command in COMMANDS)

    def test_version(self, call: Call):
        assert call("--version").out == f"{__version__}\n"

    def test_help_needs_no_torch(self):
        """It answers at once: nothing heavy is imported before a command needs it."""
        code = (
            "import sys; from unteach import cli; sys.argv = ['unteach', 'list', 'audits']\n"
            "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
            "print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)), file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stderr == "[]\n"


class TestList:
    def test_names_everything_that_is_registered(self, call: Call):
        found = json.loads(call("list", "--json").out)
        for kind in registry.ROOMS:
            plural = {"synthesis": "syntheses"}.get(kind, f"{kind}s")
            assert set(found[plural]) == set(registry.entries(kind))

    def test_of_one_kind(self, call: Call):
        found = json.loads(call("list", "objectives", "--json").out)
        assert list(found) == ["objectives"]
        beta = found["objectives"]["npo"]["parameters"]["beta"]
        assert beta == {"type": "number above 0", "default": 0.1}

    def test_methods_are_the_shipped_recipes_that_train(self, call: Call):
        found = json.loads(call("list", "methods", "--json").out)["methods"]
        assert set(found) <= set(shipped())
        assert "unteach" in found
        assert all(entry["summary"] for entry in found.values())

    def test_as_text_it_has_a_line_each(self, call: Call):
        lines = call("list", "audits").out.splitlines()
        assert lines[0] == "audits:"
        assert len(lines) == 1 + len(registry.entries("audit"))

    def test_an_unknown_kind(self, call: Call):
        said = call("list", "nonsense")
        assert said.code == 2
        assert said.err.startswith("error: list: there is no 'nonsense'. Kinds: methods, ")


class TestShow:
    def test_an_entry_in_full(self, call: Call):
        said = call("show", "probability").out
        assert said.startswith("audit probability\n")
        assert "  split: str = 'forget'" in said
        assert "source: TOFU, arXiv:2401.06121" in said

    def test_a_name_of_two_things_shows_both(self, call: Call):
        """npo is an objective, and relearn a synthesis; each may be a shipped recipe too."""
        found = json.loads(call("show", "relearn", "--json").out)
        assert "synthesis" in found
        assert ("method" in found) == ("relearn" in shipped())

    def test_as_json(self, call: Call):
        found = json.loads(call("show", "npo", "--json").out)
        assert found["objective"]["source"] == "arXiv:2404.05868"
        assert found["objective"]["doc"].startswith("Negative preference")

    def test_an_unknown_name_is_guessed(self, call: Call):
        said = call("show", "probabilty")
        assert said.code == 2
        assert said.err == (
            "error: show: nothing is named 'probabilty'. Did you mean 'probability'?\n"
        )


class TestCheck:
    def test_a_good_recipe(self, call: Call, ground: Ground, tmp_path: Path):
        path = ground.write(tmp_path / "mine.yaml")
        said = call("check", path)
        assert (said.code, said.err) == (0, "")
        assert said.out.splitlines()[0] == (f"{path}: fine. Rows: forget 3, retain 3, holdout 2")

    @pytest.mark.parametrize("command", ["check", "report", "explain"])
    def test_a_name_that_no_file_can_have(self, call: Call, command: str):
        said = call(command, "x" * 5000)
        assert (said.code, said.err) == (2, f"error: {'x' * 80}...: this name is too long.\n")

    def test_as_json(self, call: Call, ground: Ground, tmp_path: Path):
        said = call("check", ground.write(tmp_path / "mine.yaml"), "--json")
        assert json.loads(said.out) == {
            "splits": {"forget": 3, "retain": 3, "holdout": 2},
            "warnings": [],
        }

    def test_an_override(self, call: Call, ground: Ground, tmp_path: Path):
        path = ground.write(tmp_path / "mine.yaml")
        said = call("check", path, "--set", "data.forget.rows=2", "--json")
        assert json.loads(said.out)["splits"]["forget"] == 2

    @pytest.mark.parametrize("name", sorted(shipped()))
    def test_every_shipped_recipe(self, call: Call, name: str):
        assert call("check", name).code == 0


class TestWorld:
    def test_writes_a_file_a_split(self, call: Call, tmp_path: Path):
        out = tmp_path / "world"
        said = call("world", "--people", 4, "--attributes", 2, "--out", out, "--json")
        sizes = json.loads(said.out)
        assert said.code == 0
        for name, rows in sizes.items():
            assert (out / f"{name}.jsonl").read_text().count("\n") == rows
        assert sizes["forget"] == 2

    def test_leaves_a_folder_alone(self, call: Call, tmp_path: Path):
        (tmp_path / "mine.txt").write_text("mine")
        said = call("world", "--people", 4, "--out", tmp_path)
        assert said.code == 2
        assert "the folder is not empty" in said.err

    def test_every_problem_is_said(self, call: Call, tmp_path: Path):
        said = call("world", "--people", 1, "--attributes", 99, "--out", tmp_path / "w")
        assert said.code == 2
        assert said.err.splitlines() == [
            "error: world: people is 1; it must be from 4 to 4000.",
            "world: attributes is 99; it must be from 1 to 12.",
        ]


class TestRun:
    def test_says_the_verdict_and_where_the_page_is(
        self, call: Call, ground: Ground, tmp_path: Path, cache: Path
    ):
        path = ground.write(tmp_path / "mine.yaml")
        said = call("run", path, "--out", tmp_path / "out", "--quiet")
        assert (said.code, said.err) == (0, "")
        assert said.out.endswith(f"\nReport: {tmp_path / 'out' / 'report.html'}\n")
        assert (tmp_path / "out" / "report.html").is_file()

    def test_as_json(self, call: Call, ground: Ground, tmp_path: Path, cache: Path):
        path = ground.write(tmp_path / "mine.yaml")
        found = json.loads(call("run", path, "--out", tmp_path / "out", "--json").out)
        assert found["report"] == str(tmp_path / "out" / "report.html")
        verdict = found["runs"][str(tmp_path / "out")]
        assert set(verdict) == {"status", "reason"}

    def test_progress_goes_to_stderr(
        self, call: Call, ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        path = ground.write(tmp_path / "mine.yaml", audits=QUICK, method=[])
        said = call("run", path, "--out", tmp_path / "out", "--json")
        assert "Teaching the original model" in said.err
        assert json.loads(said.out)

    def test_relative_data_are_beside_the_recipe(
        self, call: Call, ground: Ground, tmp_path: Path, cache: Path
    ):
        for split, place in ground.data.items():
            (tmp_path / f"{split}.jsonl").write_text(Path(place).read_text())
        data = {split: f"{split}.jsonl" for split in ground.data}
        path = ground.write(tmp_path / "mine.yaml", data=data, audits=QUICK, method=[])
        assert call("run", path, "--out", tmp_path / "out", "--quiet").code == 0

    def test_redact(self, call: Call, ground: Ground, tmp_path: Path, cache: Path):
        path = ground.write(tmp_path / "mine.yaml")
        call("run", path, "--out", tmp_path / "out", "--redact", "--quiet")
        assert_redacted((tmp_path / "out" / "report.html").read_text())


def assert_redacted(page: str) -> None:
    for question, answer, entity in FORGET:
        for text in (question, answer, entity):
            assert text not in page
    assert RETAIN[0][0] in page


class TestRedact:
    def test_a_whole_folder_can_be_given_away(
        self, call: Call, finished: RunFolder, tmp_path: Path
    ):
        out = tmp_path / "given"
        said = call("redact", finished.path, out)
        assert (said.code, said.err) == (0, "")
        assert "  data/forget.jsonl: all 3 rows, and their hash\n" in said.out
        assert said.out.endswith(f"Copy: {out}\n")
        names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
        assert names == {
            *("run.json", "recipe.yaml", "findings.json", "log.jsonl", "report.html"),
            *("data/retain.jsonl", "data/holdout.jsonl", "evidence/answers.jsonl"),
        }
        for name in names:
            text = (out / name).read_text()
            for row in FORGET:
                assert not [secret for secret in (*row, "Ada Byron", "Bo Olin") if secret in text]
        assert RETAIN[0][0] in (out / "report.html").read_text()
        again = tmp_path / "again.html"
        assert call("report", out, "--out", again).code == 0
        assert again.read_text() == (out / "report.html").read_text()

    def test_weights_go_along_when_asked(self, call: Call, finished: RunFolder, tmp_path: Path):
        said = call("redact", finished.path, tmp_path / "given", "--with-model", "--json")
        assert json.loads(said.out)["copy"] == str(tmp_path / "given")
        assert (tmp_path / "given" / "model" / "model.safetensors").is_file()

    def test_not_into_the_run_nor_over_anything(
        self, call: Call, finished: RunFolder, tmp_path: Path
    ):
        said = call("redact", finished.path, finished.path / "copy")
        assert said.code == 2
        assert "lies in the run itself" in said.err
        (tmp_path / "mine.txt").write_text("mine")
        assert "the folder is not empty" in call("redact", finished.path, tmp_path).err
        assert call("redact", tmp_path, tmp_path / "new").code == 2


class TestReport:
    def test_is_rendered_again_from_files(self, call: Call, finished: RunFolder, tmp_path: Path):
        page = tmp_path / "again.html"
        assert call("report", finished.path, "--out", page).code == 0
        assert page.read_text() == finished.report.read_text()

    def test_redacted_has_no_text_of_what_was_forgotten(
        self, call: Call, finished: RunFolder, tmp_path: Path
    ):
        page = tmp_path / "public.html"
        assert FORGET[0][0] in finished.report.read_text()
        assert call("report", finished.path, "--redact", "--out", page).code == 0
        assert_redacted(page.read_text())

    def test_of_a_run_that_was_changed(self, call: Call, finished: RunFolder, tmp_path: Path):
        shutil.copytree(finished.path, tmp_path / "run")
        for name in ("log.jsonl", "model/model.safetensors"):
            with (tmp_path / "run" / name).open("a") as file:
                file.write("\n")
        said = call("report", tmp_path / "run")
        assert said.code == 0
        sentence = "These files were changed after the run finished: "
        assert said.err == f"warning: {tmp_path / 'run'}: {sentence}log.jsonl.\n"
        page = (tmp_path / "run" / "report.html").read_text()
        for name in ("log.jsonl", "model/model.safetensors"):
            assert f"{sentence}{name}." in page
        findings = tmp_path / "run" / "findings.json"
        findings.write_text(findings.read_text().replace("0.0", "0.1"))
        refused = call("report", tmp_path / "run")
        assert refused.code == 2
        assert "findings.json: was changed after the run finished" in refused.err

    def test_of_no_run(self, call: Call, tmp_path: Path):
        said = call("report", tmp_path)
        assert said.code == 2
        assert said.err == (
            f"error: {tmp_path}: not a run folder, because it has no run.json. "
            "Give the folder that 'unteach run' wrote, once its run has finished.\n"
        )


QUESTIONS = [
    {"question": "Which is a bird?", "choices": ["oak", "wren", "trout", "moss"], "answer": 1},
    {"question": "Which is a tree?", "choices": ["oak", "wren", "trout", "moss"], "answer": 0},
]


class TestBenchmarks:
    @pytest.fixture
    def data(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Two questions in the schema of WMDP, where they are looked for."""
        path = tmp_path / "data" / "wmdp" / "wmdp-chem.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
        monkeypatch.setenv("UNTEACH_DATA", str(tmp_path / "data"))
        return path

    def test_an_audit_by_name_prints_the_scorecard(
        self, call: Call, ground: Ground, data: Path, tmp_path: Path, cache: Path
    ):
        given = ("--benchmark", "wmdp/chem", "--set", "data.benchmark.mmlu_rows=0")
        said = call("audit", ground.model, *given, "--out", tmp_path / "audit", "--quiet")
        assert said.code == 0, said.err
        assert "wmdp/chem" in said.out
        assert "WMDP accuracy" in said.out
        record = json.loads((tmp_path / "audit" / "run.json").read_text())
        assert record["benchmark"]["subject"] == "chem"
        page = (tmp_path / "audit" / "report.html").read_text()
        assert "Scorecard" in page

    def test_an_unknown_one_names_those_that_there_are(self, call: Call, ground: Ground):
        said = call("audit", ground.model, "--benchmark", "tofoo/forget10")
        assert said.code == 2
        assert "no benchmark is named 'tofoo'. Did you mean 'tofu'?" in said.err

    def test_a_file_that_is_not_there_is_named(
        self, call: Call, ground: Ground, data: Path, tmp_path: Path, cache: Path
    ):
        said = call("audit", ground.model, "--benchmark", "wmdp/bio", "--out", tmp_path / "a")
        assert said.code == 2
        assert said.err.startswith("error: benchmark wmdp: there is no file")

    def test_show_prints_the_scorecard(self, call: Call):
        said = call("show", "wmdp")
        assert "WMDP accuracy  multiple_choice(split=forget_questions)" in said.out


class TestScore:
    def test_a_log_of_another_format_is_one_sentence(self, call: Call, tmp_path: Path):
        log = tmp_path / "log.json"
        log.write_text('{"forget_Q_A_Prob": {}}')
        said = call("score", log)
        assert said.code == 2
        assert said.err.startswith("error: ")
        assert said.err.count("\n") == 1

    def test_a_file_that_is_no_json(self, call: Call, tmp_path: Path):
        (tmp_path / "log.json").write_text("TOFU")
        said = call("score", tmp_path / "log.json")
        assert (said.code, said.err.split(": ", 1)[1]) == (
            2,
            f"{tmp_path / 'log.json'}: is not JSON. Give a TOFU_EVAL.json.\n",
        )

    @pytest.mark.skipif(not LOGS.is_dir(), reason="the published logs are not beside this checkout")
    def test_a_published_log(self, call: Call):
        gold = LOGS / "retain90" / "TOFU_EVAL.json"
        log = LOGS / "full" / "evals_forget10" / "TOFU_EVAL.json"
        said = call("score", log, "--retrained", gold, "--json")
        found = json.loads(said.out)
        assert found["model_utility"] == pytest.approx(0.5991534707368931, rel=1e-6)
        assert found["forget_quality"] == pytest.approx(3.9054713571083378e-22, rel=1e-6)


class TestSweeps:
    @pytest.mark.parametrize(
        ("given", "said"),
        [
            (["--vary", "seed"], "--vary seed: write it as key.path=value,value"),
            (["--chain"], "--chain needs --vary"),
        ],
    )
    def test_half_a_sweep_is_refused(self, call: Call, given: list[str], said: str):
        found = call("compare", "--methods", "npo", *given)
        assert found.code == 2
        assert said in found.err


class TestCompare:
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_a_table_in_each_format(
        self, call: Call, finished: RunFolder, another: RunFolder, tmp_path: Path, layout: str
    ):
        page = tmp_path / "compare.html"
        said = call("compare", finished.path, another.path, "--out", page, "--format", layout)
        assert (said.code, said.err) == (0, "")
        assert LAYOUTS[layout] in said.out or layout == "text"
        assert "NPO" in said.out
        assert ("Report:" in said.out) == (layout == "text")
        assert "NPO" in page.read_text()

    def test_as_json(self, call: Call, finished: RunFolder, another: RunFolder, tmp_path: Path):
        page = tmp_path / "compare.html"
        said = call("compare", finished.path, another.path, "--out", page, "--json")
        assert set(json.loads(said.out)["runs"]) == {str(finished.path), str(another.path)}

    def test_runs_the_methods_it_is_given(
        self, call: Call, ground: Ground, tmp_path: Path, cache: Path
    ):
        paths = [
            ground.write(tmp_path / f"{n}.yaml", title=n, audits=QUICK) for n in ("one", "two")
        ]
        names = ", ".join(map(str, paths))
        said = call(
            "compare", "--methods", names, "--seeds", "0,1", "--out", tmp_path / "out", "-q"
        )
        assert said.code == 0
        assert {p.name for p in (tmp_path / "out").iterdir() if p.is_dir()} == {
            "one-0",
            "one-1",
            "two-0",
            "two-1",
        }

    @pytest.mark.parametrize("words", [(), ("runs/a", "--methods", "npo")])
    def test_either_runs_or_methods(self, call: Call, words: tuple[str, ...]):
        said = call("compare", *words)
        assert said.code == 2
        assert (
            said.err
            == "error: compare: give run folders, or one of --methods and --sweep to run first.\n"
        )

    def test_seeds_are_whole_numbers(self, call: Call):
        said = call("compare", "--methods", "unteach", "--seeds", "0,one")
        assert said.code == 2
        assert said.err == (
            "error: compare: --seeds 0,one: 'one' is not a whole number. Write it as 0,1,2.\n"
        )


class TestTeach:
    def test_writes_two_plain_folders(
        self, call: Call, ground: Ground, tmp_path: Path, cache: Path
    ):
        path = ground.write(tmp_path / "mine.yaml")
        said = call("teach", path, "--out", tmp_path / "models", "--quiet", "--json")
        assert json.loads(said.out) == {
            name: str(tmp_path / "models" / name) for name in ("original", "gold")
        }
        for name in ("original", "gold"):
            assert (tmp_path / "models" / name / "model.safetensors").is_file()

    def test_overwrites_only_when_told(
        self, call: Call, ground: Ground, tmp_path: Path, cache: Path
    ):
        path = ground.write(tmp_path / "mine.yaml")
        mine = tmp_path / "models" / "gold" / "mine.txt"
        mine.parent.mkdir(parents=True)
        mine.write_text("mine")
        said = call("teach", path, "--out", tmp_path / "models", "--quiet")
        assert said.code == 2
        assert said.err.startswith(f"error: {mine.parent}: the folder is not empty.")
        assert mine.exists()
        assert call("teach", path, "--out", tmp_path / "models", "-q", "--overwrite").code == 0
        assert not mine.exists()

    def test_a_recipe_that_does_not_teach(self, call: Call, ground: Ground, tmp_path: Path):
        path = ground.write(tmp_path / "mine.yaml", teach=None)
        said = call("teach", path, "--out", tmp_path / "models")
        assert said.code == 2
        assert said.err == (
            "error: the recipe has no 'teach:', so there is nothing to teach. "
            "Add teach: {epochs: 8}.\n"
        )


class TestSynthesize:
    def test_writes_data_without_a_model(self, call: Call, ground: Ground, tmp_path: Path):
        path = ground.write(tmp_path / "mine.yaml", method=[RELEARN], model="no/such-model")
        said = call("synthesize", path, "--out", tmp_path / "data", "--json")
        assert said.code == 0
        assert json.loads(said.out)["forget_relearn"]["rows"] > 0
        assert (tmp_path / "data" / "forget_relearn.jsonl").is_file()

    def test_overwrites_only_when_told(self, call: Call, ground: Ground, tmp_path: Path):
        path = ground.write(tmp_path / "mine.yaml", method=[RELEARN])
        for words, code in (((), 0), ((), 2), (("--overwrite",), 0)):
            assert call("synthesize", path, "--out", tmp_path / "data", *words).code == code


class TestAudit:
    def test_a_model_without_a_recipe(
        self, call: Call, ground: Ground, finished: RunFolder, tmp_path: Path, cache: Path
    ):
        words: list[Any] = ["audit", finished.model, "--original", ground.model, "--quiet"]
        for split in ("forget", "retain"):
            words += [f"--{split}", ground.data[split]]
        said = call(*words, "--set", "audits=quick", "--out", tmp_path / "out")
        assert (said.code, said.err) == (0, "")
        assert said.out.endswith(f"Report: {tmp_path / 'out' / 'report.html'}\n")

    def test_by_a_recipe_that_teaches_from_its_own_model(
        self, call: Call, ground: Ground, finished: RunFolder, tmp_path: Path, cache: Path
    ):
        """Gold must not be taught from the given original, which knows what gold never saw."""
        path = ground.write(tmp_path / "mine.yaml", audits=QUICK)
        words = ["--recipe", path, "--original", finished.model, "--out", tmp_path / "out"]
        assert call("audit", finished.model, *words, "--quiet").code == 0
        keys = RunFolder(tmp_path / "out").read_record()["models"]
        assert keys["gold"] == finished.read_record()["models"]["gold"]


class TestExitCodes:
    def test_usage(self, call: Call):
        assert call("run").code == 2
        assert call("run", "npo", "--nonsense").code == 2
        assert call("nonsense").code == 2

    def test_an_interruption(self, call: Call, monkeypatch: pytest.MonkeyPatch):
        def interrupted(*given: Any) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr("unteach.recipe.read", interrupted)
        said = call("check", "unteach")
        assert said.code == 130
        assert said.err == "\ninterrupted: run the same command again to go on\n"
