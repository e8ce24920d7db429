import dataclasses
import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashquant.errors import UsageError
from hashquant.settings.ranges import Count, Decay, Natural, OneOf, Positive, Range, Share, fault
from hashquant.settings.reading import build, check, coerce
from hashquant.settings.recipe import Recipe
from hashquant.settings.suite import Suite

NAN = math.nan


@dataclass(frozen=True)
class Theirs:
    """As somebody writes it who knows of no ranges."""

    weight: float = 1.0
    rounds: int = 3
    weights: tuple[float, ...] = ()
    table: Mapping[str, float] = dataclasses.field(default_factory=dict)
    anything: Any = None
    either: int | float = 1
    maybe: float | None = None
    kind: Literal["a", "b"] = "a"
    plain: dict[str, float] = dataclasses.field(default_factory=dict)
    noted: Annotated[float, {"unit": "nats"}] = 1.0  # a note of its own, which cannot be hashed


@pytest.mark.parametrize(
    ("hint", "value", "wanted"),
    [
        (Positive, 0.0, "a number above 0"),
        (Positive, -math.inf, "a finite number above 0"),
        (Share, 1.01, "a number within 0 … 1"),
        (Decay, 1.0, "a number of at least 0 and below 1"),
        (Count, 0, "a whole number of at least 1"),
        (Natural, 2**63, "a whole number of at most 64 bits"),
        (tuple[Positive, ...], (1.0, 0.0), "a number above 0"),
        (tuple[Count, Share], (1, 2.0), "a number within 0 … 1"),
        (Annotated[str, OneOf("a", "b")], "c", "one of a, b"),
        (Any, {"a": [1.0, {"b": NAN}]}, "a finite number"),
        (Any, Path("x"), "a number, text, true or false, or a list or mapping of them"),
        (Any, {1: 2}, "a number, text, true or false, or a list or mapping of them"),
        (float, 5, ""),
        (Positive, True, ""),
        (Any, [1, "nan", None, {"a": ()}], ""),
    ],
)
def test_what_a_value_should_have_been(hint, value, wanted):
    assert fault(value, hint) == wanted


@given(st.floats() | st.integers(), st.floats(-9, 9), st.floats(-9, 9))
def test_a_range_is_what_its_bounds_say(value, low, high):
    assert (value in Range(low, high)) == (low <= value <= high)
    assert (value in Range(above=low, below=high)) == (low < value < high)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"weight": NAN}, "weight must be a finite number, got nan"),
        ({"weight": "-inf"}, "weight must be a finite number, got -inf"),
        ({"weight": 10**400}, "weight must be a number, got 1000"),
        ({"weight": int("f" * 5000, 16)}, "got a number of thousands of digits"),
        ({"rounds": 2**64}, "rounds must be a whole number of at most 64 bits"),
        ({"rounds": "9" * 5000}, "rounds must be a whole number, got 9999"),
        ({"weights": [0.5, NAN]}, "weights must be a finite number, got nan"),
        ({"weights": "0.5,1e999"}, "weights must be a finite number, got 1e999"),
        ({"table": {"a": NAN}}, "table.a must be a finite number, got nan"),
        ({"anything": [[NAN]]}, "anything must be a finite number, got [[nan]]"),
        ({"either": "x"}, "either must be a number, got 'x'"),
        ({"either": "nan"}, "either must be a finite number, got nan"),
        ({"maybe": "inf"}, "maybe must be a finite number, got inf"),
        ({"kind": "c"}, "unknown theirs.kind 'c'"),
        ({"plain": {"a": NAN}}, "plain must be a finite number"),
        ({"noted": NAN}, "noted must be a finite number, got nan"),
        ({"noted": None}, "noted must be a number, got None"),
    ],
)
def test_a_number_is_finite_whatever_is_declared(raw, said):
    with pytest.raises(UsageError) as caught:
        build(Theirs, raw, "--set theirs.")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 250


def test_what_is_in_order_is_taken():
    found = build(Theirs, {"either": "0.5", "maybe": "none", "kind": "b", "noted": "2"}, "x")
    assert (found.either, found.maybe, found.kind, found.noted) == (0.5, None, "b", 2.0)
    check(found, "x.")


def test_a_sentence_names_place_and_flag():
    with pytest.raises(UsageError) as caught:
        build(Suite, {"common": {"lr": NAN}}, "quick.yaml")
    assert str(caught.value) == (
        "quick.yaml: common.lr must be a finite number of at least 0, got nan"
    )
    with pytest.raises(UsageError) as caught:
        build(Suite, {"epochs": "0"}, "--set ")
    assert str(caught.value) == (
        "epochs must be a whole number of at least 1, got 0 (--set epochs=…)"
    )


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"warmup_epochs": 200.0}, "warmup_epochs must be below epochs, 200, got 200"),
        ({"milestones": (3.0, 2.0)}, "milestones must rise from one to the next, got 3, 2"),
        ({"milestones": (3.0, 3.0)}, "milestones must rise from one to the next, got 3, 3"),
        ({"decay": "milestones"}, "milestones must name epochs where decay is milestones"),
        ({"decay": "milestones", "milestones": (9.0, 200.0)}, "milestones must be below epochs"),
        ({"nesterov": True, "momentum": 0.0}, "nesterov must go with a momentum above 0"),
    ],
)
def test_fields_of_a_recipe_agree(recipe, said):
    with pytest.raises(UsageError, match=f"^common.{said}"):
        check(dataclasses.replace(Suite(), common=Recipe(**recipe)), "")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"resize": 31}, "resize must be 0, or at least image_size, 32, got 31"),
        ({"bits": ()}, "bits must name one at least, got none"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1, got 0"),
        ({"std": (0.5, 0.0, 0.5)}, "std must be a number above 0 and at most 1"),
        ({"mean": (NAN, 0.0, 0.0)}, "mean must be a finite number within 0 … 1"),
        ({"padding": -1}, "padding must be a whole number within 0 … 4,096, got -1"),
    ],
)
def test_a_suite_made_in_code_is_held_to_its_declarations_too(changes, said):
    with pytest.raises(UsageError, match=f"^{said}"):
        check(dataclasses.replace(Suite(), **changes), "")


def test_what_is_stored_may_be_out_of_todays_range():
    asked = {"lr": -1.0, "epochs": 0, "optimizer": "lamb", "milestones": [9.0, 3.0]}
    found = build(Recipe, asked, "train.json", stored=True)
    assert (found.lr, found.epochs, found.optimizer) == (-1.0, 0, "lamb")
    with pytest.raises(UsageError, match=r"epochs must be a whole number, got 1\.5"):
        build(Recipe, {"epochs": 1.5}, "train.json", stored=True)


class Speed(enum.Enum):
    FAST = "fast"


@pytest.mark.parametrize("hint", [Path, Speed, complex, bytes])
def test_what_no_record_can_hold_is_no_setting(hint):
    with pytest.raises(UsageError, match=r"^x must be"):
        coerce("fast", hint, "x")


def test_a_refusal_of_their_own_class_is_told_with_its_place():
    @dataclass(frozen=True)
    class Even:
        k: int = 2

        def __post_init__(self):
            if self.k % 2:
                raise ValueError("k must be even")

    with pytest.raises(UsageError, match=r"^mine: k must be even$"):
        build(Even, {"k": "3"}, "--set mine.")
