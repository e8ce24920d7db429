"""Progress bars: of a run, by cells and epochs, and of a folder that is decoded."""

from types import TracebackType
from typing import Never

from tqdm import tqdm

from hashquant.cli._streams import bars
from hashquant.machine.plaintext import visible


class Progress:
    """One bar over all cells; a unit is an epoch, an examination counts as one too."""

    def __init__(self, units: int, *, quiet: bool) -> None:
        self._bar = tqdm(
            total=units,
            file=bars(),
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
        self._bar.set_description(_on_one_line(text), refresh=True)

    def advance(self, units: int, text: str = "") -> None:
        """Count finished units, with a figure to watch (a loss)."""
        self._bar.set_postfix_str(_on_one_line(text), refresh=False)
        self._bar.update(units)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.write(text)


class Decoding:
    """A bar for each folder of images that is decoded for the first time; called as it goes on."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: tqdm[Never] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` files of `total` are decoded; the bar goes when all are."""
        if self._bar is None:
            # What an interrupted decoding left is no speed: the count begins here.
            self._bar = tqdm(
                total=total,
                file=bars(),
                initial=done,
                desc="decoding images",
                unit="image",
                disable=self._quiet,
                dynamic_ncols=True,
                leave=False,
            )
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._bar.close()
            self._bar = None


def _on_one_line(text: str) -> str:
    """Return text that may stand in a bar: nothing in it moves the cursor, which the bar does."""
    return visible(" ".join(text.split("\n")))
