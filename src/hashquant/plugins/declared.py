"""What a plug-in declares of itself, held to what its numbers may be before anything runs."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hashquant.errors import PluginError, UsageError
from hashquant.plugins import registry
from hashquant.plugins._literals import PREFIX
from hashquant.plugins.failures import calling
from hashquant.settings.ranges import Count, Natural, described, fault
from hashquant.settings.reading import FLAG, check, coerce, refusal
from hashquant.settings.recipe import Recipe

if TYPE_CHECKING:  # it imports torch, which a plan must not
    from hashquant.plugins.method import Method

#: What a count may be, in words.
COUNT = described(Count)


def declared(method: "type[Method]", name: str) -> dict[str, Any]:  # Any: of its own Config
    """Return a method's default settings, once its numbers are seen to be what they may be.

    Raises:
        PluginError: if they are not.
    """
    try:
        default, recipe = method.Config(), method.recipe()
        check(default, f"{name}: Config.")
        if not isinstance(recipe, Recipe):
            raise refusal(f"{name}: recipe", "a Recipe", recipe)
        check(recipe, f"{name}: recipe.")
        for key in ("paper_batch", "images_per_class"):
            if fault(found := getattr(method, key), Count):
                raise refusal(f"{name}: {key}", COUNT, found)
        return dataclasses.asdict(default)
    except UsageError as error:
        raise PluginError(str(error)) from error
    except (ValueError, TypeError, ArithmeticError) as error:
        raise PluginError(f"{name}: its Config or recipe cannot be made: {error}") from error


def take_prefix(
    method: "type[Method]", name: str, asked: dict[str, Any]
) -> int:  # Any: YAML values
    """Take out of a method's settings the code length it is to be trained at; 0: each its own.

    Raises:
        UsageError: if its shorter codes are no beginnings of longer ones, or that is no length.
    """
    if PREFIX not in asked:
        return 0
    where = f"{FLAG}{name}.{PREFIX}"
    if not method.prefix:
        others = ", ".join(registry.with_prefixes())
        raise UsageError(
            f"{name}.{PREFIX} cannot be set, for the beginning of its code is no code ({where}=…); "
            f"methods of which it is: {others or 'none'}"
        )
    length: int = coerce(asked.pop(PREFIX), Natural, where)
    return length


def vector_width(reference: str, options: Mapping[str, str]) -> int | None:
    """Return how many values the vectors of a data set have, 0 where that is not known.

    None for one of images, and for one whose plug-in cannot be used: its own cells fail.

    Raises:
        UsageError: if there is no such data set, or an option of it is not understood.
    """
    try:
        if not registry.dataset_class(reference).VECTORS:
            return None
    except PluginError:
        return None
    try:
        made = registry.make_dataset(reference, options)
        with calling(f"data set '{reference}'"):
            return int(made.width)
    except PluginError:
        return 0
