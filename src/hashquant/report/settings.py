"""What sets two records apart, in words: the settings that one table may not mix."""

import dataclasses

from hashquant.records.record import EvalRecord, TrainRecord
from hashquant.settings.suite import FREE_IN_TABLE, RunSpec, canonical_json


def fixed_settings(spec: RunSpec) -> dict[str, object]:
    """Return the settings that must agree between the cells of one table."""
    names = [f.name for f in dataclasses.fields(spec) if f.name not in FREE_IN_TABLE]
    return {name: getattr(spec, name) for name in names}


def alike(spec: RunSpec, like: RunSpec) -> bool:
    """Tell whether two specs agree in all that a table fixes, whatever their data sets."""
    same = dataclasses.replace(
        like, dataset=spec.dataset, dataset_options=spec.dataset_options, suite=spec.suite
    )
    return fixed_settings(spec) == fixed_settings(same)


def own_settings(spec: RunSpec) -> str:
    """Return the settings of a row's own, which the seeds of one cell share."""
    return canonical_json([spec.settings, spec.schedule, spec.features])


def differences(
    newest: EvalRecord | TrainRecord, foreign: list[EvalRecord | TrainRecord]
) -> tuple[str, ...]:
    """Say what sets `foreign` records apart from the newest ("epochs 5"), each thing once."""
    here = fixed_settings(newest.spec)
    found: set[str] = set()
    for record in foreign:
        there = fixed_settings(record.spec)
        names = [name for name in here if here[name] != there[name]]
        found.update(_setting(name, there[name]) for name in names)
        if not names:
            found.add(_quiet_difference(newest, record))
    return tuple(sorted(found))


def _quiet_difference(newest: EvalRecord | TrainRecord, record: EvalRecord | TrainRecord) -> str:
    if record.split_digest != newest.split_digest:
        return f"split {record.split_digest[:12]}"
    if isinstance(record, EvalRecord) and isinstance(newest, EvalRecord):
        if record.adapter != newest.adapter:
            return f"adapter {record.adapter or 'none'}"
        if record.comparability_key != newest.comparability_key:
            return "another version of the data set"
        return "older records of the same cells"
    return "older records"


def _setting(name: str, value: object) -> str:
    plain = value if isinstance(value, str | int | float) else canonical_json(value)
    return f"{name.replace('_', ' ')} {plain}"
