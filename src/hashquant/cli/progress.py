"""The progress bar of a run: cells, epochs, and the time that remains."""

from types import TracebackType

from tqdm import tqdm


class Progress:
    """One bar over all cells; a unit is an epoch, an examination counts as one too."""

    def __init__(self, units: int, *, quiet: bool) -> None:
        self._bar = tqdm(
            total=units,
            disable=quiet,
            unit="epoch",
            dynamic_ncols=True,
            smoothing=0.1,
            bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]{postfix}",
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def show(self, text: str) -> None:
        """Name what is running now."""
        self._bar.set_description(text, refresh=True)

    def advance(self, units: int, text: str = "") -> None:
        """Count finished units, with a figure to watch (a loss)."""
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(units)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.write(text)
