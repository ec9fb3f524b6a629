"""What registration measured, as a scene's file keeps it, so that a pair can be judged again without its frames."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

import numpy as np
from pydantic import JsonValue

from sidcap.data_manifest.errors import ManifestError
from sidcap.data_manifest.schema import Pair

if TYPE_CHECKING:
    from sidcap.curate.registration import Registration


def as_record(found: Registration) -> dict[str, JsonValue]:
    """Every field by its name; arrays as lists."""
    record: dict[str, JsonValue] = json.loads(json.dumps(asdict(found), default=np.ndarray.tolist))
    return record


def registration_of(pair: Pair) -> Registration | None:
    """What was recorded of a pair by `as_record`; None where nothing is. ManifestError where it cannot be read."""
    if pair.alignment is None or pair.alignment.registration is None:
        return None
    from sidcap.curate.registration import Registration  # late: it brings a compiler along

    try:
        found: Registration = _restored(Registration, pair.alignment.registration)
    except (LookupError, TypeError, ValueError) as error:
        raise ManifestError(
            f"{pair.frame}: what registration measured is garbled ({error}): run `sidcap verify-alignment --again`"
        ) from error
    return found


def _restored(kind: Any, value: Any) -> Any:
    """A value of type ``kind`` from its JSON: a number, a word, an array, a tuple or a dataclass of these, or None."""
    if value is None:
        return None
    origin, parts = get_origin(kind), [part for part in get_args(kind) if part is not type(None)]
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: _restored(hints[name], field) for name, field in value.items()})  # type: ignore[operator]
    if origin is np.ndarray:
        return np.array(value, np.float64)
    if origin is tuple:
        kinds = parts[:1] * len(value) if parts[-1] is Ellipsis else parts
        return tuple(_restored(part, item) for part, item in zip(kinds, value, strict=True))
    if parts:  # or None
        return _restored(parts[0], value)
    return kind(value)
