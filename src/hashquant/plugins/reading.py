"""A data set's images and roles, asked for across the border of plug-ins and held to the laws."""

from pathlib import Path

from hashquant.data.items import Dataset, Items, Split
from hashquant.data.lawful import checked_items, lawful
from hashquant.errors import DataError
from hashquant.plugins.failures import calling


def read_dataset(
    dataset: Dataset, reference: str, root: Path, *, on_bad_image: str = "stop"
) -> tuple[Items, Split]:
    """Prepare a data set, and return its images and its split, as the laws want them.

    Raises:
        DataError: if images are missing or damaged, or images or split break a law.
        PluginError: if the data set fails in any other way.
    """
    with calling(f"data set '{reference}'"):
        dataset.prepare(root, on_bad_image=on_bad_image)
        loaded = dataset.load(root)
        try:
            items = checked_items(loaded)
            return items, lawful(items, dataset.split(items))
        except DataError as error:
            if str(error).startswith(reference):
                raise
            raise DataError(f"{reference}: {error}") from error


def names_people(dataset: Dataset) -> bool:
    """Tell whether a data set says that its class names are people's.

    Raises:
        PluginError: if it fails to say it.
    """
    with calling(f"data set '{dataset.name}'"):
        return bool(dataset.people)


def same_split(reference: str, first: tuple[str, Split], again: tuple[str, Split]) -> None:
    """Hold a data set that is read twice, each with its version, to what it gave at first.

    Raises:
        DataError: if it is another: what was trained on is then not known.
    """
    for what, one, two in (
        ("images", first[0], again[0]),
        ("split", first[1].digest, again[1].digest),
    ):
        if one != two:
            raise DataError(
                f"{reference}: its {what} must be the same each time, got {one[:12]}, then "
                f"{two[:12]}"
            )
