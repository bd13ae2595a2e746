import csv
import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub.constants
import pyarrow
import pyarrow.parquet
import pytest

from unteach import recipe, registry
from unteach.data.examples import Example, write_jsonl
from unteach.data.sources import read, read_split
from unteach.errors import DataError
from unteach.recipe import Source

SHARED = Path(__file__).parents[3] / "shared" / "data"

Rows = Sequence[Mapping[str, Any]]

PAIRS: list[dict[str, Any]] = [
    {"prompt": "Where was Ana born?", "answer": "In Lyon."},
    {"prompt": "Où vit-elle ?", "answer": "À Nîmes,\nnear the \u2028 arena."},
]


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a test went to the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def offline(monkeypatch):
    """The two variables are read once, on import, so what was read is set as well."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def write_lines(path: Path, rows: Rows) -> None:
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_json(path: Path, rows: Rows) -> None:
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")


def write_csv(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path: Path, rows: Rows) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def split_of(tmp_path: Path, rows: Rows, **columns: Any) -> list[Example]:
    """The examples of rows written to forget.jsonl."""
    write_lines(tmp_path / "forget.jsonl", rows)
    return read_split("forget", Source(path="forget.jsonl", **columns), tmp_path)


def problems_of(folder: Path, path: str, **columns: Any) -> list[str]:
    """The sentences that reading the split `forget` ends with."""
    with pytest.raises(DataError) as caught:
        read_split("forget", Source(path=path, **columns), folder)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("ending", "write", "where"),
    [
        ("jsonl", write_lines, ["forget.jsonl:1", "forget.jsonl:2"]),
        ("json", write_json, ["forget.json[0]", "forget.json[1]"]),
        ("json", write_lines, ["forget.json:1", "forget.json:2"]),
        ("csv", write_csv, ["forget.csv:2", "forget.csv:4"]),  # a cell of two lines: the last one
        ("parquet", write_parquet, ["forget.parquet[0]", "forget.parquet[1]"]),
        ("JSONL", write_lines, ["forget.JSONL:1", "forget.JSONL:2"]),
    ],
)
def test_a_file_gives_its_rows_with_ids_groups_and_places(tmp_path, ending, write, where):
    write(tmp_path / f"forget.{ending}", PAIRS)
    examples = read_split("forget", Source(path=f"forget.{ending}"), tmp_path)
    assert examples == [
        Example(**pair, id=f"forget-{n}", group=f"forget-{n}", where=where[n])
        for n, pair in enumerate(PAIRS)
    ]


@pytest.mark.parametrize(
    ("ending", "write"),
    [("jsonl", write_lines), ("json", write_json), ("csv", write_csv), ("parquet", write_parquet)],
)
def test_rows_reads_only_the_first(tmp_path, ending, write):
    write(tmp_path / f"forget.{ending}", PAIRS)
    source = Source(path=f"forget.{ending}", rows=1)
    assert [e.prompt for e in read_split("forget", source, tmp_path)] == ["Where was Ana born?"]


def test_a_file_written_by_us_is_read_back_whole(tmp_path):
    written = [
        Example(
            "Where?",
            "In Lyon.",
            wrong=("In Nice.", "In Metz."),
            entities=("Lyon",),
            id="ana-1",
            group="ana",
            attribute="birthplace",
            history=(("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello")),
            where="forget.jsonl:1",
        ),
        Example("", "A whole text.", id="text", group="text", where="forget.jsonl:2"),
    ]
    write_jsonl(tmp_path / "forget.jsonl", written)
    assert read_split("forget", Source(path="forget.jsonl"), tmp_path) == written


def test_a_csv_cell_may_hold_a_list_as_json(tmp_path):
    rows = [
        {"question": "Q", "answer": "A", "wrong": '["B", "C"]', "entities": "[name] of Lyon"},
        {"question": "Q", "answer": "D", "wrong": "", "entities": "D"},
    ]
    write_csv(tmp_path / "forget.csv", rows)
    examples = read_split("forget", Source(path="forget.csv"), tmp_path)
    assert [e.wrong for e in examples] == [("B", "C"), ()]
    assert [e.entities for e in examples] == [("[name] of Lyon",), ("D",)]


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path):
    (tmp_path / "forget.csv").write_bytes(b"\xef\xbb\xbfprompt,answer\r\nQ,A\r\n")
    assert read_split("forget", Source(path="forget.csv"), tmp_path)[0].prompt == "Q"


def test_blank_lines_count_as_lines_and_not_as_rows(tmp_path):
    (tmp_path / "forget.jsonl").write_text('\n{"text": "a"}\n\n{"text": "b"}\n', encoding="utf-8")
    examples = read_split("forget", Source(path="forget.jsonl"), tmp_path)
    assert [(e.id, e.where) for e in examples] == [
        ("forget-0", "forget.jsonl:2"),
        ("forget-1", "forget.jsonl:4"),
    ]


def test_a_folder_of_texts_is_read_in_the_order_of_its_names(tmp_path):
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "b.txt").write_text("Second.\n", encoding="utf-8")
    (tmp_path / "books" / "a.txt").write_text("First\ntext.\n", encoding="utf-8")
    (tmp_path / "books" / "notes.md").write_text("not read", encoding="utf-8")
    assert read_split("forget", Source(path="books/"), tmp_path) == [
        Example("", "First\ntext.", id="a.txt", group="a.txt", where="books/a.txt"),
        Example("", "Second.", id="b.txt", group="b.txt", where="books/b.txt"),
    ]
    assert len(read_split("forget", Source(path="books", rows=1), tmp_path)) == 1


def test_a_saved_data_set_is_read(tmp_path):
    datasets.Dataset.from_list(PAIRS).save_to_disk(tmp_path / "saved")
    examples = read_split("forget", Source(path="saved", rows=1), tmp_path)
    assert [(e.prompt, e.where) for e in examples] == [("Where was Ana born?", "saved[0]")]


def test_a_saved_dictionary_of_data_sets_is_read_by_split(tmp_path):
    one = datasets.Dataset.from_list(PAIRS)
    datasets.DatasetDict({"train": one, "test": one}).save_to_disk(tmp_path / "saved")
    assert len(read_split("forget", Source(path="saved", split="test"), tmp_path)) == 2
    assert problems_of(tmp_path, "saved", split="forget10") == [
        "saved: there is no split 'forget10'. It has: train, test. Name one under data.forget.split."
    ]


def test_a_hub_name_is_owner_name_and_config(tmp_path, monkeypatch):
    asked = []

    def load(*args, **kwargs):
        asked.append((args, kwargs))
        return datasets.Dataset.from_list(PAIRS)

    monkeypatch.setattr(datasets, "load_dataset", load)
    examples = read_split("forget", Source(path="hf:owner/name/forget10", rows=1), tmp_path)
    read_split("forget", Source(path="hf:owner/name", split="test"), tmp_path)
    assert [e.where for e in examples] == ["hf:owner/name/forget10[0]"]
    assert asked == [
        (("owner/name", "forget10"), {"split": "train"}),
        (("owner/name", None), {"split": "test"}),
    ]


def test_a_hub_name_that_cannot_be_reached_says_what_to_do(tmp_path, offline):
    [problem] = problems_of(tmp_path, "hf:nobody-here/no-such-set/forget10")
    assert problem.startswith(
        "hf:nobody-here/no-such-set/forget10: could not be loaded (offline?): Couldn't reach "
    )
    assert problem.endswith(
        ". Check the name, the config and the split 'train', or give a local file instead."
    )
    assert "\n" not in problem


@pytest.mark.parametrize("path", ["hf:", "hf:tofu", "hf:owner/", "hf:owner/name/"])
def test_a_hub_name_that_is_not_one_is_shown_how(tmp_path, path):
    assert problems_of(tmp_path, path) == [
        f"data.forget.path: write '{path}' as hf:owner/name/config."
    ]


def test_messages_end_with_the_question_and_the_answer(tmp_path):
    system, hi = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}
    hello = {"role": "assistant", "content": "Hello"}
    asked = {"role": "user", "content": "Where?"}
    told = {"role": "assistant", "content": "In Lyon."}
    long, short = split_of(
        tmp_path, [{"messages": [system, hi, hello, asked, told]}, {"messages": [asked, told]}]
    )
    assert (long.prompt, long.answer) == (short.prompt, short.answer) == ("Where?", "In Lyon.")
    assert long.history == (("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"))
    assert short.history == ()


def test_conversations_name_their_speakers_human_and_gpt(tmp_path):
    turns = [{"from": "human", "value": "Where?"}, {"from": "gpt", "value": "In Lyon."}]
    [example] = split_of(tmp_path, [{"conversations": turns}])
    assert (example.prompt, example.answer) == ("Where?", "In Lyon.")


def test_messages_survive_parquet_and_csv(tmp_path):
    turns = [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "In Lyon."}]
    write_parquet(tmp_path / "a.parquet", [{"messages": turns}])
    write_csv(tmp_path / "b.csv", [{"messages": json.dumps(turns)}])
    for name in ("a.parquet", "b.csv"):
        [example] = read_split("forget", Source(path=name), tmp_path)
        assert (example.prompt, example.answer) == ("Where?", "In Lyon.")


def test_named_columns_are_read_and_win_over_usual_names(tmp_path):
    row = {
        "q": "Where?",
        "answer": "not this",
        "a": "In Lyon.",
        "bad": ["In Nice."],
        "who": 7,
        "key": "k1",
        "names": "Lyon",
    }
    [example] = split_of(
        tmp_path,
        [row],
        prompt="q",
        answer="a",
        wrong="bad",
        group="who",
        id="key",
        entities="names",
    )
    assert example == Example(
        "Where?",
        "In Lyon.",
        wrong=("In Nice.",),
        entities=("Lyon",),
        id="k1",
        group="7",
        where="forget.jsonl:1",
    )


def test_optional_fields_may_be_null_or_absent(tmp_path):
    rows: Rows = [
        {"prompt": "Q", "answer": "A", "id": None, "wrong": None},
        {"prompt": "Q", "answer": "B"},
    ]
    assert [(e.id, e.group, e.wrong) for e in split_of(tmp_path, rows)] == [
        ("forget-0", "forget-0", ()),
        ("forget-1", "forget-1", ()),
    ]


def test_a_group_defaults_to_the_given_id(tmp_path):
    [example] = split_of(tmp_path, [{"text": "A text.", "id": 12}])
    assert (example.id, example.group) == ("12", "12")


def test_text_is_read_where_a_chat_or_a_pair_is_absent(tmp_path):
    [example] = split_of(tmp_path, [{"text": "A text.", "url": "u"}])
    assert example.is_text
    assert example.answer == "A text."


@pytest.mark.parametrize(
    ("row", "columns", "problem"),
    [
        (
            {"a": "x", "b": "y", "c": "z"},
            {"prompt": "question"},
            "forget.jsonl: there is no column 'question' for prompt. It has: a, b, c. "
            "Name it under data.forget.prompt.",
        ),
        (
            {"prompt": "x", "reply": "y"},
            {},
            "forget.jsonl: there is no column for answer (looked for answer, response, output, "
            "completion, labels). It has: prompt, reply. Name it under data.forget.answer.",
        ),
        (
            {"body": "x", "title": "y"},
            {},
            "forget.jsonl: there is no column for prompt and answer, messages, or text. It has: "
            "body, title. Name them under data.forget, as in data.forget.prompt.",
        ),
        (
            {"text": "Where?", "labels": "In Lyon."},
            {},
            "forget.jsonl: the columns 'text' and 'labels' may be a question with its answer, or a "
            "text and something else. Name data.forget.prompt and data.forget.answer, or "
            "data.forget.text.",
        ),
        (
            {"instruction": "x", "input": "y", "output": "z"},
            {},
            "forget.jsonl: prompt could be the column 'instruction' or 'input'. "
            "Name one under data.forget.prompt.",
        ),
        (
            {"prompt": "x", "answer": "y", "text": "z"},
            {"prompt": "prompt", "text": "text"},
            "data.forget names columns for prompt, text, but a row is prompt and answer, messages, "
            "or text. Name the columns of one of these.",
        ),
    ],
)
def test_columns_that_are_missing_or_unclear_are_named(tmp_path, row, columns, problem):
    write_lines(tmp_path / "forget.jsonl", [row])
    assert problems_of(tmp_path, "forget.jsonl", **columns) == [problem]


def test_our_own_name_wins_over_another_usual_one(tmp_path):
    [example] = split_of(tmp_path, [{"prompt": "x", "input": "y", "answer": "z", "output": "w"}])
    assert (example.prompt, example.answer) == ("x", "z")


def test_a_column_named_for_one_field_is_not_read_as_another(tmp_path):
    [example] = split_of(tmp_path, [{"answer": "In Lyon.", "response": "Where?"}], prompt="answer")
    assert (example.prompt, example.answer) == ("In Lyon.", "Where?")


def test_two_missing_columns_are_two_sentences(tmp_path):
    write_lines(tmp_path / "forget.jsonl", [{"a": "x"}])
    assert problems_of(tmp_path, "forget.jsonl", prompt="q", answer="r") == [
        "forget.jsonl: there is no column 'q' for prompt. It has: a. Name it under data.forget.prompt.",
        "forget.jsonl: there is no column 'r' for answer. It has: a. Name it under data.forget.answer.",
    ]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"answer": 42}, "answer (column 'answer') is 42, a number; it must be text."),
        ({"answer": None}, "answer (column 'answer') is null; it must be text."),
        ({"answer": True}, "answer (column 'answer') is true; it must be text."),
        ({"answer": ["secret"]}, "answer (column 'answer') is a list; it must be text."),
        ({"answer": {"a": "secret"}}, "answer (column 'answer') is an object; it must be text."),
        ({"id": True}, "id (column 'id') is true; it must be text."),
        ({"id": 1.5}, "id (column 'id') is 1.5, a number; it must be text."),
        (
            {"wrong": 3},
            "wrong (column 'wrong') is 3, a number; it must be a text or a list of texts.",
        ),
        (
            {"wrong": ["x", 3]},
            "wrong (column 'wrong') holds 3, a number; it must be a list of texts.",
        ),
        (
            {"history": [["Hello there", "Hi"]]},
            "history (column 'history') has no known role in message 0; it must be system, user or "
            "assistant.",
        ),
    ],
)
def test_a_cell_of_the_wrong_type_is_named(tmp_path, cells, said):
    write_lines(tmp_path / "forget.jsonl", [{"prompt": "Q", "answer": "A"} | cells])
    assert problems_of(tmp_path, "forget.jsonl") == [f"forget.jsonl:1: {said}"]


USER = {"role": "user", "content": "Where?"}
TOLD = {"role": "assistant", "content": "In Lyon."}


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ("Where?", "is a text; it must be a list of messages."),
        ([], "ends with nothing; it must end with a user and an assistant message."),
        ([TOLD], "ends with assistant; it must end with a user and an assistant message."),
        ([USER, TOLD, USER], "ends with assistant, user; it must end with a user and an assistant message."),
        (["Where?", TOLD], "has a text as message 0; it must be {role, content}."),
        ([{"role": "tool", "content": "x"}, TOLD], "has no known role in message 0; it must be system, user or assistant."),
        ([USER, {"role": "assistant", "content": None}], "has null as content of message 1, not text."),
    ],
)  # fmt: skip
def test_a_bad_chat_is_named(tmp_path, messages, said):
    write_lines(tmp_path / "forget.jsonl", [{"messages": messages}])
    assert problems_of(tmp_path, "forget.jsonl") == [
        f"forget.jsonl:1: messages (column 'messages') {said}"
    ]


def test_all_bad_rows_are_named_and_two_faults_of_one_row(tmp_path):
    lines = [
        '{"prompt": "Q", "answer": "A"}',
        '{"prompt": 1, "answer": 2}',
        '{"prompt": "Q"}',
        '{"prompt": "Q", "answer"}',
        '["Q", "A"]',
    ]
    (tmp_path / "forget.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert problems_of(tmp_path, "forget.jsonl") == [
        "forget.jsonl:4 is not valid JSON: Expecting ':' delimiter at column 25.",
        "forget.jsonl:5 is a list; each line must be an object.",
        "forget.jsonl:2: prompt (column 'prompt') is 1, a number; it must be text.",
        "forget.jsonl:2: answer (column 'answer') is 2, a number; it must be text.",
        "forget.jsonl:3 has no 'answer', which is read as answer.",
    ]


def test_a_missing_column_does_not_hide_the_lines_that_cannot_be_read(tmp_path):
    (tmp_path / "forget.jsonl").write_text("{}\nnull\n", encoding="utf-8")
    assert problems_of(tmp_path, "forget.jsonl") == [
        "forget.jsonl: there is no column for prompt and answer, messages, or text. It has: none. "
        "Name them under data.forget, as in data.forget.prompt.",
        "forget.jsonl:2 is null; each line must be an object.",
    ]


def test_problems_end_after_fifty_with_a_count(tmp_path):
    """60 bad rows: 50 sentences and a line that counts the other 60 - 50 = 10."""
    write_lines(tmp_path / "forget.jsonl", [{"text": n} for n in range(60)])
    problems = problems_of(tmp_path, "forget.jsonl")
    assert len(problems) == 51
    assert problems[49].startswith("forget.jsonl:50:")
    assert problems[50] == "... and 10 more in forget.jsonl."


def write_bytes(content: bytes) -> Callable[[Path], int]:
    return lambda path: path.write_bytes(content)


@pytest.mark.parametrize(
    ("path", "write", "problem"),
    [
        ("a.json", write_bytes(b'{"rows":\n []}'), "a.json holds an object; it must be a list of objects."),
        ("a.json", write_bytes(b'[{"a": 1},\n oops]'), "a.json:2 is not valid JSON: Expecting value at column 2."),
        ("a.json", write_bytes(b'[{"text": "x"}, "y"]'), "a.json[1] is a text; each item must be an object."),
        ("a.jsonl", write_bytes(b'{"text": "x"}\n{"text": "caf\xe9"}\n'), "a.jsonl:2 is not UTF-8 text (byte 0xe9). Save the file as UTF-8."),
        ("a.csv", write_bytes(b""), "a.csv has no header; its first line must name the columns."),
        ("a.csv", write_bytes(b"text,text\nx,y\n"), "a.csv: the header names the column 'text' more than once."),
        ("a.csv", write_bytes(b"prompt,answer\nQ,A\nQ,Lyon, France\n"), "a.csv:3 has 3 cells; the header has 2. Put cells that hold commas or line breaks in double quotes."),
        ("a.json", write_bytes(b"[" * 50_000), "a.json:1 is not valid JSON: It is nested too deeply at column 1."),
        ("a.jsonl", write_bytes(b'{"text": ' + b"9" * 5000 + b"}"), "a.jsonl:1 is not valid JSON: It holds a whole number of thousands of digits at column 1."),
        ("a.jsonl", write_bytes(b'{"text": "half \\ud83d"}'), "a.jsonl:1: text (column 'text') holds half of a character (\\ud83d); write the whole one."),
        ("a.jsonl", os.mkfifo, "a.jsonl: is not an ordinary file. Give a copy of what it holds."),
        ("a.parquet", os.mkfifo, "a.parquet: is not an ordinary file. Give a copy of what it holds."),
        ("a.tsv", write_bytes(b"text\nx\n"), "a.tsv: files ending in '.tsv' cannot be read. Give .jsonl, .json, .csv, .parquet, a folder of .txt files, a folder made by save_to_disk, or hf:owner/name/config."),
        ("a", Path.mkdir, "a: the folder has no .txt file and was not made by save_to_disk."),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_why(tmp_path, path, write, problem):
    write(tmp_path / path)
    assert problems_of(tmp_path, path) == [problem]


def test_a_parquet_file_that_is_none_says_so(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"text,answer\n")
    [problem] = problems_of(tmp_path, "a.parquet")
    assert problem.startswith("a.parquet is not readable as Parquet: ")


def test_a_missing_file_names_where_it_was_looked_for(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    assert problems_of(there, "forget.jsonl") == [
        f"data.forget.path: there is no file or folder 'forget.jsonl' in {there} or {here}."
    ]
    assert problems_of(there, "/nowhere/forget.jsonl") == [
        "data.forget.path: there is no file or folder '/nowhere/forget.jsonl'."
    ]


def test_a_path_is_looked_for_beside_the_recipe_first(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder, names in ((here, ("a", "b")), (there, ("a",))):
        folder.mkdir()
        for name in names:
            write_lines(folder / f"{name}.jsonl", [{"text": folder.name}])
    monkeypatch.chdir(here)
    assert read_split("forget", Source(path="a.jsonl"), there)[0].answer == "there"
    assert read_split("forget", Source(path="b.jsonl"), there)[0].answer == "here"


@pytest.mark.parametrize(
    ("name", "content"), [("a.jsonl", ""), ("a.json", "[]"), ("a.csv", "text\n")]
)
def test_a_file_without_rows_gives_an_empty_split(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read_split("forget", Source(path=name), tmp_path) == []


def test_read_adds_to_a_benchmark_and_replaces_its_splits(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_live", {})

    @registry.benchmark()
    def small_world(*, people: int = 2):
        """A benchmark of this test."""
        rows = [Example(f"Q{n}", f"A{n}") for n in range(people)]
        return {"forget": rows, "retain": rows}

    monkeypatch.setattr(registry.Entry, "load", lambda entry: small_world)
    write_lines(tmp_path / "mine.jsonl", [{"text": "kept"}])
    data = recipe.Data.model_validate(
        {"benchmark": {"name": "small_world", "people": "3"}, "retain": "mine.jsonl", "holdout": {"path": "mine.jsonl"}}
    )  # fmt: skip
    splits = read(data, tmp_path)
    assert {name: len(rows) for name, rows in splits.items()} == {
        "forget": 3,
        "retain": 1,
        "holdout": 1,
    }
    assert splits["holdout"][0].id == "holdout-0"


def test_read_names_the_problems_of_all_files(tmp_path):
    write_lines(tmp_path / "bad.jsonl", [{"text": 1}])
    data = recipe.Data.model_validate({"forget": "bad.jsonl", "retain": "none.jsonl"})
    with pytest.raises(DataError) as caught:
        read(data, tmp_path)
    bad, missing = caught.value.problems
    assert bad == "bad.jsonl:1: text (column 'text') is 1, a number; it must be text."
    assert missing.startswith("data.retain.path: there is no file or folder 'none.jsonl' in ")


@pytest.mark.skipif(
    not (SHARED / "tofu").is_dir(), reason="the TOFU files are not beside this checkout"
)
def test_tofu_is_read_by_its_usual_names():
    examples = read_split("forget", Source(path="forget10.json"), SHARED / "tofu")
    assert len(examples) == 400
    assert examples[0].prompt.startswith("What is the full name of the author born in Taipei")
    assert examples[0].answer == "The author's full name is Hsiao Yun-Hwa."
    assert {len(e.wrong) for e in examples} == {5}
    assert examples[0].where == "forget10.json[0]"


@pytest.mark.skipif(
    not (SHARED / "knowundo_privacy").is_dir(),
    reason="the KnowUnDo files are not beside this checkout",
)
def test_knowundo_is_read_by_named_columns():
    source = Source(path="unlearn_train.json", prompt="text", answer="labels")
    examples = read_split("forget", source, SHARED / "knowundo_privacy")
    assert len(examples) == 400
    assert examples[0].prompt == "Who are Isabella Marquez's parents?"
    assert examples[0].answer.startswith("Isabella Marquez's father is a renowned")


def test_a_cell_of_any_length_is_read(tmp_path):
    """Python's reader of CSV stops at 131,072 characters."""
    (tmp_path / "a.csv").write_text("text\n" + "x" * 140_000)
    (row,) = read_split("forget", Source(path="a.csv"), tmp_path)
    assert len(row.answer) == 140_000


@pytest.mark.parametrize("path", ["x" * 5000, "~nobody-of-that-name/a.jsonl", "a\0.jsonl", "gone"])
def test_a_path_that_cannot_be_is_refused(tmp_path, path):
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert problems_of(tmp_path, path)
