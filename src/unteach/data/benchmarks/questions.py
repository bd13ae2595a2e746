"""Multiple-choice questions of public benchmarks, answered by one letter."""

from __future__ import annotations

from collections.abc import Sequence

from unteach.data.benchmarks.files import Record, records
from unteach.data.benchmarks.rows import once, spread
from unteach.data.choices import choose_letter
from unteach.data.examples import Example
from unteach.errors import DataError

COLUMNS = ("question", "choices", "answer")


def choice(row: Record, *, id: str, group: str = "") -> Example:
    """A row with `question`, `choices` and `answer` (a number from 0, or a letter) as an example.

    The prompt is the question and one line a choice ("A. first"), the answer is the right letter,
    and the other letters are its wrong answers.

    Raises:
        DataError: a cell is of the wrong type, or no choice is the answer.
    """
    answer = row.cells["answer"]
    if not isinstance(answer, int | str):
        raise DataError(
            f"{row.where}: 'answer' is {answer!r}; it must be the number of a choice, from 0, "
            "or its letter."
        )
    question, offered = row.text("question"), row.texts("choices")
    try:
        prompt, letter, wrong = choose_letter(question, offered, answer)
    except DataError as error:
        raise DataError(f"{row.where}: {error}") from None
    return Example(prompt, letter, wrong=wrong, id=id, group=group or id, where=row.where)


def mmlu(rows: int, folder: str = "") -> list[Example]:
    """`rows` questions of MMLU (arXiv:2009.03300), as many of each of its 57 subjects as can be.

    The first of each subject, so that the same number means the same questions. A subject is a
    group. They are asked without examples, where the published protocol gives five: the level is
    lower, the fall from one model to another is what counts. It reads the file `mmlu` (columns
    `question, subject, choices, answer`) in `folder`, else in `UNTEACH_DATA/mmlu`, else in
    hf:cais/mmlu.
    """
    found = records(
        "mmlu",
        "mmlu",
        columns=(*COLUMNS, "subject"),
        hub="hf:cais/mmlu/all",
        split="test",
        folder=folder,
    )
    return share("mmlu", found, "subject", rows)


def share(split: str, found: Sequence[Record], column: str, rows: int) -> list[Example]:
    """`rows` of these questions, spread over the subjects that `column` names."""
    examples = [
        choice(row, id=f"{split}-{number}", group=row.text(column))
        for number, row in enumerate(found)
    ]
    return spread(once(examples), rows)
