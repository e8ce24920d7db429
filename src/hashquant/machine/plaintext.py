"""Text as a reader may be shown it: what would steer a terminal is written out instead."""

#: Letters that steer: Unicode's controls but tab and end of line, line and paragraph separators,
#: and marks that turn the direction in which a line is read.
STEERING = "".join(
    chr(code)
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x200E, 0x200F, *range(0x2028, 0x202F),
                 *range(0x2066, 0x206A), 0xFEFF)
    if chr(code) not in "\t\n"
)  # fmt: skip
_WRITTEN_OUT = {
    ord(c): f"\\x{ord(c):02x}" if ord(c) < 0x100 else f"\\u{ord(c):04x}" for c in STEERING
}


def visible(text: str) -> str:
    r"""Return text that steers no terminal: control characters are written as Python would.

    Tabs and ends of lines stay.

    >>> print(visible("a\x1b[31mb\u202ec"))
    a\x1b[31mb\u202ec
    """
    return text if text.isascii() and text.isprintable() else text.translate(_WRITTEN_OUT)
