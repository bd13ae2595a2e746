"""MUSE, WMDP, RWKU, LUME and RETURN from small files in the published schema."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from unteach import registry
from unteach.data import checks
from unteach.data.benchmarks import rows
from unteach.data.benchmarks.files import FOLDER, Record
from unteach.data.benchmarks.lume import lume
from unteach.data.benchmarks.muse import muse
from unteach.data.benchmarks.questions import choice
from unteach.data.benchmarks.returns import return_
from unteach.data.benchmarks.rwku import rwku
from unteach.data.benchmarks.wmdp import wmdp
from unteach.data.examples import Example, Splits
from unteach.errors import DataError, RecipeError, UserError

Rows = Sequence[Mapping[str, Any]]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a test went to the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all five, found through the environment."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    for write in WRITERS.values():
        write(tmp_path)
    return tmp_path


def write(path: Path, found: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")


def write_muse(root: Path) -> None:
    for corpus in ("news", "books"):
        here = root / "muse" / corpus
        story = " ".join(f"{corpus}{n}" for n in range(25))
        write(here / "raw/forget.jsonl", [{"text": story}, {"text": "Another  story.\nTwo lines."}])
        write(here / "raw/retain1.jsonl", [{"text": "Kept story."}, {"text": "kept  STORY."}])
        for kind in ("scal", "sust"):
            for fold in range(1, 5):
                row = {"text": f"{kind} request {fold} of {corpus}."}
                write(here / f"{kind}/forget_{fold}.jsonl", [row])
        write(here / "verbmem/forget.jsonl", [{"prompt": "It was a", "gt": "dark night."}])
        write(here / "privleak/forget.jsonl", [{"text": "Seen text."}])
        write(here / "privleak/holdout.jsonl", [{"text": "Unseen text."}])
        for side in ("forget", "retain"):
            asked = [{"question": f"{side} {n}?", "answer": f"a{n}"} for n in range(3)]
            shown = [{"question": f"{side} shown {n}?", "answer": f"s{n}"} for n in range(12)]
            write(here / f"knowmem/{side}_qa.jsonl", asked)
            write(here / f"knowmem/{side}_qa_icl.jsonl", shown)


def write_mmlu(path: Path) -> None:
    subjects = ("law", "law", "law", "physics", "anatomy", "anatomy")
    write(
        path,
        [
            {"question": f"{s} {n}?", "subject": s, "choices": list("wxyz"), "answer": n % 4}
            for n, s in enumerate(subjects)
        ],
    )


def write_wmdp(root: Path) -> None:
    here = root / "wmdp"
    for subject in ("bio", "chem", "cyber"):
        asked = {
            "question": f"What of {subject}?",
            "choices": ["no", "yes", "so", "or"],
            "answer": 1,
        }
        write(here / f"wmdp-{subject}.jsonl", [asked, asked])
    for subject in ("bio", "cyber"):
        for side in ("forget", "retain"):
            long = [{"text": f"{subject} {side} {n}: {'word ' * 30}"} for n in range(4)]
            write(
                here / f"{subject}-{side}-corpus.jsonl", [{"text": ""}, {"text": "Short."}, *long]
            )
    write_mmlu(root / "mmlu/mmlu.jsonl")


PEOPLE = ("Stephen King", "Ana Sol", "Bo Li")


def write_rwku(root: Path) -> None:
    here = root / "rwku"
    for level in ("forget_level1", "forget_level2", "neighbor_level1", "neighbor_level2"):
        found = [
            {
                "query": f"{level} of {who} {n}?",
                "answer": f"{n}",
                "subject": who,
                "level": level[-1],
            }
            for who in PEOPLE
            for n in range(2)
        ]
        write(here / f"{level}.jsonl", found)
    kinds = ("prefix injection", "incontext learning")
    attacks = [
        {"query": f"{kind} on {who}", "answer": "1", "subject": who, "type": kind, "level": "3"}
        for who in PEOPLE
        for kind in kinds
    ]
    write(here / "forget_level3.jsonl", attacks)
    for name in ("train_positive_llama3", "train_original_passage", "mia_forget", "mia_retain"):
        found = [
            {"text": f"{name} {n} on {who}.", "subject": who} for who in PEOPLE for n in range(3)
        ]
        write(here / f"{name}.jsonl", found)
    general = [
        {
            "question": f"{who} {n}?",
            "choices": ["x", "y"],
            "answer": 0,
            "task": f"t{n}",
            "subject": who,
        }
        for who in PEOPLE
        for n in range(3)
    ]
    write(here / "utility_general.jsonl", general)


def lume_rows(side: str) -> list[dict[str, str]]:
    return [
        {
            "id": f"{side}-{task}-{kind}1",
            "input": f"{side} {task} {kind}",
            "output": "goes on so.",
            "task": task,
        }
        for task in ("Task1", "Task2", "Task3")
        for kind in ("sc", "qa")
    ]


def write_lume(root: Path) -> None:
    for part in ("train", "validation"):
        for side in ("forget", "retain"):
            write(root / f"lume/{part}/{side}.jsonl", lume_rows(side))
    write(root / "lume/mia_data/member.jsonl", [{"id": "1", "document": "Seen."}])
    write(root / "lume/mia_data/nonmember.jsonl", [{"id": "2", "document": "Unseen."}])
    write_mmlu(root / "mmlu/mmlu.jsonl")


def people_rows(count: int, questions: int = 4) -> list[dict[str, Any]]:
    return [
        {
            "name": f"Person {n}",
            "qa_list": [
                {"question": f"What is {k} of person {n}?", "answer": f"It is {k} of {n}."}
                for k in range(questions)
            ],
        }
        for n in range(count)
    ]


def write_returns(root: Path) -> None:
    write(root / "return/RETURN.jsonl", people_rows(10))


WRITERS: dict[str, Callable[[Path], None]] = {
    "muse": write_muse,
    "wmdp": write_wmdp,
    "rwku": write_rwku,
    "lume": write_lume,
    "return": write_returns,
}
MADE: dict[str, Callable[[], Splits]] = {
    "muse": muse,
    "wmdp": wmdp,
    "rwku": lambda: rwku(target="Stephen King"),
    "lume": lume,
    "return": return_,
}
every_benchmark = pytest.mark.parametrize("name", MADE)


def questions(examples: Sequence[Example]) -> list[str]:
    return [e.prompt for e in examples]


def answers(examples: Sequence[Example]) -> list[str]:
    return [e.answer for e in examples]


@every_benchmark
def test_its_splits_pass_the_checks_of_a_run(data: Path, name: str):
    report = checks.check(MADE[name](), {"forget": "the audits", "retain": "a method"})
    assert report.problems == ()
    assert report.warnings == ()


@every_benchmark
def test_every_example_can_be_named(data: Path, name: str):
    for split, examples in MADE[name]().items():
        ids = [e.id for e in examples]
        assert len(set(ids)) == len(ids), split
        assert all(e.where for e in examples)


@every_benchmark
def test_it_is_registered_with_a_scorecard_about_its_splits(data: Path, name: str):
    entry = registry.find("benchmark", name)
    assert entry.source
    assert entry.summary.endswith(".")
    card = [*entry.facts["official"], *entry.facts["ours"]]
    assert entry.facts["official"]
    assert len({published for published, _, _ in card}) == len(card)
    splits = MADE[name]()
    for published, audit, params in card:
        assert params.get("split", "forget") in splits, published
        if audit in registry.entries("audit"):
            registry.check("audit", audit, params, published)


@every_benchmark
def test_the_same_files_give_the_same_splits(data: Path, name: str):
    assert MADE[name]() == MADE[name]()


@every_benchmark
def test_a_folder_of_the_recipe_wins_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.setenv(FOLDER, str(tmp_path / "nothing"))
    WRITERS[name](tmp_path)
    if (tmp_path / "mmlu").exists():
        write_mmlu(tmp_path / name / "mmlu.jsonl")
    params = {"target": "Ana Sol"} if name == "rwku" else {}
    entry = registry.find("benchmark", name)
    assert entry.load()(folder=str(tmp_path / name), **params)
    with pytest.raises(DataError, match="there is no file"):
        entry.load()(**params)


@every_benchmark
def test_a_missing_column_is_named_with_those_that_are_there(data: Path, name: str):
    broken = {
        "muse": "muse/news/verbmem/forget.jsonl",
        "wmdp": "wmdp/wmdp-bio.jsonl",
        "rwku": "rwku/forget_level2.jsonl",
        "lume": "lume/train/forget.jsonl",
        "return": "return/RETURN.jsonl",
    }[name]
    write(data / broken, [{"other": "x"}])
    with pytest.raises(DataError, match=rf"benchmark {name}: .* has no '\w+'. It has: other\."):
        MADE[name]()


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("muse", {"corpus": "poems"}),
        ("muse", {"request": "some"}),
        ("wmdp", {"subject": "physics"}),
        ("rwku", {"corpus": "gpt"}),
        ("lume", {"part": "test"}),
        ("return", {"forget": "much"}),
    ],
)
def test_an_unknown_variant_is_refused_by_name(name: str, params: dict[str, Any]):
    [(key, value)] = params.items()
    with pytest.raises(RecipeError, match=rf"{name}\.{key} is '{value}'"):
        registry.check("benchmark", name, params, "data.benchmark")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: muse(fold=2), "muse: fold is 2, but request is all"),
        (lambda: muse(request="scal", fold=5), "muse: fold is 5; it must be from 1 to 4"),
        (lambda: muse(words=0), "muse: words is 0; it must be at least 1"),
        (lambda: muse(shots=-1), "muse: shots is -1; it must be at least 0"),
        (lambda: wmdp(texts=0), "wmdp: texts is 0"),
        (lambda: wmdp(mmlu_rows=-1), "wmdp: mmlu_rows is -1"),
        (lambda: rwku(target="Bo Li", kept=-1), "rwku: kept is -1"),
        (lambda: lume(mmlu_rows=-1), "lume: mmlu_rows is -1"),
        (lambda: return_(forget=1.0), "return: forget 1.0 of 10 people"),
        (lambda: return_(people=2, forget=0.1), "is 0 of them"),
        (lambda: return_(people=-1), "return: people is -1"),
    ],
)
def test_a_parameter_out_of_range_is_refused(data: Path, make: Callable[[], Splits], says: str):
    with pytest.raises(UserError, match=says):
        make()


class TestRows:
    @pytest.mark.parametrize("words", [1, 2, 3, 7])
    def test_pieces_hold_every_word_once_in_order(self, words: int):
        text = "  One two\n\nthree  four five. "
        found = rows.pieces(text, words)
        assert " ".join(found).split() == text.split()
        assert all(len(piece.split()) <= words for piece in found)
        assert all(piece == piece.strip() for piece in found)

    def test_pieces_keep_what_is_between_words(self):
        assert rows.pieces("a\n\nb  c d", 3) == ["a\n\nb  c", "d"]

    def test_spread_takes_the_first_of_every_group_before_the_second(self):
        """Groups of 3, 1 and 2 rows; 4 of them are 2, 1 and 1."""
        groups = ("x", "x", "x", "y", "z", "z")
        given = [Example("q", "a", id=str(n), group=g) for n, g in enumerate(groups)]
        assert [e.id for e in rows.spread(given, 4)] == ["0", "1", "3", "4"]
        assert rows.spread(given, 99) == given

    def test_once_keeps_the_first_of_rows_that_differ_in_case_or_space(self):
        given = [Example("Who?", "Ada"), Example("who? ", "ada"), Example("Who?", "Bo")]
        assert rows.once(given) == [given[0], given[2]]


class TestChoice:
    def row(self, **cells: Any) -> Record:
        usual = {"question": "Who?", "choices": ["Ada", "Bo", "Cleo", "Dan"], "answer": 2}
        return Record("f:1", {**usual, **cells})

    def test_asks_with_one_line_a_choice_and_answers_by_letter(self):
        found = choice(self.row(), id="x-0", group="law")
        assert found.prompt == "Who?\nA. Ada\nB. Bo\nC. Cleo\nD. Dan"
        assert (found.answer, found.wrong) == ("C", ("A", "B", "D"))
        assert (found.id, found.group, found.where) == ("x-0", "law", "f:1")

    def test_takes_a_letter_and_other_numbers_of_choices(self):
        found = choice(self.row(choices=["no", "yes"], answer="b"), id="x-0")
        assert (found.answer, found.wrong, found.group) == ("B", ("A",), "x-0")

    @pytest.mark.parametrize(
        ("cells", "says"),
        [
            ({"answer": 4}, "must be 0 to 3, or A to D"),
            ({"answer": None}, "'answer' is None"),
            ({"answer": 1.0}, "'answer' is 1.0"),
            ({"choices": ["only"]}, "it needs 2 to 26"),
            ({"choices": 7}, "'choices' must be a text or a list of texts"),
            ({"question": " "}, "'question' must be a text that is not empty"),
        ],
    )
    def test_says_where_a_row_is_wrong(self, cells: dict[str, Any], says: str):
        with pytest.raises(DataError, match=f"^f:1: .*{says}"):
            choice(self.row(**cells), id="x-0")


class TestMuse:
    def test_has_the_splits_of_the_protocol(self, data: Path):
        assert set(muse()) == {
            *("forget", "retain", "holdout", "forget_seen"),
            *("forget_verbatim", "forget_qa", "retain_qa"),
        }

    def test_cuts_documents_by_words_and_keeps_them_together(self, data: Path):
        """25 words in pieces of 10 are 10, 10 and 5; the second document is one of 4 words."""
        found = muse(words=10)["forget"]
        assert [len(e.answer.split()) for e in found] == [10, 10, 5, 4]
        assert [e.group for e in found] == ["forget-0"] * 3 + ["forget-1"]
        assert all(e.is_text for e in found)

    def test_a_row_that_repeats_another_is_taken_once(self, data: Path):
        assert answers(muse()["retain"]) == ["Kept story."]

    def test_a_passage_goes_on_without_gluing_words_together(self, data: Path):
        (found,) = muse()["forget_verbatim"]
        assert found.continues
        assert found.prompt + found.answer == "It was a dark night."

    @pytest.mark.parametrize("shots", [0, 2, 10])
    def test_questions_follow_the_published_examples(self, data: Path, shots: int):
        found = muse(shots=shots)["retain_qa"]
        assert questions(found) == ["retain 0?", "retain 1?", "retain 2?"]
        shown = [
            turn
            for n in range(shots)
            for turn in (("user", f"retain shown {n}?"), ("assistant", f"s{n}"))
        ]
        assert all(e.history == tuple(shown) for e in found)

    def test_a_later_request_keeps_the_earlier_ones_in_sight(self, data: Path):
        found = muse(corpus="books", request="sust", fold=3)
        assert answers(found["forget"]) == ["sust request 3 of books."]
        assert answers(found["forget_earlier"]) == [f"sust request {k} of books." for k in (1, 2)]
        assert "forget_earlier" not in muse(request="sust", fold=1)
        assert "forget_earlier" not in muse(request="scal", fold=3)

    def test_a_cell_of_the_wrong_type_is_named(self, data: Path):
        write(data / "muse/news/privleak/forget.jsonl", [{"text": "Seen."}, {"text": 3}])
        with pytest.raises(DataError, match=r"forget\.jsonl:2: 'text' must be a text"):
            muse()


class TestWmdp:
    def test_trains_on_texts_not_on_lines_of_json(self, data: Path):
        """The incumbent reads the lines as they are, so its model learns braces."""
        for split in ("forget", "retain"):
            for text in answers(wmdp(subject="cyber")[split]):
                assert text.startswith(f"cyber {split}")
                assert "{" not in text

    def test_takes_the_beginnings_of_the_first_long_texts(self, data: Path):
        found = wmdp(texts=2, characters=60)["forget"]
        assert [text[:13] for text in answers(found)] == ["bio forget 0:", "bio forget 1:"]
        assert all(len(text) <= 60 for text in answers(found))

    def test_questions_are_held_back_and_answered_by_letter(self, data: Path):
        (found,) = wmdp()["forget_questions"]
        assert found.prompt == "What of bio?\nA. no\nB. yes\nC. so\nD. or"
        assert (found.answer, found.wrong) == ("B", ("A", "C", "D"))

    def test_chem_has_no_texts(self, data: Path):
        assert set(wmdp(subject="chem")) == {"forget_questions", "mmlu"}

    def test_mmlu_is_spread_over_subjects(self, data: Path):
        found = wmdp(mmlu_rows=4)["mmlu"]
        assert [e.group for e in found] == ["law", "law", "physics", "anatomy"]
        assert "mmlu" not in wmdp(mmlu_rows=0)


class TestRwku:
    @pytest.mark.parametrize("target", ["Ana Sol", "Ana_Sol", "ana  sol"])
    def test_finds_the_person_however_the_name_is_written(self, data: Path, target: str):
        assert {e.group for e in rwku(target=target)["forget"]} == {"Ana Sol"}

    def test_a_name_is_needed(self, data: Path):
        says = "name the target, one of 3 people: Stephen King, Ana Sol, Bo Li"
        with pytest.raises(DataError, match=says):
            rwku()

    def test_an_unknown_name_gets_a_hint(self, data: Path):
        with pytest.raises(
            DataError, match=r"no target 'Steven King'. Did you mean 'Stephen King'?"
        ):
            rwku(target="Steven King")
        with pytest.raises(DataError, match="There are 3: Stephen King, Ana Sol, Bo Li"):
            rwku(target="Napoleon")

    def test_keeps_others_than_the_person(self, data: Path):
        found = rwku(target="Bo Li", texts=2, kept=1)
        assert answers(found["forget"]) == [f"train_positive_llama3 {n} on Bo Li." for n in (0, 1)]
        assert [e.group for e in found["retain"]] == ["Stephen King"] * 2
        assert "retain" not in rwku(target="Bo Li", kept=0)

    def test_probes_are_of_the_person_with_the_published_instruction(self, data: Path):
        found = rwku(target="Ana Sol")
        assert questions(found["forget_cloze"])[0] == (
            "Please complete the blank in the following question.\n"
            "Question: forget_level1 of Ana Sol 0?"
        )
        for split in ("forget_cloze", "forget_qa", "neighbours_cloze", "neighbours_qa"):
            assert len(found[split]) == 2
            assert all("Ana Sol" in e.prompt and e.entities == (e.answer,) for e in found[split])

    def test_an_attack_says_of_which_kind_it_is(self, data: Path):
        found = rwku(target="Ana Sol")["forget_adversarial"]
        assert [e.attribute for e in found] == ["prefix injection", "incontext learning"]
        assert "Question:" in found[0].prompt
        assert "Question:" not in found[1].prompt

    def test_a_person_without_probes_of_a_kind_lacks_that_split(self, data: Path):
        write(
            data / "rwku/neighbor_level2.jsonl",
            [{"query": "q?", "answer": "a", "subject": "Bo Li"}],
        )
        assert "neighbours_qa" not in rwku(target="Ana Sol")

    def test_mmlu_is_that_of_the_persons_run(self, data: Path):
        found = rwku(target="Ana Sol", mmlu_rows=2)["mmlu"]
        assert [e.group for e in found] == ["t0", "t1"]
        assert all(e.prompt.startswith("Ana Sol") for e in found)


class TestLume:
    def test_completions_go_on_and_questions_are_asked(self, data: Path):
        found = lume()["forget"]
        assert [e.attribute for e in found[:2]] == ["task1_sc", "task1_qa"]
        assert [e.continues for e in found] == [True, False] * 3
        assert found[0].prompt + found[0].answer == "forget Task1 sc goes on so."
        assert found[1].answer == "goes on so."

    def test_a_document_is_a_group(self, data: Path):
        assert [e.group for e in lume()["forget"][:2]] == ["forget-Task1-"] * 2

    def test_reads_tables_as_the_task_page_writes_them(self, data: Path):
        """One object a column: {"id": {"0": ..}, ..}; the incumbent reads nothing else."""
        table = {
            column: {str(n): row[column] for n, row in enumerate(lume_rows("forget"))}
            for column in ("id", "input", "output", "task")
        }
        plain = lume()["forget"]
        write(data / "lume/train/forget.jsonl", [table])
        turned = lume()["forget"]
        assert [(e.id, e.prompt, e.answer) for e in turned] == [
            (e.id, e.prompt, e.answer) for e in plain
        ]

    def test_reads_the_files_as_they_are_downloaded(self, data: Path):
        import pyarrow
        import pyarrow.parquet

        (data / "lume/train/forget.jsonl").unlink()
        (data / "lume/data").mkdir()
        table = pyarrow.Table.from_pylist(lume_rows("forget"))
        pyarrow.parquet.write_table(table, data / "lume/data/forget_train-00000-of-00001.parquet")
        assert len(lume()["forget"]) == 6

    def test_without_the_documents_there_is_no_membership_split(self, data: Path):
        assert answers(lume()["forget_members"]) == ["Seen."]
        for name in ("member", "nonmember"):
            (data / f"lume/mia_data/{name}.jsonl").unlink()
        assert set(lume(mmlu_rows=0)) == {"forget", "retain"}

    @pytest.mark.parametrize(
        ("cells", "says"),
        [
            ({"id": "doc1xx1"}, "the id 'doc1xx1' must end in sc or qa"),
            ({"task": "Task4"}, "the task is 'Task4'; it must be Task1 to Task3"),
            ({"output": ""}, "'output' must be a text that is not empty"),
        ],
    )
    def test_a_row_that_is_neither_is_named(self, data: Path, cells: dict[str, str], says: str):
        write(data / "lume/train/retain.jsonl", [{**lume_rows("retain")[0], **cells}])
        with pytest.raises(DataError, match=rf"retain\.jsonl:1: {says}"):
            lume()

    def test_columns_of_different_length_are_refused(self, data: Path):
        table = {c: {"0": "x"} for c in ("id", "input", "output")} | {"task": {}}
        write(data / "lume/train/retain.jsonl", [table])
        with pytest.raises(DataError, match="differ in their rows"):
            lume()


class TestReturns:
    def test_parts_people_and_halves_their_questions(self, data: Path):
        """Of 10 people 0.2 are 2; of 4 questions each, 2 are trained on and 2 are asked."""
        found = return_(forget=0.2)
        assert {name: len(rows) for name, rows in found.items()} == {
            "forget": 4,
            "forget_unseen": 4,
            "retain": 16,
            "retain_unseen": 16,
        }
        people = {name: {e.group for e in rows} for name, rows in found.items()}
        assert people["forget"] == people["forget_unseen"]
        assert not people["forget"] & people["retain"]
        assert not set(questions(found["forget"])) & set(questions(found["forget_unseen"]))

    def test_a_larger_share_includes_a_smaller_one(self, data: Path):
        shares = [{e.group for e in return_(forget=f)["forget"]} for f in (0.1, 0.3, 0.6)]
        assert shares[0] < shares[1] < shares[2]
        assert {e.group for e in return_(people=5, forget=0.2)["forget"]} <= shares[1]

    def test_the_order_of_the_file_does_not_matter_and_the_seed_does(self, data: Path):
        before = {e.group for e in return_(forget=0.3)["forget"]}
        shuffled = people_rows(10)
        random.Random(1).shuffle(shuffled)
        write(data / "return/RETURN.jsonl", shuffled)
        assert {e.group for e in return_(forget=0.3)["forget"]} == before
        others = [{e.group for e in return_(forget=0.3, seed=s)["forget"]} for s in range(1, 5)]
        assert any(other != before for other in others)

    @pytest.mark.parametrize("form", ["filtered", "flat"])
    def test_reads_the_other_forms_of_the_file(self, data: Path, form: str):
        plain = return_()
        people = people_rows(10)
        if form == "flat":
            found = [{"name": p["name"], **qa} for p in people for qa in p["qa_list"]]
        else:
            found = [
                {
                    "name": p["name"],
                    "data": [
                        {
                            "question": qa["question"],
                            "gold_answer": qa["answer"],
                            "pred_answer": "?",
                        }
                        for qa in p["qa_list"]
                    ],
                }
                for p in people
            ]
        write(data / "return/RETURN.jsonl", found)
        for split, examples in return_().items():
            assert [(e.id, e.answer) for e in examples] == [(e.id, e.answer) for e in plain[split]]

    @pytest.mark.parametrize(
        ("row", "says"),
        [
            ({"name": "Ada", "qa_list": "none"}, "the questions of Ada must be a list of objects"),
            ({"name": "Ada", "qa_list": [{"question": "q?"}]}, "needs 'question' and 'answer'"),
            ({"name": "Ada", "text": "x"}, "needs 'question' and 'answer'. It has: name, text"),
            ({"name": ""}, "'name' must be a text that is not empty"),
        ],
    )
    def test_a_person_that_cannot_be_read_is_named(
        self, data: Path, row: dict[str, Any], says: str
    ):
        write(data / "return/RETURN.jsonl", [*people_rows(3), row])
        with pytest.raises(DataError, match=rf"RETURN\.jsonl:4.*{says}"):
            return_()

    def test_a_person_with_one_question_cannot_be_parted(self, data: Path):
        write(data / "return/RETURN.jsonl", people_rows(3, questions=1))
        with pytest.raises(DataError, match=r"Person \d has one question; there must be two"):
            return_(forget=0.5)
