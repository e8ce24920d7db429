"""The tables of a report: their numbers as frames, their titles, notes and captions."""
