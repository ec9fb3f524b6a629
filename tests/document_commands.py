"""The commands that README, docs/ and --help show: where they stand, and what is done with each by the tests.

A command is either run, with what makes it small, or read by the command line's own parser, with the reason why it is
not run. A command that is shown and has no entry fails the tests: add it to `TABLE`.
"""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from sidcap.cli import app

ROOT = Path(__file__).parent.parent
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

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
    exit_code: int = 0


@dataclass(frozen=True)
class Parse:
    """Only read: every option is known, every value can be what it is. Why it is not run:"""

    reason: str


_SIMULATED = "sidcap shoot --camera simulated --sensor small --time-scale 14 --iso 12600"
_SMALL = "--camera simulated --sensor small --time-scale 40"
_TORCHRUN = "torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-endpoint"
_FASTER = Run("--time-scale 40")
_ONE_SCENE = Run(f"{_SMALL} --ratios 30")
_NOBODY = Run(f"{_SMALL} --ratios 30 --every 1s --count 1 --on-scene true")
_LED = Run(f"{_SMALL} --ratios 30", says="q\n")
_DRY = Run(f"{_SMALL} --dry-run")
_TINY = "--epochs 1 --patch 16 --depth -2 --sample-every 1 --device cpu"
_CPU = Run("--device cpu")
_STUDY = "--epochs 1 --patch 16 --depths -2 --device cpu"
_DARKS = Run(f"{_SMALL} --yes --exposures 0.033 --repeats 1")
_FLATS = Run(f"{_SMALL} --yes --exposures 0.25 --repeats 2")
_AS_IT_IS = Run()
_LIKE_ANOTHER = Parse("differs from one that is run by names and numbers only, and two minutes are enough for all")

_NEVER_INTERRUPTED = Parse("no such scene was interrupted; tests/test_shoot_cli.py resumes one")
_SERVES = Parse("serves until Ctrl-C; tests/test_live.py and test_review_browser.py open it in a browser")
_CLUSTER = Parse("needs several machines; tests/test_verify_workers.py and test_model_training.py run two workers")

TABLE: dict[str, Run | Parse] = {
    # Shooting.
    "sidcap shoot --iso 12600 --ratios 100,250,300": Run(_SMALL),
    "sidcap shoot --iso 12600 --ratios 100,250,300 --dry-run": _DRY,
    "sidcap shoot --iso 12600 --long auto --ratios 100,250,300": _ONE_SCENE,
    "sidcap shoot --iso 12600 --scenes 20 --quota train=50,test=12": _LED,
    "sidcap shoot --iso 12600 --every 10m --count 30": _NOBODY,
    "sidcap shoot --iso 12600 --every 10m --count 30 --dry-run": _DRY,
    "sidcap shoot --iso 12600 --every 10m --quota train=24,test=6": _LIKE_ANOTHER,
    "sidcap shoot --iso 12600 --every 10m --count 30 --on-scene "
    "'mail -s \"scene $SIDCAP_SCENE\" anna@example.org'": _NOBODY,
    "sidcap shoot --iso 12600 --events events.jsonl --on-scene 'notify-send \"scene $SIDCAP_SCENE\"'": Run(
        f"{_SMALL} --ratios 30 --on-scene true"
    ),
    "sidcap shoot --iso 12600 --camera simulated --time-scale 10": _LIKE_ANOTHER,
    f"{_SIMULATED} --ratios 100,250,300": _LIKE_ANOTHER,
    f"{_SIMULATED} --ratios 100,250,300 --dry-run": _FASTER,
    f"{_SIMULATED} --every 1s --count 7 --quota train=6,test=2": Run("--time-scale 40 --ratios 30 --count 1"),
    f"{_SIMULATED} --every 1s --count 16 --quota train=12,test=4": _LIKE_ANOTHER,
    "sidcap shoot --resume": Run("--camera simulated"),
    "sidcap shoot --resume --scene 12": _NEVER_INTERRUPTED,
    "sidcap shoot-darks --iso 12600,200 --exposures 30,2,0.033": _LIKE_ANOTHER,
    "sidcap shoot-darks --iso 12800,200 --exposures 10,1,0.033": _DARKS,
    "sidcap shoot-darks --iso 12800 --exposures 10,1,0.033 --dry-run": Run(_SMALL),
    "sidcap shoot-darks --camera simulated --sensor small --time-scale 14 --iso 12600 --exposures 0.1,0.04,0.033 "
    "--repeats 20 --yes": Run("--time-scale 40 --repeats 1"),
    "sidcap shoot-flats --iso 12600,200": _LIKE_ANOTHER,
    "sidcap shoot-flats --iso 12800,200": _LIKE_ANOTHER,
    "sidcap shoot-flats --iso 200 --exposures 0.5,1,2": _FLATS,
    "sidcap shoot-flats --camera simulated --sensor small --time-scale 14 --iso 12600 --yes": Run("--time-scale 40"),
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
    "sidcap live": _SERVES,
    "sidcap live --iso 12600 --ratios 100,250,300": _SERVES,
    "sidcap live --iso 12600 --camera simulated --sensor small": _SERVES,
    "sidcap live --iso 12600 --camera simulated --sensor small --time-scale 10": _SERVES,
    # Curating.
    "sidcap calibrate": _AS_IT_IS,
    "sidcap calibrate --darks ~/darks --flats ~/flats": _AS_IT_IS,
    "sidcap verify-alignment": _AS_IT_IS,
    "sidcap verify-alignment --scene 3 --scene 7 --tolerance 0.3": _AS_IT_IS,
    "sidcap verify-alignment --dataset /data/SID": _LIKE_ANOTHER,
    "sidcap verify-alignment --dask tcp://10.0.0.1:8786": _CLUSTER,
    "sidcap decide 3 --reject --why 'a cat walked through'": _AS_IT_IS,
    "sidcap decide 17 --reject --why 'a cat'": _AS_IT_IS,
    "sidcap decide 17 --withdraw --why 'wrong scene'": _AS_IT_IS,
    "sidcap decide 00012_00_0.1s --accept --why 'only the curtain moved'": _AS_IT_IS,
    "sidcap decide 00012_00_0.1s --accept --why 'the curtain moved, the rest did not'": _AS_IT_IS,
    "sidcap validate": _AS_IT_IS,
    "sidcap validate --dataset /data/SID --json": _AS_IT_IS,
    "sidcap review": _SERVES,
    "sidcap review --who anna --port 8765 --no-browser": _SERVES,
    "sidcap split --train 0.8 --test 0.2 --seed 1": _AS_IT_IS,
    "sidcap split --train 0.8 --test 0.2 --seed 1 --dry-run": _AS_IT_IS,
    "sidcap split --train 40 --test 10 --val 3": Parse("needs 53 scenes; tests/test_split.py deals counts out"),
    # Training and judging.
    "sidcap train": Run(_TINY, without="run"),
    "sidcap train --preset best --out best": Run(_TINY, without="best"),
    "sidcap train --dataset /data/SID": Run(_TINY, without="run"),
    "sidcap train --resume --out best": _CPU,
    "sidcap train --resume --out first": _LIKE_ANOTHER,
    "sidcap train --preset best --epochs 100 --patch 128 --out first": _LIKE_ANOTHER,
    "sidcap train --preset study --drop-lr-at 300 --epochs 400 --patch 128 --out study400": _LIKE_ANOTHER,
    "sidcap train --preset best --epochs 400 --patch 128 --out best400": _LIKE_ANOTHER,
    "sidcap evaluate run": _LIKE_ANOTHER,
    "sidcap evaluate first": _LIKE_ANOTHER,
    "sidcap evaluate run best": _CPU,
    "sidcap evaluate run best --split val": _LIKE_ANOTHER,
    "sidcap evaluate run best sony": _LIKE_ANOTHER,
    "sidcap evaluate study400 best400": _LIKE_ANOTHER,
    "sidcap study": Parse("four depths of 4000 epochs; one depth of one epoch is run below"),
    "sidcap study --sony sony": _LIKE_ANOTHER,
    "sidcap study --epochs 30 --patch 128 --set lr=5e-4 --set drop_lr_at=22": Run(_STUDY),
    "sidcap enhance dataset/short/10001_00_0.1s.CR2 first --ratio 100 -o bright.png": _LIKE_ANOTHER,
    "sidcap enhance FILE.CR2 --ratio 100 RUN -o out.tiff": _LIKE_ANOTHER,
    "sidcap enhance short.CR2 --ratio 100 RUN -o out.tiff": _LIKE_ANOTHER,
    "sidcap enhance IMG_0001.CR2 run --ratio 100 -o bright.tiff": _CPU,
    "sidcap enhance IMG_0001.CR2 best --ratio 300 -o bright.png --dataset dataset": _CPU,
    "sidcap import-weights CHECKPOINT -o RUN": _LIKE_ANOTHER,
    "sidcap import-weights checkpoint/Sony -o sony": _AS_IT_IS,
    "sidcap import-weights model.pth -o sony --subpixel-order pixel-shuffle": _AS_IT_IS,
    "torchrun --nproc-per-node 4 -m sidcap.cli train --batch 8": _CLUSTER,
    "torchrun --nproc-per-node 4 -m sidcap.cli train --resume --out run": _CLUSTER,
    f"{_TORCHRUN} 10.0.0.1:29500 -m sidcap.cli train --batch 8": _CLUSTER,
    f"{_TORCHRUN} '$(hostname):29500' -m sidcap.cli train --batch 8 "
    "--out /shared/run --dataset /shared/dataset": _CLUSTER,
    # Sharing.
    "sidcap import sid /data/SID": _AS_IT_IS,
    "sidcap export sid-list --split train -o Sony_train_list.txt": _AS_IT_IS,
    "sidcap export sid-list --dataset /data/SID --split train -o Sony_train_list.txt": _AS_IT_IS,
    "sidcap import /archive/2026-01-night --dataset night": _AS_IT_IS,
    "sidcap export sid /data/for-the-original-code": _AS_IT_IS,
    "sidcap export sid /data/for-the-original-code --link": _LIKE_ANOTHER,
    "sidcap export sid /data/canon --link": _LIKE_ANOTHER,
    "sidcap export croissant --licence CC-BY-4.0 --creator 'Anna Ferreira'": _AS_IT_IS,
    "sidcap export hugging-face /data/hub --licence CC-BY-4.0": _AS_IT_IS,
    "sidcap export webdataset /data/shards --shard-mb 500": _AS_IT_IS,
    "sidcap export bagit /archive/2026-01-night": Run(without="archive"),
    "sidcap report": _AS_IT_IS,
    "sidcap report run best": _LIKE_ANOTHER,
    "sidcap report run best -o report.html --plots plots --pdf": _LIKE_ANOTHER,
    "sidcap report run --dataset evening -o evening.html --plots plots --pdf": Run("--dataset dataset"),
    "sidcap export-model run -o model.onnx": _AS_IT_IS,
    "sidcap export-model RUN -o model.onnx": _LIKE_ANOTHER,
    "sidcap schema > sidcap.schema.json": _AS_IT_IS,
    # Finding one's way.
    "sidcap doctor": _AS_IT_IS,
    "sidcap doctor --json > doctor.json": _AS_IT_IS,
    "sidcap demo": Parse("minutes; what it does is run above, step by step"),
    "sidcap demo --dataset /tmp/first-try": Parse("minutes; what it does is run above, step by step"),
    "sidcap simulate-camera --port 15740": Parse("serves until it is told to stop; tests/test_cli.py starts one"),
    "sidcap simulate-camera --port 15740 --sensor small": Parse("as above"),
    "sidcap simulate-camera --port 15740 --fault cable-pulled@exposure:3": Parse("as above"),
    "sidcap simulate-camera --sensor small --serial 000000006042 --seed 7 --setting iso=1600 --focus-steps 3 "
    "--battery 0.3 --card-free 200 --scene 4 --light -1 --ambient 28 --knock 4,0@3 --creep 0.01,-0.02 --flicker 50,0.2 "
    "--drift -0.2 --fault cable-pulled=2@exposure:2": Parse("as above; tests/test_simulate_camera.py has such options"),
    "sidcap --install-completion": Parse(
        "writes into the home; tests/test_completion.py installs it into one of its own"
    ),
}


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
