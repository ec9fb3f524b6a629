"""What registration measured, as a scene's file keeps it, so that a pair can be judged again without its frames."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
from pydantic import JsonValue

from sidcap.curate.registration import Problem, Registration
from sidcap.data_manifest.errors import ManifestError
from sidcap.data_manifest.schema import Pair


def as_record(found: Registration) -> dict[str, JsonValue]:
    """Every field by its name; arrays as lists."""
    record: dict[str, JsonValue] = json.loads(json.dumps(asdict(found), default=np.ndarray.tolist))
    return record


def registration_of(pair: Pair) -> Registration | None:
    """What was recorded of a pair by `as_record`; None where nothing is. ManifestError where it cannot be read."""
    if pair.alignment is None or pair.alignment.registration is None:
        return None
    fields: dict[str, Any] = dict(pair.alignment.registration)
    try:
        shift_px, covariance_px2, problem = (fields.pop(name) for name in ("shift_px", "covariance_px2", "problem"))
        return Registration(
            shift_px=None if shift_px is None else (float(shift_px[0]), float(shift_px[1])),
            covariance_px2=None if covariance_px2 is None else np.array(covariance_px2, np.float64).reshape(2, 2),
            problem=None if problem is None else Problem(problem),
            **fields,
        )
    except (LookupError, TypeError, ValueError) as error:
        raise ManifestError(
            f"{pair.frame}: what registration measured is garbled ({error}): run `sidcap verify-alignment --again`"
        ) from error
