"""YAML from anybody's hand: plain values only, within bounds, nothing read silently otherwise."""

import math
import re
from pathlib import Path
from typing import Any

import yaml

#: Limits of a file: bytes; values, each alias counted as what it stands for; depth of nesting.
MOST_BYTES, MOST_VALUES, MOST_DEPTH = 2**20, 20_000, 20

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_TAG = "tag:yaml.org,2002:"
_AS_TEXT = {f"{_TAG}timestamp", f"{_TAG}value"}  #: what YAML reads as dates, and a lone "="


def read_yaml(path: Path) -> Any:  # Any: parsed YAML
    """Return the value that a file holds: mappings with text as keys, lists, text, numbers.

    Raises:
        OSError: if the file cannot be read.
        ValueError: one sentence, if it is larger than `MOST_BYTES` or no UTF-8, or `parse_yaml`
            refuses its text.
    """
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"it must be at most {MOST_BYTES:,} bytes long, it is longer")
    try:
        return parse_yaml(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"line {line} must be UTF-8, byte {data[error.start]:#04x} is none (save it as UTF-8)"
        ) from error


def parse_yaml(text: str) -> Any:  # Any: parsed YAML
    """Return the value that `text` holds.

    >>> parse_yaml("bits: [16, 24]")
    {'bits': [16, 24]}

    Raises:
        ValueError: one sentence, if it is no YAML or not one document, is empty, goes beyond
            `MOST_VALUES` or `MOST_DEPTH`, gives a key twice, or holds anything but plain values: a
            tag, a number that is not finite or beyond 64 bits, a key that is no text, a control
            character.
    """
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        raise ValueError(_sentence(error)) from error
    except yaml.reader.ReaderError as error:
        reason = f"character #x{error.character:04x} cannot stand in YAML"
        raise ValueError(f"{reason} (position {error.position})") from error
    except (ValueError, OverflowError) as error:  # numbers of escapes and directives
        line = loader.get_mark().line + 1 if loader else 1
        raise ValueError(f"line {line}: it is no YAML ({error})") from error
    finally:
        if loader is not None:
            loader.dispose()


def _sentence(error: yaml.MarkedYAMLError) -> str:
    """Return what is wrong and where on one line, without the lines of the file."""
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return where + " ".join((error.problem or error.context or "it is no YAML").split())


class _Loader(yaml.SafeLoader):
    """The safe loader of PyYAML, without tags and dates, and with bounds."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values = self._depth = 0
        #: of each finished node: how many values it stands for, how deep they are nested
        self._sizes: dict[int, tuple[int, int]] = {}

    def get_single_node(self) -> yaml.Node:
        node = super().get_single_node()
        if node is None:
            raise yaml.MarkedYAMLError(problem="it must hold something, it is empty")
        return node

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        alias = self.check_event(yaml.AliasEvent)
        mark = event.start_mark
        if getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(problem=f"a value must have no tag, got {event.tag!a}",
                                       problem_mark=mark)  # fmt: skip
        before, self._values, self._depth = self._values, self._values + 1, self._depth + 1
        self._bound(self._depth, mark)
        node = super().compose_node(parent, index)  # type: ignore[arg-type]  # or a key
        if alias:
            if id(node) not in self._sizes:
                raise yaml.MarkedYAMLError(problem="an alias stands within itself",
                                           problem_mark=mark)  # fmt: skip
            count, height = self._sizes[id(node)]
            self._values = before + count
        else:
            inner = [self._sizes[id(child)][1] for child in _children(node)]
            count, height = self._values - before, 1 + max(inner, default=0)
            self._sizes[id(node)] = count, height
        self._depth -= 1
        self._bound(self._depth + height, mark)
        return node

    def _bound(self, depth: int, mark: yaml.Mark) -> None:
        for found, most, what in (
            (self._values, MOST_VALUES, "values, aliases counted as what they stand for"),
            (depth, MOST_DEPTH, "levels of nesting"),
        ):
            if found > most:
                raise yaml.MarkedYAMLError(
                    problem=f"it must have at most {most:,} {what}, it has more", problem_mark=mark
                )

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Any, Any]:  # Any: YAML
        seen = set[str]()
        for key, _ in node.value:
            if key.tag == f"{_TAG}merge":
                continue
            if key.tag != f"{_TAG}str":
                raise _refused(f"a key must be text, got {_shown(key)}", key)
            if key.value in seen:
                raise _refused(f"key {_shown(key)} stands here a second time", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_plain(self, node: yaml.ScalarNode) -> str:
        text = str(self.construct_scalar(node))
        if found := _CONTROL.search(text):
            raise _refused(f"text must not hold control characters, got {found[0]!a}", node)
        return text

    def construct_whole(self, node: yaml.ScalarNode) -> int:
        try:
            value = int(self.construct_yaml_int(node))
        except ValueError as error:
            raise _refused(f"a value must be a whole number, got {_shown(node)}", node) from error
        if not -(2**63) <= value < 2**63:
            raise _refused(f"a whole number must fit 64 bits, got {_shown(node)}", node)
        return value

    def construct_finite(self, node: yaml.ScalarNode) -> float:
        try:
            value = float(self.construct_yaml_float(node))
        except (ValueError, OverflowError):
            value = math.nan
        if not math.isfinite(value):
            raise _refused(f"a value must be a finite number, got {_shown(node)}", node)
        return value


def _refused(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _shown(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
    return ascii(node.value if len(node.value) <= 40 else f"{node.value[:40]}…")


def _children(node: yaml.Node | None) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


for _kind, _make in (
    ("str", _Loader.construct_plain),
    ("int", _Loader.construct_whole),
    ("float", _Loader.construct_finite),
):
    _Loader.add_constructor(f"{_TAG}{_kind}", _make)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag not in _AS_TEXT]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
