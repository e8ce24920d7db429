"""The tables of a report: their numbers as frames, their titles, notes and captions."""

__all__ = [
    "budgets",
    "codes",
    "domains",
    "families",
    "intervals",
    "maps",
    "ranks",
    "searchtimes",
    "supplements",
    "terminal",
    "wins",
]
