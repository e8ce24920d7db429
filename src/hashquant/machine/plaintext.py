"""Text as a reader may be shown it: what would steer a terminal is written out instead."""

import unicodedata

#: Letters that steer, beside those of Unicode's own class of controls: line and paragraph
#: separators, and marks that turn the direction in which a line is read.
_STEERING = (0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
_WRITTEN_OUT = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), *_STEERING)
    if chr(code) not in "\t\n" and unicodedata.category(chr(code)) != "Zs"
}


def visible(text: str) -> str:
    r"""Return text that steers no terminal: control characters are written as Python would.

    Tabs and ends of lines stay.

    >>> print(visible("a\x1b[31mb\u202ec"))
    a\x1b[31mb\u202ec
    """
    return text if text.isascii() and text.isprintable() else text.translate(_WRITTEN_OUT)
