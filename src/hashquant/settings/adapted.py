"""A suite as a command changes it, as it holds for another trunk, or for vectors."""

import dataclasses
from typing import Any

from hashquant.errors import UsageError, unknown_name
from hashquant.settings.reading import FLAG, build, refusal
from hashquant.settings.recipe import Recipe
from hashquant.settings.suite import HEADS_ON, Suite
from hashquant.settings.trunkcards import preprocessing
from hashquant.settings.trunknames import NONE

#: Fields of images and their trunk → what stands there where the items of a set are vectors.
NO_IMAGES: dict[str, Any] = {  # Any: each field has its own type
    "trunk": NONE, "image_size": 0, "resize": 0, "padding": 0, "flip": False,
    "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), "trunk_mode": "eager", "precision": "fp32",
    "head_only": True, "trunk_rate": 1.0,
}  # fmt: skip


def with_trunk(suite: Suite, trunk: str) -> Suite:
    """Return a suite with another trunk, with the sizes and colours that a pretrained one takes.

    Raises:
        UsageError: if a pretrained trunk's name is not known.
    """
    return dataclasses.replace(suite, trunk=trunk, **preprocessing(trunk))


def of_vectors(suite: Suite, width: int) -> Suite:
    """Return a suite as it holds for vectors of `width` values (0: not known).

    Nothing is said of images, heads alone learn, and `HEADS_ON` is what came: it has no settings.
    """
    size = width or suite.features
    settings = {**suite.settings, HEADS_ON: {"size": size}}
    variants = {method: rows for method, rows in suite.variants.items() if method != HEADS_ON}
    return dataclasses.replace(
        suite, **NO_IMAGES, features=size, settings=settings, variants=variants
    )


def override(suite: Suite, assignments: list[str]) -> Suite:
    """Apply `--set` assignments: `key=value` of the suite, or `method.key=value`.

    `variants=none` leaves out the rows that a suite's variants add.

    Raises:
        UsageError: if an assignment has no `=`, or its key or value is not understood.
    """
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set must be key=value, got '{assignment}'")
        owner, dot, inner = key.strip().partition(".")
        if not dot:
            suite = _set_field(suite, owner, value)
        elif owner == "common":
            asked = dataclasses.asdict(suite.common) | {inner: value}
            common = build(Recipe, asked, f"{FLAG}common.")
            suite = dataclasses.replace(suite, common=common)
        else:
            merged = {**suite.settings.get(owner, {}), inner: value}
            suite = dataclasses.replace(suite, settings={**suite.settings, owner: merged})
    return suite


def _set_field(suite: Suite, key: str, value: str) -> Suite:
    names = [f.name for f in dataclasses.fields(Suite) if f.name not in ("settings", "common")]
    if key not in names:
        if key == "prefix":
            raise UsageError("prefix is set of a method, as --set rq.prefix=64 (docs/families.md)")
        raise unknown_name("key in --set", key, names)
    if key == "variants":
        if value.strip().lower() != "none":
            raise refusal("--set variants", "none (a suite file lists them)", value)
        return dataclasses.replace(suite, variants={})
    changed = build(Suite, {key: value}, FLAG)
    return dataclasses.replace(suite, **{key: getattr(changed, key)})
