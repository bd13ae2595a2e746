"""Chat templates that were not written for what they are given."""

from __future__ import annotations

import pytest

from tests.conftest import byte_tokenizer
from unteach.data.examples import Example
from unteach.data.render import Renderer
from unteach.data.templates import require_sound
from unteach.errors import DataError, ModelError

NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}"
    "{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns alternate') }}{% endif %}"
    "<{{ m['role'] }}>{{ m['content'] | trim }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
"""As Gemma's: no system message, and turns that alternate."""
DROPS_SYSTEM = "{% for m in messages if m['role'] != 'system' %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}<assistant>"


def renderer(template: str, system: str | None = None) -> Renderer:
    tokenizer = byte_tokenizer(chat=True)
    tokenizer.chat_template = template
    return Renderer(tokenizer, system)


def said(one: Renderer, example: Example) -> str:
    return str(one.tokenizer.decode(list(one.prompt_ids(example))))


@pytest.mark.parametrize("template", [NO_SYSTEM, DROPS_SYSTEM])
def test_a_system_message_that_is_refused_opens_the_first_user_turn(template: str):
    example = Example("Where?", "Here.")
    assert said(renderer(template, "Be brief."), example) == "<user>Be brief.\n\nWhere?<assistant>"
    history = (("system", "Be kind."), ("user", "Who?"), ("assistant", "Ada."))
    longer = Example("Where?", "Here.", history=history)
    assert said(renderer(template), longer) == (
        "<user>Be kind.\n\nWho?<assistant>Ada.<user>Where?<assistant>"
    )


def test_a_conversation_that_is_refused_is_named():
    twice = Example("Where?", "Here.", history=(("user", "Who?"),), where="rows.jsonl:3")
    with pytest.raises(DataError, match=r"^rows.jsonl:3: .* refuses .*: turns alternate\. Turns"):
        renderer(NO_SYSTEM).encode(twice)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ raise_exception('never') }}", "refuses this conversation: never"),
        ("{{ messages[0]['text'] + 1 }}", "refuses this conversation"),
        ("{% if %}", "refuses this conversation"),
        ("Hello.", "leaves the question out"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(template: str, why: str):
    with pytest.raises(ModelError, match=why) as refused:
        require_sound(renderer(template).tokenizer, "m")
    assert "\n" not in str(refused.value)


def test_a_template_without_end_is_refused():
    """Nine million rounds: they are not waited for."""
    around = "{% for a in range(3000) %}{% for b in range(3000) %}{% endfor %}{% endfor %}"
    with pytest.raises(ModelError, match="not done with a plain question"):
        require_sound(renderer(around).tokenizer, "m", seconds=0.05)


def test_a_sound_template_passes():
    require_sound(byte_tokenizer(chat=True), "m")
    require_sound(byte_tokenizer(), "m")
    require_sound(renderer(NO_SYSTEM).tokenizer, "m")
