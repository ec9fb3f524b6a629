"""What an evaluation came to: the scores of every pair, and what they say together, by ratio and by ISO."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeVar

from sidcap.data_manifest.schema import Record
from sidcap.data_manifest.words import Split
from sidcap.model.config import InputConfig, TrainConfig
from sidcap.model.data import LeftOut
from sidcap.model.high_iso import EDGES, Edge, Residue, glowing_edge
from sidcap.model.intervals import Interval, difference_by_scene, mean_by_scene
from sidcap.model.metrics import Quality

AMPLIFIED: Final = "amplified"
"""The short's mosaic times the true ratio, developed like the long: what anyone can have without a network."""
MEAN_SCALED: Final = "mean-scaled"
"""The developed short times the factor that gives it the long's mean: SID's and the study's "scaled" image. It is told
how bright the answer is, so it is not a result that could be had without the long."""


class Judged(Record):
    """One picture of a pair beside the developed long."""

    picture: str
    """`AMPLIFIED`, `MEAN_SCALED`, or the name of a run."""
    quality: Quality
    residue: Residue | None
    """What high ISO left in it; None for the mean-scaled picture."""


class Score(Record):
    """One pair, and every picture of it."""

    scene: str
    short: str
    """Path in the dataset."""
    long: str
    iso: int
    """Of the short."""
    nominal_ratio: float
    ratio: float
    """The true one."""
    pictures: tuple[Judged, ...]
    sheet: str
    """The pictures side by side: path in the folder `Evaluation.folder`."""

    def of(self, picture: str) -> Quality:
        """The quality of one picture; KeyError where there is none of that name."""
        return _named(self.pictures, picture).quality


class JudgedRun(Record):
    """A run whose network was judged: its only checkpoint, as it was then."""

    name: str
    run: Path
    epochs: int
    """Whole epochs that the network was trained; 0 for weights that were imported."""
    parameters: int
    imported_from: str
    """The file that its weights come from, where sidcap did not train them."""
    checkpoint_sha256: str
    config: TrainConfig
    dark_shaded: bool | None = None
    """See `RunState.dark_shaded`."""
    seen: tuple[str, ...] = ()
    """Scenes among those judged that the run has learned from: what it scores on them says nothing of others."""

    @property
    def input(self) -> InputConfig:
        """See `TrainConfig.input_met`."""
        return self.config.input_met(self.dark_shaded)


class Summary(Record):
    """Means of one picture over a group of pairs."""

    group: str
    """``all``, ``ratio 100`` (nominal) or ``ISO 12800``."""
    picture: str
    psnr_db: Interval
    ssim: Interval
    psnr_8bit_db: Interval
    ssim_8bit: Interval
    aligned_psnr_db: Interval
    aligned_ssim: Interval


class Difference(Record):
    """How much better one picture is than another of the same pairs, on average."""

    group: str
    picture: str
    than: str
    psnr_db: Interval
    """Of the differences pair by pair; its interval is far narrower than those of the two means."""
    ssim: Interval


class ResidueSummary(Record):
    """Means of `Residue` over the pairs of one ISO, or the difference of two."""

    group: str
    """``ISO 12800``, or ``ISO 12800 less ISO 200``."""
    picture: str
    row_pattern: Interval
    column_pattern: Interval
    dark_cast: Interval
    """Distance from the reference's colour in the dark, in units of CIELAB: of its a* and b* together."""
    dark_a: Interval
    dark_b: Interval
    edge: Edge
    """The one that glows: where the amplified pictures of this ISO are too bright most, on average."""
    glow: Interval
    """At that edge."""


class Evaluation(Record):
    """The pairs of a split, judged; written to ``evaluation/`` in every run."""

    runs: tuple[JudgedRun, ...]
    folder: Path
    """Where this is written; paths of sheets begin there."""
    split: Split
    included: int
    """Pairs among them that are undetermined: on request only."""
    simulated: bool
    """True where any of the frames comes from the simulated camera."""
    data_sha256: str
    """`Selection.fingerprint` of the pairs."""
    scores: tuple[Score, ...]
    crops: str
    """A sheet of crops: path in `folder`."""
    summaries: tuple[Summary, ...]
    differences: tuple[Difference, ...]
    residues: tuple[ResidueSummary, ...]
    left_out: tuple[LeftOut, ...]
    """Pairs of the split that are not aligned, and so cannot be judged."""
    made_with: str

    @property
    def pictures(self) -> tuple[str, ...]:
        """The names of what was judged of every pair: amplified, mean-scaled, and the runs."""
        return (AMPLIFIED, MEAN_SCALED, *(run.name for run in self.runs))

    @property
    def doubts(self) -> list[str]:
        """For every run that learned from some of these scenes, what that means; on the train split that is no news."""
        return [
            f"{run.name} has learned from {len(run.seen)} of these scenes ({', '.join(run.seen)}), so this is no score "
            "of what it has not seen: train anew, or judge it on other scenes"
            for run in self.runs
            if run.seen and self.split is not Split.TRAIN
        ]

    def mean(self, picture: str, group: str = "all") -> Summary:
        """The means of one picture. KeyError where there is none of that name, or no such group."""
        return _named([summary for summary in self.summaries if summary.group == group], picture)

    def difference(self, picture: str, than: str, group: str = "all") -> Difference:
        """How much better one picture is than another. KeyError where the two were not compared."""
        return _named([one for one in self.differences if (one.group, one.than) == (group, than)], picture)


def groups(scores: Sequence[Score]) -> dict[str, list[Score]]:
    """The pairs all together, by nominal ratio and by ISO, ascending; an only ratio or ISO is no group of its own."""
    parts = [_by_ratio(scores), _by_iso(scores)]
    return {"all": list(scores)} | {name: part[name] for part in parts if len(part) > 1 for name in part}


def summarise(scores: Sequence[Score], pictures: Sequence[str]) -> tuple[Summary, ...]:
    """The means of every picture in every group."""
    return tuple(
        Summary(
            group=group,
            picture=picture,
            **{
                measure: mean_by_scene([getattr(score.of(picture), measure) for score in members], _scenes(members))
                for measure in Summary.model_fields
                if measure in Quality.model_fields
            },
        )
        for group, members in groups(scores).items()
        for picture in pictures
    )


def compare(scores: Sequence[Score], runs: Sequence[str]) -> tuple[Difference, ...]:
    """Every run beside the amplified picture, and beside the runs named before it, in every group."""
    return tuple(
        Difference(
            group=group,
            picture=run,
            than=other,
            psnr_db=_paired(members, lambda quality: quality.psnr_db, run, other),
            ssim=_paired(members, lambda quality: quality.ssim, run, other),
        )
        for group, members in groups(scores).items()
        for index, run in enumerate(runs)
        for other in (AMPLIFIED, *runs[:index])
    )


def summarise_residues(scores: Sequence[Score], pictures: Sequence[str]) -> tuple[ResidueSummary, ...]:
    """What high ISO left, by ISO; where there is more than one, the highest less the lowest besides."""
    by_iso = _by_iso(scores)
    found = [_residues(iso, members, picture) for iso, members in by_iso.items() for picture in pictures]
    if len(by_iso) > 1:
        lowest, *_, highest = by_iso
        group = f"{highest} less {lowest}"
        found += [_residues(group, by_iso[highest], picture, by_iso[lowest]) for picture in pictures]
    return tuple(found)


def csv_of(scores: Sequence[Score]) -> str:
    """A table with one row for every picture of every pair."""
    pair = ("scene", "short", "long", "iso", "nominal_ratio", "ratio")
    residue = ("row_pattern", "column_pattern", "dark_a", "dark_b", *(f"glow_{edge}" for edge in EDGES))
    text = io.StringIO()
    table = csv.DictWriter(text, [*pair, "picture", *Quality.model_fields, *residue], lineterminator="\n")
    table.writeheader()
    for score in scores:
        for judged in score.pictures:
            row = {name: getattr(score, name) for name in pair} | {"picture": judged.picture} | dict(judged.quality)
            if judged.residue is not None:
                row |= {name: value for name, value in judged.residue if name != "glow"}
                row |= {f"glow_{edge}": value for edge, value in judged.residue.glow.items()}
            table.writerow(row)
    return text.getvalue()


def _residues(group: str, members: Sequence[Score], picture: str, less: Sequence[Score] = ()) -> ResidueSummary:
    """Means over ``members``, less those over other pairs."""
    edge = glowing_edge([_residue(score, AMPLIFIED).glow for score in members])

    def mean(measure: Callable[[Residue], float]) -> Interval:
        values, others = ([measure(_residue(score, picture)) for score in part] for part in (members, less))
        if not less:
            return mean_by_scene(values, _scenes(members))
        return difference_by_scene(values, _scenes(members), others, _scenes(less))

    return ResidueSummary(
        group=group,
        picture=picture,
        row_pattern=mean(lambda residue: residue.row_pattern),
        column_pattern=mean(lambda residue: residue.column_pattern),
        dark_cast=mean(lambda residue: math.hypot(residue.dark_a, residue.dark_b)),
        dark_a=mean(lambda residue: residue.dark_a),
        dark_b=mean(lambda residue: residue.dark_b),
        edge=edge,
        glow=mean(lambda residue: residue.glow[edge]),
    )


def _residue(score: Score, picture: str) -> Residue:
    residue = _named(score.pictures, picture).residue
    if residue is None:
        raise KeyError(picture)
    return residue


def _paired(scores: Sequence[Score], measure: Callable[[Quality], float], picture: str, than: str) -> Interval:
    differences = [measure(score.of(picture)) - measure(score.of(than)) for score in scores]
    return mean_by_scene(differences, _scenes(scores))


def _by_ratio(scores: Sequence[Score]) -> dict[str, list[Score]]:
    ratios = sorted({score.nominal_ratio for score in scores})
    return {f"ratio {ratio:g}": [score for score in scores if score.nominal_ratio == ratio] for ratio in ratios}


def _by_iso(scores: Sequence[Score]) -> dict[str, list[Score]]:
    return {f"ISO {iso}": [score for score in scores if score.iso == iso] for iso in sorted({s.iso for s in scores})}


def _scenes(scores: Sequence[Score]) -> list[str]:
    return [score.scene for score in scores]


class _OfPicture(Protocol):
    @property
    def picture(self) -> str: ...


_Named = TypeVar("_Named", bound=_OfPicture)


def _named(records: Sequence[_Named], picture: str) -> _Named:
    found = next((record for record in records if record.picture == picture), None)
    if found is None:
        raise KeyError(picture)
    return found
