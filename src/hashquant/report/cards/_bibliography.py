"""The bibliography of a report: BibTeX of every method and data set shown, each entry once."""

import re
import string
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain, count

from hashquant.settings.reference import Reference, Sources

#: `Pattern Recognition 141, 109671`: journal, volume, perhaps number and pages.
_JOURNAL = re.compile(
    r"(?P<journal>.*[^\d,]) (?P<volume>\d+)(\((?P<number>\d+)\))?(, (?P<pages>\S+))?"
)
_ENTRY = re.compile(r"@(?P<kind>\w+)\s*\{\s*(?P<key>[^\s,{}\"#%'()=]+)\s*,")
_DOI = re.compile(r"https?://(?:dx\.)?doi\.org/(.+)")
_SPECIAL = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
       "{": r"\textbraceleft{}", "}": r"\textbraceright{}", "\n": " "}
)  # fmt: skip
#: Combining characters and letters that BibTeX knows as commands; bytes it does not know break
#: styles that abbreviate first names or change case.
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u",
    "\u0307": ".", "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0323": "d",
    "\u0327": "c", "\u0328": "k",
}  # fmt: skip
_LETTERS = {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l",
            "Ł": "L", "ı": "i"}  # fmt: skip


def bibliography(sources: Sources) -> str:
    """Return all entries, methods before data sets, and a line on each name that has none.

    Keys are unique: where two differing entries share one, the later is told apart by a letter.
    """
    texts = [entry(paper, name) for name, paper in sorted(sources.methods.items())]
    silent: list[str] = []
    for name, text in sorted(sources.datasets.items()):
        if text.strip() and not is_entry(text):
            silent.append(f"{name}: its citation is no BibTeX entry")
        elif text.strip():
            texts.append(text.strip())
        else:
            silent.append(f"{name}: it asks for no citation")
    silent += [f"{name}: {reason}" for name, reason in sorted(sources.missing.items())]
    notes = "\n".join(map(_comment, silent))
    return "\n\n".join([*_unique(texts), *([notes] if notes else [])]) + "\n"


def keys(sources: Sources) -> dict[str, str]:
    """Return the key of every method's entry in the bibliography."""
    texts = {name: entry(paper, name) for name, paper in sorted(sources.methods.items())}
    different = list(dict.fromkeys(texts.values()))  # two methods may share paper and key
    heads = dict(zip(different, map(_ENTRY.match, _unique(different)), strict=True))
    return {name: head["key"] for name, text in texts.items() if (head := heads[text])}


def entry(paper: Reference, method: str) -> str:
    """Return the BibTeX entry of a method's paper; its key ends in the method's name."""
    found = _JOURNAL.fullmatch(paper.venue)
    values = {"author": " and ".join(_latex(name) for name in _names(paper.authors))}
    values["title"] = f"{{{_latex(paper.title)}}}"
    if found:
        kind = "article"
        values |= {key: _latex(value or "") for key, value in found.groupdict().items()}
    else:
        kind = "misc" if paper.venue.lower().startswith("arxiv") else "inproceedings"
        values["howpublished" if kind == "misc" else "booktitle"] = _latex(paper.venue)
    values["year"] = str(paper.year)
    values["doi"] = doi[1] if (doi := _DOI.fullmatch(paper.url)) else ""
    values["url"] = paper.url
    values |= {name: _address(values[name]) for name in ("doi", "url")}
    lines = [f"  {name} = {{{value}}}" for name, value in values.items() if value]
    return f"@{kind}{{{_key(paper, method)},\n" + ",\n".join(lines) + "\n}"


def is_entry(text: str) -> bool:
    """Tell whether a text is one whole BibTeX entry: `@kind{key, …}` with balanced braces.

    >>> is_entry("@misc{a, title = {T}}"), is_entry("@misc{a, title = {T}"), is_entry("see there")
    (True, False, False)
    """
    text = text.strip()
    depths = list(_depths(text))
    return bool(_ENTRY.match(text)) and text.endswith("}") and (
        depths[-1] == 0 and all(depth > 0 for depth in depths[text.index("{") : -1])
    )  # fmt: skip


def _depths(text: str) -> Iterator[int]:
    """Return how many braces are open after each character."""
    depth = 0
    for char in text:
        depth += (char == "{") - (char == "}")
        yield depth


def _comment(text: str) -> str:
    """Return a line that BibTeX passes over: it looks for the next @, whatever the braces."""
    plain = " ".join(re.sub(r"[@{}]", " ", text).split())
    return f"@comment{{No entry for {plain}}}"


def _unique(texts: Iterable[str]) -> list[str]:
    kept: list[str] = []
    keys: set[str] = set()
    ends = ["", *string.ascii_lowercase]
    for text in dict.fromkeys(texts):
        head = _ENTRY.match(text)
        if head is None:
            continue
        key = head["key"]
        named = (f"{key}{end}" for end in chain(ends, map(str, count(2))))
        fresh = next(k for k in named if k.lower() not in keys)
        keys.add(fresh.lower())
        kept.append(text[: head.start("key")] + fresh + text[head.end("key") :])
    return kept


def _names(authors: str) -> list[str]:
    return [name.strip() for name in re.split(r",| and ", authors) if name.strip()]


def _key(paper: Reference, method: str) -> str:
    last = _names(paper.authors)[0].split()[-1] if _names(paper.authors) else ""
    plain = unicodedata.normalize("NFKD", f"{last}{paper.year}{method}")
    return re.sub(r"[^a-z0-9-]", "", plain.encode("ascii", "ignore").decode().lower()) or "unnamed"


def _address(text: str) -> str:
    """Return an address as styles set it (as it is), without what would end the field."""
    return "".join(text.split()).replace("\\", "%5C").replace("{", "%7B").replace("}", "%7D")


def _latex(text: str) -> str:
    r"""Return plain text as BibTeX takes it; what has no command stays as UTF-8, in one piece.

    >>> print(_latex("Jégou & Łoś_1"))
    J{\'e}gou \& {\L}o{\'s}\_1
    """
    written: list[str] = []
    for char in unicodedata.normalize("NFD", text):
        if char in _ACCENTS and written:
            written[-1] = f"{{\\{_ACCENTS[char]}{_under(_ACCENTS[char], written[-1])}}}"
        elif char in _LETTERS:
            written.append(f"{{\\{_LETTERS[char]}}}")
        elif unicodedata.combining(char) and written:
            written[-1] += char
        else:
            written.append(char.translate(_SPECIAL))
    whole = unicodedata.normalize("NFC", "".join(written))
    return re.sub(r"[^\x00-\x7f]+", lambda found: f"{{\\relax {found[0]}}}", whole)


def _under(accent: str, letter: str) -> str:
    """Return the letter below an accent, apart from a command that is a letter itself."""
    return f"{{{letter}}}" if accent.isalpha() else letter
