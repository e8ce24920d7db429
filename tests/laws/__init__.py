"""The laws of the house, read from the source; `LAWS` holds each by its name."""

from laws import code, rooms, texts
from laws.source import LAWS

__all__ = ["LAWS", "code", "rooms", "texts"]
