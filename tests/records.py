"""Small valid records for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sidcap.data_manifest.schema import BlackLevel, CameraBody, Exposure, Frame, Iso, Pair, Ratio, Scene, WhiteLevel
from sidcap.data_manifest.words import Release, Split

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def frame(path: str = "long/00001_00_10s.CR2", **changes: Any) -> Frame:
    long = path.startswith("long")
    fields: dict[str, Any] = {
        "path": path,
        "role": "long" if long else "short",
        "size_bytes": 1000,
        "sha256": "0" * 64,
        "camera": CameraBody(model="Canon EOS 6D", serial="1"),
        "iso": Iso(requested=12600, set=12800),
        "exposure": Exposure(
            requested_s=10 if long else 0.1, nominal_s=10 if long else 0.1, true_s=10.079 if long else 0.0992
        ),
        "start_utc": MOMENT,
        "end_utc": MOMENT,
        "release": Release.MIRROR_LOCKUP,
        "settle_s": 2.0,
        "black": BlackLevel(per_plane_dn=(2048, 2048, 2048, 2048), source="masked pixels"),
        "white": WhiteLevel(dn=15283, source="test"),
    }
    return Frame(**(fields | changes))


def scene(scene_id: int = 1, **changes: Any) -> Scene:
    name = f"{scene_id:05d}"
    long, short = frame(f"long/{name}_00_10s.CR2"), frame(f"short/{name}_00_0.1s.CR2")
    fields: dict[str, Any] = {
        "id": scene_id,
        "split": (Split.TRAIN, Split.TEST, Split.VAL)[scene_id // 10000],
        "complete": True,
        "frames": (long, short),
        "pairs": (Pair(frame=short.path, reference=long.path, ratio=Ratio(nominal=100, true=101.6)),),
    }
    return Scene(**(fields | changes))
