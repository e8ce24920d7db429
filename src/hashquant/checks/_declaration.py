"""Checks of what a method declares: its file, configuration, reference and budgets."""

import ast
import dataclasses
import inspect
import re
import sys
from pathlib import Path

from hashquant.checks._trial import BITS, build, build_shortest, require
from hashquant.codes.family import Real
from hashquant.errors import BudgetError, UsageError
from hashquant.plugins import naming, registry
from hashquant.plugins.method import Method
from hashquant.settings import reading

MOST_LINES = 150
IMPORTS = {"hashquant.api", "numpy", "torch"} | sys.stdlib_module_names


def check_name_is_file_stem(method: type[Method]) -> None:
    """The name is the file's, or that of the entry point: a suite's word leads to the class."""
    offered = registry.offers_of(method)
    if offered:
        rule = f"name must be that of its entry point, '{' or '.join(offered)}'"
        require(method, method.name in offered, rule)
        return
    stem = _source(method).stem
    rule = f"name must be its file's stem '{stem}', or that of an entry point that gives this class"
    require(method, method.name == stem, rule)


def check_file_is_short(method: type[Method]) -> None:
    """A method fits on a few screens."""
    lines = len(_source(method).read_text(encoding="utf-8").splitlines())
    require(method, lines <= MOST_LINES, f"file must have at most {MOST_LINES} lines, got {lines}")


def check_imports_only_the_api(method: type[Method]) -> None:
    """A method depends on `hashquant.api`, the standard library, numpy and torch alone.

    One that a package offers may use what else that package needs; of the engine the same door.
    """
    outside = bool(registry.offers_of(method))
    for node in ast.walk(ast.parse(_source(method).read_text(encoding="utf-8"))):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names = [f"{module}.{a.name}" if module == "hashquant" else module for a in node.names]
        for name in names:
            top = name.partition(".")[0]
            allowed = name in IMPORTS or top in IMPORTS or (outside and top != "hashquant")
            require(method, allowed, f"imports must be hashquant.api, numpy or torch, got {name}")


def check_config_is_frozen_and_defaulted(method: type[Method]) -> None:
    """The configuration is a frozen dataclass that needs no argument."""
    made = getattr(getattr(method, "Config", None), "__dataclass_params__", None)
    require(method, made is not None and made.frozen, "Config must be a frozen dataclass")
    missing = dataclasses.MISSING
    for field in dataclasses.fields(method.Config):
        has = field.default is not missing or field.default_factory is not missing
        require(method, has, f"Config.{field.name} must have a default")


def check_defaults_are_in_range(method: type[Method]) -> None:
    """Defaults and the recipe are finite and what their fields' types declare, and agree."""
    fault = ""
    try:
        reading.check(method.Config(), "Config.")
        reading.check(method.recipe(), "recipe.")
    except UsageError as error:
        fault = str(error)
    require(method, not fault, fault)


def check_config_is_documented(method: type[Method]) -> None:
    """Each field says its unit or symbol: by `#:` beside or above it, or in the docstring."""
    text, doc = inspect.getsource(method.Config), method.Config.__doc__ or ""
    for field in dataclasses.fields(method.Config):
        line = rf"^ *{field.name} *:"
        beside = re.search(rf"(#:.*\n{line})|({line}.*#: \w)", text, re.MULTILINE)
        said = beside or f"`{field.name}`" in doc
        require(method, bool(said), f"Config.{field.name} must be documented by a '#:' comment")


def check_reference_is_complete(method: type[Method]) -> None:
    """The paper can be found, and each claim says where it stands."""
    paper = method.reference
    full = all((paper.title, paper.authors, paper.venue, paper.url)) and paper.year > 1900
    require(method, full, "reference must have title, authors, venue, year and url")
    for claim in paper.claims:
        stated = all((claim.dataset, claim.metric, claim.source, claim.protocol))
        require(method, stated, f"claim at {claim.bits} bits must name its source and protocol")


def check_display_is_its_own(method: type[Method]) -> None:
    """Readers can tell its name from every other method's, and its settings' words are of them."""
    called = method.display
    texts = [called.text, called.short, *called.words.values()]
    plain = all(text == " ".join(text.split()) for text in texts)
    require(method, plain, f"display must be texts of one line, got {texts}")
    others = naming.names(registry.methods(), ()).methods
    said = {called.text or method.name, called.short or called.text or method.name}
    for name, other in others.items():
        if name != method.name:
            taken = said & {other.text, other.short or other.text}
            require(method, not taken, f"display must not be that of {name}, got {sorted(taken)}")
    # A row names the share of labels by a word of its own (`RunSpec.label`).
    known = {field.name for field in dataclasses.fields(method.Config)} | {"labels"}
    for key in called.words:
        require(method, key.partition("=")[0] in known, f"display must name settings, got '{key}'")


def check_learns_in_one_way(method: type[Method]) -> None:
    """A method has a loss, or is in closed form and has no parameter that waits for one."""
    has_loss = method.loss is not Method.loss
    require(method, has_loss != method.closed_form, "it must have a loss or be closed_form")
    weights = [n for n, w in build_shortest(method).named_parameters() if w.requires_grad]
    idle = ", ".join(weights) if method.closed_form else ""
    require(method, not idle, f"closed_form must train no parameter, got {idle}")


def check_base_is_another_method(method: type[Method]) -> None:
    """A method may learn from the embedding of another, whose name it gives."""
    other = isinstance(method.base, str) and method.base != method.name
    known = other and (not method.base or method.base in registry.methods())
    require(method, known, "base must be the name of another method, or empty")


def check_prefix_is_a_literal(method: type[Method]) -> None:
    """That shorter codes are prefixes can be told from its file, without importing it."""
    told = registry.has_prefixes(_source(method)) == bool(method.prefix)
    require(method, told, "prefix must be written as the literal True")


def check_builds_or_refuses_every_budget(method: type[Method]) -> None:
    """A budget is met exactly, or refused by a BudgetError of one sentence; one must be met.

    Embeddings without a code have their own length, a whole number of float32 values.
    """
    met = []
    for bits in BITS:
        try:
            given = build(method, bits).budget.bits
            real = isinstance(method.family, Real)
            met.append(given % 32 == 0 if real else given == bits)
        except BudgetError as error:
            one = bool(str(error)) and "\n" not in str(error)
            require(method, one, f"refusal of {bits} bits must be one sentence")
    require(method, bool(met), f"one of {BITS} bits must be met")
    require(method, all(met), "budget must have the bits that were asked for, or of its values")


def _source(method: type[Method]) -> Path:
    return Path(inspect.getfile(method))
