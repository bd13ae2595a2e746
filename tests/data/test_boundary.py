"""Prompt and answer meet as the model would write them, over templates and tokenizers built here."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import BOS, CHAT_TEMPLATE, END, EOS, PAD, TURN
from unteach.data.examples import Example
from unteach.data.render import Renderer

TEXTS = [
    "Question: Who is Ada Moor?\nAnswer: The baker of Arles.\n\nQuestion: Where?\nAnswer: In Arles.",
    "user The assistant of Ada [INST] The baker [/INST] USER: Ask ASSISTANT: The baker, in Arles.",
] * 20
SPECIAL = [PAD, BOS, EOS, TURN, END, "<unk>"]


def wrapped(core: Any, **more: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    core.add_special_tokens([name for name in SPECIAL if name not in more.values()])
    names = {"pad_token": PAD, "bos_token": BOS, "eos_token": EOS, "unk_token": "<unk>"} | more
    return PreTrainedTokenizerFast(
        tokenizer_object=core, clean_up_tokenization_spaces=False, **names
    )


def begun(core: Any) -> Any:
    from tokenizers import processors

    core.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, core.token_to_id(BOS))]
    )
    return core


def byte_level() -> Any:
    """As GPT-2 and Llama 3: a word is joined to the space before it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(
            vocab_size=400, initial_alphabet=alphabet, special_tokens=SPECIAL, show_progress=False
        ),
    )
    return wrapped(begun(core))


def sentencepiece() -> Any:
    """As Llama 2: every text begins with a space that is not there."""
    from tokenizers import Tokenizer, decoders, models, normalizers, trainers

    core = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    core.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    core.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    words = [word for text in TEXTS for word in text.replace(" ", " \u2581").split(" ")]
    core.train_from_iterator(
        [word.replace("\u2581", " ") for word in words],
        trainers.BpeTrainer(vocab_size=300, special_tokens=SPECIAL, show_progress=False),
    )
    return wrapped(begun(core))


def unigram() -> Any:
    """As newer sentencepiece models: pieces by likelihood, a space before the first word only."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    core = Tokenizer(models.Unigram())
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    core.decoder = decoders.Metaspace(prepend_scheme="first", split=True)
    core.train_from_iterator(
        TEXTS,
        trainers.UnigramTrainer(
            vocab_size=120,
            special_tokens=SPECIAL,
            unk_token="<unk>",
            initial_alphabet=sorted({c for text in TEXTS for c in text}),
            show_progress=False,
        ),
    )
    return wrapped(begun(core))


def wordpiece() -> Any:
    """As BERT: no token for a space, and one is put before a text and one after it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    core = Tokenizer(models.WordPiece(unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece(cleanup=False)
    core.train_from_iterator(
        TEXTS,
        trainers.WordPieceTrainer(vocab_size=300, special_tokens=SPECIAL, show_progress=False),
    )
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        special_tokens=[(BOS, core.token_to_id(BOS)), (EOS, core.token_to_id(EOS))],
    )
    return wrapped(core)


def told_by_decoding() -> Any:
    """Pure Python, which says of no token where it stands, and ends every text."""
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer()


TOKENIZERS = {f.__name__: f for f in (byte_level, sentencepiece, unigram, wordpiece)}
TEMPLATES = {
    "plain": None,
    "chatml": CHAT_TEMPLATE,
    "llama 2": "{% for m in messages %}{% if m.role == 'user' %}<s>[INST] {{ m.content }} [/INST]"
    "{% elif m.role == 'assistant' %} {{ m.content }} </s>{% endif %}{% endfor %}",
    "ends in a space": "{% for m in messages %}{% if m.role == 'user' %}<s>USER: {{ m.content }} "
    "ASSISTANT: {% elif m.role == 'assistant' %}{{ m.content }}</s>{% endif %}{% endfor %}",
    "trims": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "opens no turn": "{% for m in messages %}{{ m.content }}{% if m.role == 'user' %}\n{% else %}"
    "</s>{% endif %}{% endfor %}",
}
ADA = Example("Who is Ada Moor?", "The baker of Arles.", entities=("Arles",))

over_tokenizers = pytest.mark.parametrize("make", TOKENIZERS.values(), ids=TOKENIZERS)
over_templates = pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)


def renderer(make: Any, template: str | None) -> Renderer:
    tokenizer = make()
    tokenizer.chat_template = template
    return Renderer(tokenizer)


def written(r: Renderer, example: Example) -> tuple[str, bool]:
    """The whole conversation in one piece, and whether the tokenizer's own first token is to come."""
    if r.tokenizer.chat_template is None:
        return f"Question: {example.prompt}\nAnswer: {example.answer}{EOS}", True
    turns = [
        {"role": "user", "content": example.prompt},
        {"role": "assistant", "content": example.answer},
    ]
    return r.tokenizer.apply_chat_template(turns, tokenize=False).rstrip(), False


@over_tokenizers
@over_templates
def test_given_and_scored_together_are_the_conversation_read_in_one_go(make, template):
    r = renderer(make, template)
    row = r.encode(ADA)
    text, special = written(r, ADA)
    whole = r.tokenizer(text, add_special_tokens=special)["input_ids"]
    assert list(row.ids) == whole[: len(row.ids)]
    left = whole[len(row.ids) :]
    assert left in ([], [r.tokenizer.eos_token_id])  # the one that wordpiece puts after any text
    assert row.ids[: row.start] == r.prompt_ids(ADA)


@over_tokenizers
@over_templates
def test_the_scored_tokens_are_the_answer_its_end_and_no_piece_of_the_prompt(make, template):
    r = renderer(make, template)
    row = r.encode(ADA)
    scored = row.ids[row.start :]
    own = scored[: len(scored) - row.num_end]
    assert row.num_end >= 1
    assert "".join(r.tokenizer.decode(own).split()) == "ThebakerofArles."
    marked = [i for i, mark in zip(scored, row.specific, strict=True) if mark]
    assert r.tokenizer.decode(marked).strip().removesuffix(".") == "Arles"  # "s." may be one piece
    assert len(row.specific) == len(scored)
    assert not any(row.specific[len(own) :])


@over_tokenizers
@over_templates
def test_the_prompt_is_the_same_whatever_is_answered(make, template):
    r = renderer(make, template)
    answers = ["The baker.", " The baker.", "\nNo.", "[/INST]", ":", "...", "1955", "\u6771\u4eac"]
    given = {r.encode(ADA, answer).ids[: r.encode(ADA, answer).start] for answer in answers}
    assert given == {r.prompt_ids(ADA)}


@pytest.mark.parametrize("template", [None, TEMPLATES["ends in a space"], TEMPLATES["llama 2"]])
def test_a_byte_level_tokenizer_scores_the_word_with_its_space_and_no_space_alone(template):
    r = renderer(byte_level, template)
    row = r.encode(ADA)
    tokens = r.tokenizer.convert_ids_to_tokens(list(row.ids))
    assert tokens[row.start] == "\u0120The"
    assert "\u0120" not in tokens[: row.start + 1]


@over_tokenizers
def test_a_text_that_goes_on_within_a_word_gets_no_space(make):
    """ "Ada is the ba|ker": a token would lie across; what follows the prompt's own tokens counts."""
    r = renderer(make, None)
    row = r.encode(Example("Ada is the ba", "ker of Arles.", continues=True))
    assert row.ids[: row.start] == r.prompt_ids(Example("Ada is the ba", "", continues=True))
    if make is not wordpiece:  # which has no way to write on within a word
        assert r.tokenizer.decode(row.ids, skip_special_tokens=True) == "Ada is the baker of Arles."


@over_tokenizers
def test_the_space_of_an_opening_goes_with_what_follows(make):
    r = renderer(make, None)
    after = r.encode(Example("Ada is the ", "baker.", continues=True))
    before = r.encode(Example("Ada is the", " baker.", continues=True))
    assert (after.ids, after.start) == (before.ids, before.start)


@over_tokenizers
def test_a_text_has_no_end_that_the_tokenizer_adds(make):
    r = renderer(make, None)
    row = r.encode(Example("", "The baker of Arles."))
    assert row.ids[0] == r.tokenizer.bos_token_id
    assert row.ids[-1] != r.tokenizer.eos_token_id
    assert r.prompt_ids(Example("", "The baker.")) == row.ids[:1]


def test_where_a_tokenizer_does_not_say_where_tokens_stand_their_text_does():
    r = Renderer(told_by_decoding())
    row = r.encode(ADA)
    scored = row.ids[row.start :]
    marked = [i for i, mark in zip(scored, row.specific, strict=True) if mark]
    assert r.tokenizer.decode(marked) == "Arles"
    assert r.tokenizer.decode(scored) == " The baker of Arles.</s>"
    assert row.num_end == 1
