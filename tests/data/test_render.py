"""What the model is given, what is scored, and which of it is specific."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

import pytest

from tests.conftest import CHAT_TEMPLATE, byte_tokenizer
from unteach.data.examples import Example
from unteach.data.render import Encoding, Renderer, encode_all
from unteach.errors import DataError

PLAIN, CHAT = byte_tokenizer(), byte_tokenizer(chat=True)
ADA = Example("Who is Ada?", "Ada is from Arles.", entities=("Arles",), id="ada")


def halves(renderer: Renderer, encoding: Encoding) -> tuple[str, str]:
    ids = encoding.ids
    return renderer.tokenizer.decode(ids[: encoding.start]), renderer.tokenizer.decode(
        ids[encoding.start :]
    )


def marked(renderer: Renderer, encoding: Encoding) -> str:
    """The specific tokens as text, apart where others lie between."""
    scored = encoding.ids[encoding.start :]
    runs = groupby(zip(encoding.specific, scored, strict=True), key=itemgetter(0))
    return "|".join(
        renderer.tokenizer.decode([token for _, token in run]) for mark, run in runs if mark
    )


def test_a_question_without_a_template_is_written_out():
    renderer = Renderer(PLAIN)
    given, scored = halves(renderer, renderer.encode(ADA))
    assert given == "<s>Question: Who is Ada?\nAnswer:"
    assert scored == " Ada is from Arles.</s>"


def test_a_question_goes_through_the_chat_template_and_ends_its_turn_once():
    renderer = Renderer(CHAT)
    given, scored = halves(renderer, renderer.encode(ADA))
    assert given == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho is Ada?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert scored == "Ada is from Arles.<|im_end|>"


def test_given_and_scored_are_what_the_template_writes_but_for_its_last_line_break():
    renderer = Renderer(CHAT)
    turns = [{"role": "user", "content": ADA.prompt}, {"role": "assistant", "content": ADA.answer}]
    whole = CHAT.apply_chat_template(turns, tokenize=False)
    assert "".join(halves(renderer, renderer.encode(ADA))) == whole.rstrip("\n")


def test_a_system_message_replaces_that_of_the_template():
    given, _ = halves(r := Renderer(CHAT, system="Be kind."), r.encode(ADA))
    assert given.startswith("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n")
    assert "Be brief." not in given


def test_earlier_turns_come_first_and_their_own_system_message_stays():
    history = (("system", "Be old."), ("user", "Hi"), ("assistant", "Hello"))
    example = Example("Who?", "Ada.", history=history)
    for system in (None, "Be kind."):
        given, scored = halves(r := Renderer(CHAT, system), r.encode(example))
        assert given.startswith(
            "<|im_start|>system\nBe old.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
            "<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n"
        )
        assert scored == "Ada.<|im_end|>"


def test_a_template_that_rewrites_the_answer_is_closed_with_the_end_token():
    tokenizer = byte_tokenizer(chat=True)
    tokenizer.chat_template = CHAT_TEMPLATE.replace("['content'] }}", "['content'] | trim }}")
    _, scored = halves(r := Renderer(tokenizer), r.encode(Example("Who?", " Ada. ")))
    assert scored == " Ada. <|im_end|>"


def test_a_template_that_ends_a_turn_with_more_than_a_token_is_followed():
    tokenizer = byte_tokenizer(chat=True)
    tokenizer.chat_template = CHAT_TEMPLATE.replace("<|im_end|>\n{% endfor", "##</s>\n{% endfor")
    tokenizer.chat_template = tokenizer.chat_template.replace("}}<|im_end|>", "}}##</s>")
    _, scored = halves(r := Renderer(tokenizer), r.encode(ADA))
    assert scored == "Ada is from Arles.##</s>"


@pytest.mark.parametrize("tokenizer", [PLAIN, CHAT])
def test_a_text_is_scored_from_its_second_token_and_has_no_template(tokenizer):
    renderer = Renderer(tokenizer)
    text = renderer.encode(Example("", "Ada was here."))
    assert halves(renderer, text) == ("<s>", "Ada was here.")
    assert text.num_scored == len(text.specific) == 13
    assert renderer.prompt_ids(Example("", "Ada was here.")) == text.ids[:1]


def test_prompt_ids_are_what_is_given():
    for renderer in (Renderer(PLAIN), Renderer(CHAT), Renderer(CHAT, "Be kind.")):
        encoding = renderer.encode(ADA)
        assert renderer.prompt_ids(ADA) == encoding.ids[: encoding.start]


def test_a_system_message_without_a_template_is_refused():
    turns = Example("Who?", "Ada.", history=(("system", "Hi"),), where="f.jsonl:3", id="x")
    sentence = (
        "needs a chat template, which this model's tokenizer has not. Use a chat model, or leave it "
        "out."
    )
    with pytest.raises(DataError) as raised:
        Renderer(PLAIN).encode(turns)
    assert str(raised.value) == f"f.jsonl:3: a system message {sentence}"
    with pytest.raises(DataError) as raised:
        Renderer(PLAIN, system="Be kind.").encode(ADA)
    assert str(raised.value) == f"ada: data.system {sentence}"


def test_earlier_turns_without_a_template_are_examples_before_the_question():
    shown = Example("Who?", "Ada.", history=(("user", "Where?"), ("assistant", "Arles.")))
    ids = Renderer(PLAIN).prompt_ids(shown)
    assert (
        PLAIN.decode(ids, skip_special_tokens=True)
        == "Question: Where?\nAnswer: Arles.\n\nQuestion: Who?\nAnswer:"
    )


@pytest.mark.parametrize("tokenizer", [PLAIN, CHAT])
def test_a_text_that_goes_on_has_no_template_and_no_end(tokenizer):
    row = Renderer(tokenizer).encode(Example("Once upon", " a time.", continues=True))
    assert tokenizer.decode(row.ids[: row.start], skip_special_tokens=True) == "Once upon"
    assert tokenizer.decode(row.ids[row.start :]) == " a time."
    assert row.num_end == 0


@pytest.mark.parametrize("tokenizer", [PLAIN, CHAT])
def test_the_tokens_that_close_a_turn_are_counted(tokenizer):
    row = Renderer(tokenizer).encode(ADA)
    scored = row.ids[row.start :]
    assert row.num_end >= 1
    assert tokenizer.decode(scored[: len(scored) - row.num_end]).lstrip() == ADA.answer


@pytest.mark.parametrize("tokenizer", [PLAIN, CHAT])
@pytest.mark.parametrize(
    ("answer", "entities", "expected"),
    [
        ("Ada is from Arles.", ("Arles",), "Arles"),
        ("Arles, or Arles?", ("Arles",), "Arles|Arles"),
        ("Ada is from Arles.", ("Ada", "Arles"), "Ada|Arles"),
        ("Zoë is from Århus.", ("Århus",), "Århus"),
        ("Zoë is from 東京都.", ("東京都", "Zoë"), "Zoë|東京都"),
        ("Ananas is Ana's.", ("Ana", "anas"), "Ana"),
        ("Ann of Annaberg, of 1955, is 5.", ("Ann", "5"), "Ann|5"),
        ("Ada is from ARLES.", ("arles",), "ARLES"),
        ("Ada\u2019s O\u2019Hara", ("o'hara",), "O\u2019Hara"),
        ("Zoe\u0308 A\u030arhus.", ("Zoë", "Århus"), "Zoe\u0308|A\u030arhus"),
        ("Zoë Århus", ("Zoe\u0308 A\u030arhus",), "Zoë Århus"),
        ("New  York\u00a0City it is.", ("New York City",), "New  York\u00a0City"),
    ],
)
def test_what_is_specific_is_marked_to_the_token(tokenizer, answer, entities, expected):
    renderer = Renderer(tokenizer)
    for prompt in ("Who?", ""):
        encoding = renderer.encode(Example(prompt, answer, entities=entities))
        assert marked(renderer, encoding) == expected


@pytest.mark.parametrize("entities", [(), ("",), ("Brno",), ("", "Brno")])
def test_the_whole_answer_is_specific_where_nothing_is_known_to_be_and_its_end_never(entities):
    renderer = Renderer(CHAT)
    encoding = renderer.encode(Example("Who?", "Ada.", entities=entities))
    assert encoding.specific == (True,) * 4 + (False,)


def test_another_answer_is_specific_throughout():
    """The entities are those of the true answer."""
    renderer = Renderer(CHAT)
    other = renderer.encode(ADA, answer="Ada is not from Arles.")
    assert halves(renderer, other)[1] == "Ada is not from Arles.<|im_end|>"
    assert other.specific == (True,) * 22 + (False,)


def test_the_key_is_that_of_everything_that_decides_the_ids():
    keys = {Renderer(PLAIN).key, Renderer(CHAT).key, Renderer(CHAT, "Be kind.").key}
    assert len(keys) == 3
    assert Renderer(byte_tokenizer(chat=True)).key == Renderer(CHAT).key


def test_encode_all_keeps_the_order():
    renderer = Renderer(PLAIN)
    examples = [ADA, Example("", "A text.")]
    assert encode_all(renderer, examples) == [renderer.encode(e) for e in examples]
