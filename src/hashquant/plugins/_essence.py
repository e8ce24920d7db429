"""What of a plug-in's source can change a result: all but comments, docstrings and its names."""

import ast
import io
import tokenize
from collections.abc import Iterator

#: Attributes of a plug-in that only readers of a report see, or that say what may be asked of it.
SEEN_ONLY = ("display", "kind", "prefix", "reference")
Place = tuple[int, int]  #: line from 1, column in characters from 0


def essence(source: bytes) -> bytes:
    r"""Return a source without comments, docstrings, SEEN_ONLY attributes and empty lines.

    A source that is no Python comes back whole.

    >>> essence(b'class M:\n    "Far."\n    kind = "pairs"\n    bits = 4  # four\n')
    b'class M:\n    bits = 4'
    """
    try:
        # Lines as Python counts them: `splitlines` would end one at a form feed too.
        text = source.decode().replace("\r\n", "\n").replace("\r", "\n")
        lines = [f"{line}\n" for line in text.split("\n")]
        for start, end in sorted([*_comments(text), *_unread(text, lines)], reverse=True):
            _cut(lines, start, end)
    except (SyntaxError, ValueError, tokenize.TokenError, RecursionError):
        return source
    kept = (line.rstrip() for line in "".join(lines).split("\n"))
    return "\n".join(line for line in kept if line).encode()


def _comments(text: str) -> Iterator[tuple[Place, Place]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start, token.end


def _unread(text: str, lines: list[str]) -> Iterator[tuple[Place, Place]]:
    """Yield the places of docstrings, and of what only readers of a report see."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for number, statement in enumerate(node.body):
                if (number == 0 and _is_text(statement)) or _is_seen_only(node, statement):
                    yield _place(statement, lines)


def _is_text(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _is_seen_only(holder: ast.AST, node: ast.stmt) -> bool:
    if not isinstance(holder, ast.ClassDef) or not isinstance(node, ast.Assign | ast.AnnAssign):
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return all(isinstance(one, ast.Name) and one.id in SEEN_ONLY for one in targets)


def _place(node: ast.stmt, lines: list[str]) -> tuple[Place, Place]:
    """Return where a statement begins and ends; ast counts columns in bytes."""
    end = (node.end_lineno or node.lineno, node.end_col_offset or 0)
    ends = ((node.lineno, node.col_offset), end)
    start, end = ((line, len(lines[line - 1].encode()[:at].decode())) for line, at in ends)
    return start, end


def _cut(lines: list[str], start: Place, end: Place) -> None:
    """Take the text from one place to another out; lines keep their numbers."""
    (first, left), (last, right) = start, end
    rest = lines[last - 1][right:]
    if first != last:
        lines[last - 1] = rest
        lines[first : last - 1] = [""] * (last - 1 - first)
        rest = "\n"
    lines[first - 1] = lines[first - 1][:left] + rest
