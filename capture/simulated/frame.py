"""One simulated frame: scene, lens, sensor and container put together into the bytes of a file.

The body says in a :class:`Shot` what it did; everything else (tripod, light, air) is in :class:`Surroundings`, given
to the :class:`FrameMaker` once. A frame is a function of both: made twice, it has the same bytes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from fractions import Fraction
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sidcap.capture.simulated import cr2, live_picture, optics, scenes, thermal
from sidcap.capture.simulated.light import mean_light
from sidcap.capture.simulated.mechanics import ShiftPath, shift_path
from sidcap.capture.simulated.scenes import Scene, SceneChoice
from sidcap.capture.simulated.sensor import (
    DARKNESS,
    FULL_SENSOR,
    SMALL_SENSOR,
    FixedPattern,
    Geometry,
    SensorParameters,
    aperture_scaling,
    expose,
    fixed_pattern,
    scaled_for_aperture,
    without_dark,
)
from sidcap.capture.simulated.surroundings import Surroundings
from sidcap.capture.simulated.truth import Truth

SensorSize = Literal["full", "small"]


@dataclass(frozen=True)
class Shot:
    """What the body knows about one exposure when it hands it to the sensor.

    ``shutter_s`` is the true open time in seconds (10.079), ``nominal_shutter`` what the EXIF block states
    (``Fraction(10)``). ``start_s`` counts simulated seconds since power-on. ``taken`` is an aware UTC time.
    ``frame_number`` counts exposures from 1 since power-on: noise and knocks go by it.
    ``scene``: a number, ``"flat"`` (an evenly lit wall) or ``"capped"`` (the cap is on the lens).
    ``shift_px`` displaces the image on the sensor, right and down positive, in sensor pixels, beside what the
    surroundings do. ``mirror_up_s``: simulated seconds between the mirror's slap and the shutter's opening: about
    0.05 for a plain release, the settle time under lockup; None where nothing slapped (live view).
    ``focus_steps``: how far the focus drive stands from sharp, either way.
    ``noise_reduction``: a dark exposure of the same length followed and is subtracted.
    ``sensor_c``: temperature when the shutter opens (:class:`~sidcap.capture.simulated.thermal.SensorHeat`); None is
    that of the air. ``recorded_*``: what EXIF states instead of the truth, where the body errs.
    """

    iso: int
    shutter_s: float
    nominal_shutter: Fraction
    aperture: float
    scene: SceneChoice
    start_s: float
    taken: datetime
    frame_number: int
    shift_px: tuple[float, float] = (0.0, 0.0)
    lens: str = "EF50mm f/1.8 II"
    mirror_up_s: float | None = None
    focus_steps: int = 0
    noise_reduction: bool = False
    sensor_c: float | None = None
    recorded_iso: int | None = None
    recorded_shutter: Fraction | None = None
    recorded_aperture: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON can carry it."""
        shutters = {
            name: None if value is None else str(value)
            for name, value in (("nominal_shutter", self.nominal_shutter), ("recorded_shutter", self.recorded_shutter))
        }
        return {**asdict(self), **shutters, "taken": self.taken.isoformat()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Shot:
        """Inverse of ``to_dict``."""
        shutter = values["recorded_shutter"]
        x_px, y_px = values["shift_px"]
        return cls(
            **{
                **values,
                "nominal_shutter": Fraction(values["nominal_shutter"]),
                "recorded_shutter": None if shutter is None else Fraction(shutter),
                "shift_px": (x_px, y_px),
                "taken": datetime.fromisoformat(values["taken"]),
            }
        )


class FrameMaker:
    """Makes the files of one simulated body; safe to call from several threads.

    ``light_ev`` brightens (positive) or darkens every scene, in stops. The same seed, serial number, surroundings and
    shot give the same bytes; two frames of different number differ in their noise.
    """

    def __init__(
        self,
        *,
        serial: str,
        size: SensorSize,
        light_ev: float = 0.0,
        seed: int = 0,
        surroundings: Surroundings | None = None,
    ) -> None:
        self._serial = serial
        self._geometry = FULL_SENSOR if size == "full" else SMALL_SENSOR
        self._parameters = SensorParameters()
        self._light = 2.0**light_ev
        self._seed = seed
        self._surroundings = surroundings or Surroundings()
        # Kept from frame to frame: the body's pattern, the last scene, the last image as it lay on the sensor, the last
        # frame, and the last scene of live view.
        self._lock = Lock()
        self._pattern: FixedPattern | None = None
        self._scene: tuple[SceneChoice, Scene] | None = None
        self._image: tuple[Hashable, NDArray[np.float32]] | None = None
        self._frame: tuple[Shot, NDArray[np.uint16]] | None = None
        self._live: tuple[SceneChoice, Geometry, Scene] | None = None

    def make(self, shot: Shot) -> bytes:
        """The whole CR2 file of ``shot``."""
        return cr2.pack(self._raw(shot), self._geometry, self._shooting(shot))

    def jpeg(self, shot: Shot, size_px: tuple[int, int]) -> bytes:
        """The camera's own JPEG of ``shot``, ``size_px`` wide and high, of the same light and noise as ``make``'s."""
        return cr2.jpeg(self._raw(shot), self._geometry, self._shooting(shot), size_px)

    def live_view(
        self,
        scene: SceneChoice,
        iso: int,
        shutter_s: float,
        aperture: float,
        focus_steps: int,
        at_s: float,
        magnifier: live_picture.Magnifier | None = None,
    ) -> bytes:
        """What live view shows ``at_s`` simulated seconds after power-on: a JPEG, 960 x 640."""
        geometry = live_picture.LIVE_VIEW if magnifier is None else live_picture.MAGNIFIED
        with self._lock:
            if self._live is None or self._live[:2] != (scene, geometry):
                self._live = scene, geometry, scenes.render(scene, geometry)
            rendered = self._live[2]
        return live_picture.render(
            rendered,
            self._parameters,
            light=self._light * float(mean_light(self._surroundings, at_s, live_picture.FRAME_S, rows=1)[0]),
            iso=iso,
            shutter_s=shutter_s,
            aperture=aperture,
            focus_steps=focus_steps,
            rng=np.random.Generator(np.random.SFC64([self._seed, round(max(at_s, 0.0) * 1e6)])),
            magnifier=magnifier,
        )

    def truth(self, shot: Shot) -> Truth:
        """How the frame of ``shot`` came about; for tests and benchmarks."""
        parameters = self._parameters
        scaling = aperture_scaling(shot.aperture)
        light = self._light_of_row(shot)
        mean_c = self._mean_c(shot)

        def radiance() -> NDArray[np.float32]:
            with self._lock:
                image = self._prepared(shot)[1]
            return image * light[:, None]

        return Truth(
            iso=shot.iso,
            exposure_s=shot.shutter_s,
            aperture=shot.aperture,
            path=self._path(shot),
            light=float(light.mean()),
            gain_e_per_dn=parameters.gain_e_per_dn(shot.iso) / scaling,
            read_noise_e=parameters.read_noise_e(shot.iso),
            black_dn=parameters.black_dn,
            white_dn=round(parameters.black_dn + (parameters.white_dn(shot.iso) - parameters.black_dn) * scaling),
            sensor_c=mean_c,
            dark_current_e_per_s=parameters.dark_current_e_per_s * parameters.thermal_factor(mean_c),
            _radiance=radiance,
        )

    # From a shot to the numbers in its file.

    def _raw(self, shot: Shot) -> NDArray[np.uint16]:
        frame = self._frame
        if frame is not None and frame[0] == shot:
            return frame[1]
        with self._lock:
            pattern, image = self._prepared(shot)
        rng = np.random.Generator(np.random.SFC64([self._seed, shot.frame_number]))
        raw = expose(
            image,
            pattern,
            light=self._light_of_row(shot),
            iso=shot.iso,
            shutter_s=shot.shutter_s,
            rng=rng,
            sensor_c=self._mean_c(shot),
        )
        if shot.noise_reduction:
            raw = without_dark(raw, self._dark(shot, pattern, rng), self._parameters, shot.iso)
        raw = scaled_for_aperture(raw, self._parameters, shot.aperture)
        self._frame = shot, raw
        return raw

    def _dark(self, shot: Shot, pattern: FixedPattern, rng: np.random.Generator) -> NDArray[np.uint16]:
        """The dark exposure that follows a shot and is as long: the sensor has become warmer meanwhile."""
        ambient_c = self._surroundings.ambient_c
        start_c = thermal.after_exposing_c(self._start_c(shot), ambient_c, shot.shutter_s)
        return expose(
            DARKNESS,
            pattern,
            light=0.0,
            iso=shot.iso,
            shutter_s=shot.shutter_s,
            rng=rng,
            sensor_c=thermal.mean_while_exposing_c(start_c, ambient_c, shot.shutter_s),
        )

    def _prepared(self, shot: Shot) -> tuple[FixedPattern, NDArray[np.float32]]:
        """The body's pattern, and electrons per second on the sensor in the scene's usual light."""
        if self._pattern is None:
            self._pattern = fixed_pattern(self._serial, self._geometry, self._parameters)
        scene = self._scene_of(shot)
        spread = optics.point_spread(self._path(shot), aperture=shot.aperture, focus_steps=shot.focus_steps)
        key = shot.scene, shot.aperture, spread.key
        if self._image is None or self._image[0] != key:
            self._image = None  # makes room before the next one is computed
            self._image = key, optics.mosaic(scene, self._geometry, spread, shot.aperture)
        return self._pattern, self._image[1]

    def _scene_of(self, shot: Shot) -> Scene:
        if self._scene is None or self._scene[0] != shot.scene:
            self._scene = shot.scene, scenes.render(shot.scene, self._geometry)
        return self._scene[1]

    def _path(self, shot: Shot) -> ShiftPath:
        return shift_path(
            self._surroundings,
            frame_number=shot.frame_number,
            start_s=shot.start_s,
            exposure_s=shot.shutter_s,
            mirror_up_s=shot.mirror_up_s,
            rest_px=shot.shift_px,
        )

    def _light_of_row(self, shot: Shot) -> NDArray[np.float32]:
        rows = self._geometry.rows
        return mean_light(self._surroundings, shot.start_s, shot.shutter_s, rows) * np.float32(self._light)

    def _start_c(self, shot: Shot) -> float:
        return self._surroundings.ambient_c if shot.sensor_c is None else shot.sensor_c

    def _mean_c(self, shot: Shot) -> float:
        return thermal.mean_while_exposing_c(self._start_c(shot), self._surroundings.ambient_c, shot.shutter_s)

    def _shooting(self, shot: Shot) -> cr2.ShootingData:
        with self._lock:
            white_balance = self._scene_of(shot).white_balance
        return cr2.ShootingData(
            iso=shot.iso if shot.recorded_iso is None else shot.recorded_iso,
            shutter_s=shot.shutter_s if shot.recorded_shutter is None else float(shot.recorded_shutter),
            nominal_shutter=shot.nominal_shutter if shot.recorded_shutter is None else shot.recorded_shutter,
            aperture=shot.aperture if shot.recorded_aperture is None else shot.recorded_aperture,
            taken=shot.taken,
            frame_number=shot.frame_number,
            serial=self._serial,
            lens=shot.lens,
            sensor_c=self._start_c(shot),
            white_balance=white_balance,
            white_dn=self._parameters.white_dn(shot.iso),
        )
