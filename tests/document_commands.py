"""The commands that README, docs/ and --help show: where they stand, and what is done with each by the tests.

Every command is run, with what makes it small; of a benchmark that takes long, the options are looked for. A command
that is shown and has no entry fails the tests: add it to the table that fits.
"""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import typer

from sidcap.cli import app
from sidcap.data_manifest.words import Split

ROOT = Path(__file__).parent.parent
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

Place = Literal["usual", "interrupted", "53 scenes"]
"""One of the folders that `document_folders` prepares."""

_BEFORE = re.compile(r"^(srun|/usr/bin/time -v|taskset -c \d+) ")
_SHOWN = re.compile(r"^(sidcap|torchrun|python bench/\S+)( |$)")


@dataclass(frozen=True)
class Run:
    """Run it in a copy of a prepared folder, with more words after its own: of an option twice, the last one counts."""

    more: str = ""
    says: str = ""
    """What is typed."""
    without: str = ""
    """What the folder must not have."""
    at: Place = "usual"
    """Which of the prepared folders."""
    smaller: Mapping[str, object] = field(default_factory=dict)
    """What makes it small where no option does: constants of its module."""


@dataclass(frozen=True)
class Serve:
    """Start it in a copy of the usual folder, with more words; use what it serves; end it with Ctrl-C."""

    more: str


@dataclass(frozen=True)
class Read:
    """Not run: only its options are looked for in its file. Why:"""

    reason: str


_SIMULATED = "sidcap shoot --camera simulated --sensor small --time-scale 14 --iso 12600"
_SMALL = "--camera simulated --sensor small --time-scale 40"
_TORCHRUN = "torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-endpoint"
_FASTER = Run("--time-scale 40")
_ONE_SCENE = Run(f"{_SMALL} --ratios 30")
_NOBODY = Run(f"{_SMALL} --ratios 30 --every 1s --count 1 --on-scene true")
_LED = Run(f"{_SMALL} --ratios 30", says="q\n")
_DRY = Run(f"{_SMALL} --dry-run")
_FILLED = Run("--time-scale 40 --ratios 30 --count 1")
_RESUMED = Run(_SMALL, at="interrupted")
_DARKS = Run(f"{_SMALL} --yes --exposures 0.033 --repeats 1")
_FLATS = Run(f"{_SMALL} --yes --exposures 0.25 --repeats 2")
_TINY = "--epochs 1 --patch 16 --depth -2 --sample-every 1 --device cpu"
_STUDY = Run("--epochs 1 --patch 16 --depths -2 --device cpu")
_DEMO = Run(
    smaller={"_SCENES": ((1, Split.TRAIN), (10001, Split.TEST)), "_TIME_SCALE": 40.0, "_PATCH": 16, "_EPOCHS": 1}
)
_CPU = Run("--device cpu")
_AS_IT_IS = Run()

_LIVE = Serve(f"{_SMALL} --no-browser")
_REVIEW = Serve("--port 0 --no-browser")
_CAMERA = Serve("--port 0 --sensor small --time-scale 40")

SHOOTING: dict[str, Run | Serve] = {
    "sidcap shoot --iso 12600 --ratios 100,250,300": Run(_SMALL),
    "sidcap shoot --iso 12600 --ratios 100,250,300 --dry-run": _DRY,
    "sidcap shoot --iso 12600 --long auto --ratios 100,250,300": _ONE_SCENE,
    "sidcap shoot --iso 12600 --scenes 20 --quota train=50,test=12": _LED,
    "sidcap shoot --iso 12600 --every 10m --count 30": _NOBODY,
    "sidcap shoot --iso 12600 --every 10m --count 30 --dry-run": _DRY,
    "sidcap shoot --iso 12600 --every 10m --quota train=24,test=6": _NOBODY,
    "sidcap shoot --iso 12600 --every 10m --count 30 --on-scene "
    "'mail -s \"scene $SIDCAP_SCENE\" anna@example.org'": _NOBODY,
    "sidcap shoot --iso 12600 --events events.jsonl --on-scene 'notify-send \"scene $SIDCAP_SCENE\"'": Run(
        f"{_SMALL} --ratios 30 --on-scene true"
    ),
    "sidcap shoot --iso 12600 --camera simulated --time-scale 10": _ONE_SCENE,
    f"{_SIMULATED} --ratios 100,250,300": _FASTER,
    f"{_SIMULATED} --ratios 100,250,300 --dry-run": _FASTER,
    f"{_SIMULATED} --every 1s --count 7 --quota train=6,test=2": _FILLED,
    f"{_SIMULATED} --every 1s --count 16 --quota train=12,test=4": _FILLED,
    "sidcap shoot --resume": _RESUMED,
    "sidcap shoot --resume --scene 12": _RESUMED,
    "sidcap shoot-darks --iso 12600,200 --exposures 30,2,0.033": _DARKS,
    "sidcap shoot-darks --iso 12800,200 --exposures 10,1,0.033": _DARKS,
    "sidcap shoot-darks --iso 12800 --exposures 10,1,0.033 --dry-run": Run(_SMALL),
    "sidcap shoot --camera simulated --time-scale 100 --iso 12600 --every 1s --count 2 --quota train=2": Run(
        "--sensor small --ratios 30 --count 1"
    ),
    "sidcap shoot-darks --camera simulated --sensor small --time-scale 14 --iso 12600 --exposures 0.1,0.04,0.033 "
    "--repeats 20 --yes": Run("--time-scale 40 --repeats 1"),
    "sidcap shoot-flats --iso 12600,200": _FLATS,
    "sidcap shoot-flats --iso 12800,200": _FLATS,
    "sidcap shoot-flats --iso 200 --exposures 0.5,1,2": _FLATS,
    "sidcap shoot-flats --camera simulated --sensor small --time-scale 14 --iso 12600 --yes": _FASTER,
    "sidcap camera list": _AS_IT_IS,
    "sidcap camera list --json": _AS_IT_IS,
    "sidcap camera status": Run("--camera simulated"),
    "sidcap camera status --camera simulated": _AS_IT_IS,
    "sidcap camera status --camera ptpip:192.168.1.9 --json": _AS_IT_IS,
    "sidcap camera status --camera ptpip:127.0.0.1:15740:15740": _AS_IT_IS,
    "sidcap recover /media/EOS_DIGITAL/DCIM": _AS_IT_IS,
    "sidcap recover /media/EOS_DIGITAL/DCIM --dry-run": _AS_IT_IS,
    "sidcap recover --camera usb:001,004": _AS_IT_IS,
    "sidcap recover --camera usb:001,004 --dry-run": _AS_IT_IS,
    "sidcap live": _LIVE,
    "sidcap live --iso 12600 --ratios 100,250,300": _LIVE,
    "sidcap live --iso 12600 --camera simulated --sensor small": _LIVE,
    "sidcap live --iso 12600 --camera simulated --sensor small --time-scale 10": _LIVE,
    "sidcap simulate-camera --port 15740": _CAMERA,
    "sidcap simulate-camera --port 15740 --sensor small": _CAMERA,
    "sidcap simulate-camera --port 15740 --fault cable-pulled@exposure:3": _CAMERA,
    "sidcap simulate-camera --sensor small --serial 000000006042 --seed 7 --setting iso=1600 --focus-steps 3 "
    "--battery 0.3 --card-free 200 --scene 4 --light -1 --ambient 28 --knock 4,0@3 --creep 0.01,-0.02 --flicker 50,0.2 "
    "--drift -0.2 --fault cable-pulled=2@exposure:2": _CAMERA,
}

CURATING: dict[str, Run | Serve] = {
    "sidcap calibrate": _AS_IT_IS,
    "sidcap calibrate --darks ~/darks --flats ~/flats": _AS_IT_IS,
    "sidcap verify-alignment": _AS_IT_IS,
    "sidcap verify-alignment --scene 3 --scene 7 --tolerance 0.3": _AS_IT_IS,
    "sidcap verify-alignment --dataset /data/SID": _AS_IT_IS,
    "sidcap verify-alignment --dask tcp://10.0.0.1:8786": _AS_IT_IS,
    "sidcap decide 3 --reject --why 'a cat walked through'": _AS_IT_IS,
    "sidcap decide 17 --reject --why 'a cat'": _AS_IT_IS,
    "sidcap decide 17 --withdraw --why 'wrong scene'": _AS_IT_IS,
    "sidcap decide 00012_00_0.1s --accept --why 'only the curtain moved'": _AS_IT_IS,
    "sidcap decide 00012_00_0.1s --accept --why 'the curtain moved, the rest did not'": _AS_IT_IS,
    "sidcap validate": _AS_IT_IS,
    "sidcap validate --dataset /data/SID --json": _AS_IT_IS,
    "sidcap review": _REVIEW,
    "sidcap review --who anna --port 8765 --no-browser": _REVIEW,
    "sidcap split --train 0.8 --test 0.2 --seed 1": _AS_IT_IS,
    "sidcap split --train 0.8 --test 0.2 --seed 1 --dry-run": _AS_IT_IS,
    "sidcap split --train 40 --test 10 --val 3": Run(at="53 scenes"),
}

TRAINING: dict[str, Run | Serve] = {
    "sidcap train": Run(_TINY, without="run"),
    "sidcap train --preset best --out best": Run(_TINY, without="best"),
    "sidcap train --dataset /data/SID": Run(_TINY, without="run"),
    "sidcap train --resume --out best": _CPU,
    "sidcap train --resume --out first": _CPU,
    "sidcap train --preset best --epochs 100 --patch 128 --out first": Run(_TINY, without="first"),
    "sidcap train --preset study --drop-lr-at 300 --epochs 400 --patch 128 --out study400": Run(
        _TINY, without="study400"
    ),
    "sidcap train --preset best --epochs 400 --patch 128 --out best400": Run(_TINY, without="best400"),
    "sidcap study": _STUDY,
    "sidcap study --sony sony": _STUDY,
    "sidcap study --epochs 30 --patch 128 --set lr=5e-4 --set drop_lr_at=22": _STUDY,
    "sidcap import-weights CHECKPOINT -o RUN": Run(without="RUN"),
    "sidcap import-weights checkpoint/Sony -o sony": Run(without="sony"),
    "sidcap import-weights model.pth -o sony --subpixel-order pixel-shuffle": Run(without="sony"),
    "torchrun --nproc-per-node 4 -m sidcap.cli train --batch 8": Run(_TINY, without="run"),
    "torchrun --nproc-per-node 4 -m sidcap.cli train --resume --out run": Run("--out best --device cpu"),
    f"{_TORCHRUN} 10.0.0.1:29500 -m sidcap.cli train --batch 8": Run(_TINY, without="run"),
    f"{_TORCHRUN} '$(hostname):29500' -m sidcap.cli train --batch 8 --out /shared/run --dataset /shared/dataset": Run(
        _TINY, without="run"
    ),
    "sidcap demo": _DEMO,
    "sidcap demo --dataset /tmp/first-try": _DEMO,
}

JUDGING: dict[str, Run | Serve] = {
    "sidcap evaluate run": _CPU,
    "sidcap evaluate first": _CPU,
    "sidcap evaluate run best": _CPU,
    "sidcap evaluate run best --split val": _CPU,
    "sidcap evaluate run best sony": _CPU,
    "sidcap evaluate study400 best400": _CPU,
    "sidcap enhance dataset/short/10001_00_0.1s.CR2 first --ratio 100 -o bright.png": _CPU,
    "sidcap enhance FILE.CR2 --ratio 100 RUN -o out.tiff": _CPU,
    "sidcap enhance short.CR2 --ratio 100 RUN -o out.tiff": _CPU,
    "sidcap enhance IMG_0001.CR2 run --ratio 100 -o bright.tiff": _CPU,
    "sidcap enhance IMG_0001.CR2 best --ratio 300 -o bright.png --dataset dataset": _CPU,
    "sidcap export-model run -o model.onnx": _AS_IT_IS,
    "sidcap export-model RUN -o model.onnx": _AS_IT_IS,
    "sidcap report": _AS_IT_IS,
    "sidcap report run best": _AS_IT_IS,
    "sidcap report run best -o report.html --plots plots --pdf": _AS_IT_IS,
    "sidcap report run --dataset evening -o evening.html --plots plots --pdf": Run("--dataset dataset"),
}

SHARING: dict[str, Run | Serve] = {
    "sidcap import sid /data/SID": _AS_IT_IS,
    "sidcap import /archive/2026-01-night --dataset night": _AS_IT_IS,
    "sidcap export sid-list --split train -o Sony_train_list.txt": _AS_IT_IS,
    "sidcap export sid-list --dataset /data/SID --split train -o Sony_train_list.txt": _AS_IT_IS,
    "sidcap export sid /data/for-the-original-code": _AS_IT_IS,
    "sidcap export sid /data/for-the-original-code --link": _AS_IT_IS,
    "sidcap export sid /data/canon --link": _AS_IT_IS,
    "sidcap export croissant --licence CC-BY-4.0 --creator 'Anna Ferreira'": _AS_IT_IS,
    "sidcap export hugging-face /data/hub --licence CC-BY-4.0": _AS_IT_IS,
    "sidcap export webdataset /data/shards --shard-mb 500": _AS_IT_IS,
    "sidcap export bagit /archive/2026-01-night": Run(without="archive"),
    "sidcap schema > sidcap.schema.json": _AS_IT_IS,
    "sidcap doctor": _AS_IT_IS,
    "sidcap doctor --json > doctor.json": _AS_IT_IS,
    "sidcap --install-completion": Run("bash"),
}

_ONE_TRIAL = "--scenes 1 --size 160x240 --signals 1"
_SHORT_ONE = Read("tests/test_reliability.py runs a short one")

BENCHMARKS: dict[str, Run | Read] = {
    "python bench/ablation.py --dataset dataset --out ablation --epochs 160 --patch 128 --seeds 0,1 --repeat "
    "levels,keep-negatives,ratio,dark-shading,shot-noise,schedule,ema": Read("an hour"),
    "python bench/ablation.py --dataset dataset --out longer --epochs 400 --patch 128 --seeds 0,1 --parts "
    "batch,batch-and-shot-noise,shot-noise,ema": Read("an hour and more"),
    "python bench/alignment.py --trials 12 --scenes 6 --json outcomes.json": Run(
        f"{_ONE_TRIAL} --shifts 0 --trials 1 --no-peers"
    ),
    "python bench/alignment.py --accepts 3000": Run(f"{_ONE_TRIAL} --accepts 1"),
    "python bench/alignment.py --rejects 1000": Run(f"{_ONE_TRIAL} --rejects 1"),
    "python bench/alignment.py --cases": Run("--size 320x480"),
    "python bench/alignment.py --size 3670x5496 --signals 0.3,1 --shifts 0.1,3 --trials 3 --scenes 1 --no-peers": Run(
        f"{_ONE_TRIAL} --shifts 0 --trials 1"
    ),
    "python bench/alignment.py --time": Read("half a minute"),
    "python bench/alignment_limits.py": Read("half a minute"),
    "python bench/alignment_plot.py outcomes.json": Run("plot.png"),
    "python bench/calibration.py full": Read("an hour; minutes with the least of its settings"),
    "python bench/fault_campaign.py --runs 500 --kills 200 --disks 10 --jobs 5": _SHORT_ONE,
    "python bench/long_session.py --frames 300": _SHORT_ONE,
    "python bench/tether_overhead.py --rounds 2": Read("minutes, and in real time: it measures waiting"),
    "python bench/tensorflow_weights.py FOLDER": _AS_IT_IS,
    "python bench/training.py DATASET --steps 5 --rounds 3": Run("--steps 1 --rounds 1 --patch 16"),
}

TABLE = {**SHOOTING, **CURATING, **TRAINING, **JUDGING, **SHARING, **BENCHMARKS}


@dataclass(frozen=True)
class Shown:
    """A command where it is shown."""

    place: str
    text: str
    """As one line, without comments; words quoted as a shell needs them."""


def in_blocks() -> Iterator[Shown]:
    """Of the documents' blocks of code."""
    for document in DOCUMENTS:
        for line in _lines_of_code(document.read_text()):
            command = _BEFORE.sub("", line.strip())
            if _SHOWN.match(command):
                yield Shown(document.name, _normal(command))


def in_help() -> Iterator[Shown]:
    """Of what --help shows."""
    for name, command in commands():
        for line in inspect.cleandoc(command.help or "").splitlines():
            if _SHOWN.match(line):
                yield Shown(f"{name} --help", _normal(line.replace("\\[", "[")))


def in_sentences() -> Iterator[Shown]:
    """Within the text, where a command often stands for all of its kind: ``sidcap evaluate RUN``."""
    for document in DOCUMENTS:
        for text in re.findall(r"`(sidcap [^`\n]+)`", document.read_text()):
            yield Shown(document.name, text)


def commands(command: Any = None, name: str = "sidcap") -> Iterator[tuple[str, Any]]:
    """Every command by its full name."""
    command = command or typer.main.get_command(app)
    yield name, command
    for below, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{name} {below}")


def _lines_of_code(text: str) -> Iterator[str]:
    """Lines of blocks, indented by four or between fences; a line that a backslash ends goes on in the next."""
    fenced, begun = False, ""
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            begun += line.strip().removesuffix("\\")
            if not line.endswith("\\"):
                yield begun
                begun = ""


def _normal(command: str) -> str:
    words = shlex.split(command, comments=True)
    return " ".join(word if re.fullmatch(r"[^\s\"'$|]+", word) else shlex.quote(word) for word in words)
