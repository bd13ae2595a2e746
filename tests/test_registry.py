"""Names to functions: what is read from source must be what import gives."""

from __future__ import annotations

import importlib.metadata
import sys
import types
from collections.abc import Callable
from typing import Any, Literal

import pytest

from unteach import registry
from unteach.errors import RecipeError, UnknownNameError
from unteach.registry import Parameter


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch):
    """A registry that forgets after the test what the test registers."""
    monkeypatch.setattr(registry, "_live", {})
    registry._load_plugins.cache_clear()
    yield
    registry._load_plugins.cache_clear()


def test_facts_are_the_decorators_arguments_with_their_defaults():
    assert dict(registry.find("objective", "npo").facts) == {
        "unit": "sequence",
        "needs": ("ref.logp",),
        "pairs": (),
        "source": "arXiv:2404.05868",
        "experimental": False,
    }
    assert dict(registry.find("weighting", "confidence").facts) == {
        "needs": (),
        "source": "arXiv:2502.19301",
        "experimental": False,
    }


def test_every_kind_has_a_built_in_entry():
    assert all(registry.entries(kind) for kind in registry.ROOMS)


def problems(kind: str, name: str, params: dict[str, Any]) -> list[str]:
    with pytest.raises(RecipeError) as raised:
        registry.check(kind, name, params, "recipes/npo.yaml: method[0].train.terms[0].objective")
    place = "recipes/npo.yaml: method[0].train.terms[0].objective: "
    assert all(p.startswith(place) for p in raised.value.problems)
    return [p.removeprefix(place) for p in raised.value.problems]


def test_a_misspelt_name_is_answered_with_the_nearest():
    known = ", ".join(sorted(registry.entries("objective")))
    assert problems("objective", "nop", {}) == [
        f"no objective is named 'nop'. Did you mean 'npo'? Known: {known}."
    ]
    with pytest.raises(
        UnknownNameError, match=r"^no objective is named 'zzzz'\. Known: adaptive_direction, "
    ):
        registry.find("objective", "zzzz")


def test_a_misspelt_parameter_is_answered_with_the_nearest():
    assert problems("objective", "npo", {"bata": 0.1}) == [
        "npo has no parameter 'bata'. Did you mean 'beta'? npo takes beta: number above 0 = 0.1, mean: bool = False."
    ]
    assert problems("objective", "nll", {"x": 1}) == [
        "nll has no parameter 'x'. nll takes no parameters."
    ]


def test_a_value_of_the_wrong_type_and_a_misspelt_one_come_together():
    assert problems("objective", "npo", {"beta": "much", "betta": 1}) == [
        "npo.beta is 'much', which is not a number above 0.",
        "npo has no parameter 'betta'. Did you mean 'beta'? npo takes beta: number above 0 = 0.1, mean: bool = False.",
    ]


def test_values_are_converted_to_the_declared_type():
    """YAML 1.1 reads 1e-5 as text."""
    checked = registry.check("optimizer", "adamw", {"lr": "1e-5", "weight_decay": 0}, "here")
    assert checked == {"lr": 1e-5, "weight_decay": 0.0}
    assert isinstance(checked["weight_decay"], float)


def test_reads_are_filled_from_parameters():
    entry = registry.find("audit", "probability")
    assert all("{" not in item for item in registry.reads(entry, {"split": "retain"}))
    assert any(item.startswith("retain.") for item in registry.reads(entry, {"split": "retain"}))


def outside(name: str, module: str = "somewhere") -> Callable[..., Any]:
    """An objective as third-party code without `from __future__ import annotations` has it."""

    def function(x, *, mode: Literal["a", "b"] = "a", names: tuple[str, ...] = (), n: int = 1):
        """Zero, [B, A]."""
        return x

    function.__name__, function.__module__ = name, module
    function.__annotations__ = {
        "mode": Literal["a", "b"],
        "names": tuple[str, ...],
        "n": float | None,
    }
    return registry.objective(unit="token", source="here")(function)


@pytest.mark.usefixtures("plugins")
def test_annotations_that_are_objects_are_checked_like_those_that_are_text():
    outside("mine")
    given = {"mode": "b", "names": ["x"], "n": "1e-3"}
    assert registry.check("objective", "mine", given, "here") == {
        "mode": "b",
        "names": ("x",),
        "n": 1e-3,
    }
    assert len(problems("objective", "mine", {"mode": "c", "names": 3, "n": "many"})) == 3
    assert registry.find("objective", "mine").signature() == (
        "mode: Literal['a', 'b'] = 'a', names: tuple[str, ...] = (), n: float | None = 1"
    )


@pytest.mark.usefixtures("plugins")
def test_a_required_parameter_that_is_missing_is_named():
    @registry.rule()
    def strict(*, power: float):
        """A rule."""

    assert problems("rule", "strict", {}) == [
        "strict needs the parameter 'power'. strict takes power: float."
    ]


@pytest.mark.usefixtures("plugins")
def test_two_functions_of_one_name_are_refused():
    with pytest.raises(RecipeError) as raised:
        outside("npo")
    assert str(raised.value) == (
        "two functions are registered as objective 'npo': one in "
        "unteach.method.objectives.preference, one in somewhere. Rename one of them."
    )
    outside("mine")
    outside("mine")  # a module that is imported again is the same function
    with pytest.raises(RecipeError, match="one in somewhere, one in elsewhere"):
        outside("mine", "elsewhere")


@pytest.mark.usefixtures("plugins")
def test_an_entry_point_is_imported_when_a_name_is_unknown(monkeypatch: pytest.MonkeyPatch):
    source = """
from unteach.registry import objective

@objective(unit="token", needs=("logits",), source="a friend")
def theirs(x, *, power: float = 2.0):
    '''Theirs, [B, A].'''
    return x.logp * power
"""
    module = types.ModuleType("their_package")
    monkeypatch.setitem(sys.modules, "their_package", module)

    class Point:
        def load(self) -> types.ModuleType:
            exec(source, vars(module))
            return module

    asked: list[str] = []

    def entry_points(*, group: str) -> list[Point]:
        asked.append(group)
        return [Point()]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    registry.find("objective", "npo")
    assert asked == []
    entry = registry.find("objective", "theirs")
    assert asked == ["unteach"]
    assert entry.load() is vars(module)["theirs"]
    assert entry.parameters == (Parameter("power", "float", 2.0),)
    assert entry.facts["needs"] == ("logits",)
    assert registry.check("objective", "theirs", {"power": 3}, "here") == {"power": 3.0}
