"""One camera at the end of a cable that may come off.

A `Tether` connects anew after the connection broke, knows which files on the card are new, and puts every setting that
it changed back to what it was, even those that an earlier program, killed on the way, could not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from sidcap.capture.bodies import Body, body_of
from sidcap.capture.camera import Camera, CardFile, detect
from sidcap.capture.fetching import TRIES
from sidcap.capture.journal import Journal
from sidcap.data_manifest.errors import CameraError, CameraLostError, CameraNotFoundError, SettingError
from sidcap.data_manifest.schema import CameraBody
from sidcap.data_manifest.words import Release

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_AWAKE_EVERY_S = 10.0
_LEAST_SEARCH_S = 2.0
"""How long a frame is looked for at least: the camera may have written it late."""
_PATIENCE_AT_END_S = 30.0
"""How long a session that is over waits for a camera whose settings it changed."""

T = TypeVar("T")
Settings = dict[str, str]


class Tether:
    """The camera, connected for as long as one wants it.

    ``patience_s`` is how long a camera that fell silent is waited for. Nothing is connected before ``connect``.
    """

    def __init__(self, port: str | None, journal: Journal, *, patience_s: float = 300.0) -> None:
        self.port = port
        self.patience_s = patience_s
        self._journal = journal
        self._camera: Camera | None = None
        self._body: Body | None = None
        self.reported = CameraBody(model="", serial="")
        """What the camera says of itself."""
        self._is_journaled = False
        self._known: set[CardFile] = set()
        self._changed: Settings = {}

    @property
    def camera(self) -> Camera:
        """The connection. CameraLostError where there is none at the moment."""
        if self._camera is None:
            raise CameraLostError("the camera is not connected")
        return self._camera

    @property
    def body(self) -> Body:
        """How to drive what is connected. CameraLostError where nothing is at the moment."""
        if self._body is None:
            raise CameraLostError("the camera is not connected")
        return self._body

    # The connection.

    def open(self) -> None:
        """Connect for the first time, to look at the camera: nothing is written down. CameraError as `Camera`."""
        self._open(self.port)
        body = self.body
        self.reported = CameraBody(model=body.model, serial=body.serial, firmware=body.firmware)

    def connect(self) -> None:
        """Connect, where ``open`` did not already, and begin a journal of what happens; once.

        CameraError as `Camera`. What an earlier program left changed is remembered.
        """
        if self._is_journaled:
            return
        if self._camera is None:
            self.open()
        self._is_journaled = True
        self._changed = left_changed(self._journal.events(), self.reported.serial)
        self._known = set(self.camera.files())
        self._journal.record(
            "connected",
            camera=self.reported.model_dump(mode="json"),
            clock_offset_s=self.body.clock_offset_s(),
            card=[str(file) for file in sorted(self._known, key=str)],
        )

    def reconnect(self, waiting: Callable[[str], None] = lambda _: None, *, patience_s: float | None = None) -> None:
        """Give the connection up and wait for the same camera to answer again; ``waiting`` is told why it takes long.

        Raises the last CameraError where it does not within ``patience_s``, the tether's own by default.
        """
        self.drop()
        patience_s = self.patience_s if patience_s is None else patience_s
        deadline, pause_s, told = time.monotonic() + patience_s, _FIRST_PAUSE_S, ""
        while True:
            try:
                self.open_again()
            except CameraError as error:
                if time.monotonic() + pause_s > deadline:
                    raise
                if str(error) != told:
                    told = str(error)
                    waiting(told)
            else:
                self._journal.record("connected again", serial=self.reported.serial)
                return
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def persist(
        self,
        work: Callable[[], T],
        *,
        progress: Callable[[], int],
        lost: Callable[[str], None] = lambda _: None,
        back: Callable[[], None] = lambda: None,
        **facts: Any,
    ) -> T:
        """Do ``work``, and again on a new connection whenever the camera falls silent, as long as ``progress`` grows.

        ``lost`` is told why, ``back`` when the camera answers again; ``facts`` go into the journal. Raises the
        CameraError of the third time in a row that brought nothing, and at once what no new connection would mend.
        """
        fruitless, before = 0, progress()
        while True:
            try:
                return work()
            except (SettingError, CameraNotFoundError):
                raise
            except CameraError as error:
                fruitless, before = (0 if progress() > before else fruitless + 1), progress()
                self._journal.record("lost", reason=str(error), **facts)
                if fruitless == TRIES:
                    raise
                lost(str(error))
            self.reconnect(lost)
            back()

    def drop(self) -> None:
        """Give the connection up; never raises."""
        camera, self._camera, self._body = self._camera, None, None
        if camera is not None:
            camera.close()

    def open_again(self) -> None:
        """Connect to the camera that was connected before: on USB it comes back under another address.

        CameraError where it does not answer, or another one does.
        """
        ports: list[str | None] = [self.port]
        if self.port is None or self.port.startswith("usb"):
            ports = [found.port for found in detect()] or ports
        failure: CameraError | None = None
        for port in ports:
            self.drop()  # a camera serves one host at a time: not even this one, half connected, beside itself
            try:
                self._open(port)
                serial = self.body.serial
            except CameraError as error:
                failure = error
                continue
            if serial == self.reported.serial:
                return
            failure = CameraError(f"camera {serial} answers: connect camera {self.reported.serial} again")
            self.drop()
        raise failure or CameraLostError("no camera answers")

    def _open(self, port: str | None) -> None:
        camera = Camera(port)
        try:
            self._body = body_of(camera)
        except BaseException:
            camera.close()
            raise
        self._camera = camera

    def rest(self, seconds: float) -> None:
        """Let real time pass, and keep the camera from going to sleep meanwhile.

        libgphoto2 tells an EOS to stay on while it waits for events. A camera that is gone is noticed when needed.
        """
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            with suppress(CameraError):
                self.camera.announced()
            time.sleep(min(left, _AWAKE_EVERY_S))

    # The card.

    @property
    def known(self) -> Collection[CardFile]:
        """Files on the card that are accounted for."""
        return self._known

    def consider_known(self, files: Iterable[CardFile], *, only: bool = False) -> None:
        """These files are accounted for; with ``only``, no others are."""
        self._known = set(files) | (set() if only else self._known)

    def delete(self, file: CardFile) -> None:
        """Remove a file from the card, for good. Its name may then come again, for another frame."""
        self.camera.delete(file)
        self._known.discard(file)

    def new_files(self) -> list[CardFile]:
        """Files on the card that nobody has accounted for, oldest first."""
        return sorted(set(self.camera.files()) - self._known, key=str)

    def find_on_card(self, is_wanted: Callable[[CardFile], bool], is_over: Callable[[], bool]) -> CardFile | None:
        """A new file that nobody announced, for which one waits until ``is_over``; None where none is wanted."""
        until = time.monotonic() + _LEAST_SEARCH_S
        while True:
            for file in self.new_files():
                if is_wanted(file):
                    return file
            if is_over() and time.monotonic() > until:
                return None
            self.camera.wait_for_file(1.0)
            self.reconnect()  # a connection lists the card once

    # Settings.

    @contextmanager
    def released_by(self, release: Release) -> Iterator[None]:
        """As `Body.released_by`; a connection that broke meanwhile is given up before anything is put back through it.

        libgphoto2 would answer from memory. What is not put back here is put back by ``restore``.
        """
        with self.body.released_by(release, self.keep):
            try:
                yield
            except CameraLostError:
                self.drop()
                raise

    def keep(self, name: str, value: str) -> None:
        """Change a setting of the camera and remember what it was, on disk, until it is put back.

        SettingError as `Camera.set`.
        """
        before = self.camera.get(name)
        if before == value:
            return
        if name not in self._changed:
            self._changed[name] = before
            self._journal.record("setting", serial=self.reported.serial, name=name, before=before)
        self.camera.set(name, value)

    def restore(self) -> list[str]:
        """Set everything to what it was. Gives a line for each setting that could not be put back; never raises."""
        left = []
        with suppress(CameraError):
            self.body.lower_mirror()  # settings are refused while it waits for the second press
        for name, before in reversed(list(self._changed.items())):
            try:
                self.camera.set(name, before)
            except CameraError as error:
                left.append(f"{name} was {before!r} and could not be put back ({error})")
            else:
                del self._changed[name]
                with suppress(OSError):  # a full disk: then the next program sets it once more
                    self._journal.record("restored", serial=self.reported.serial, name=name)
        return left

    # The end.

    def close(self, waiting: Callable[[str], None] = lambda _: None) -> list[str]:
        """Put every setting back and end the connection. Gives what could not be put back; never raises.

        Where the camera does not answer it is waited for, but not long; ``waiting`` is told. What is left changed is
        put back by the next program that connects through a tether with the same journal.
        """
        if left := self.restore():
            with suppress(CameraError, OSError):
                self.reconnect(waiting, patience_s=min(self.patience_s, _PATIENCE_AT_END_S))
            left = self.restore()
        self.drop()
        return left


def left_changed(events: Iterable[Mapping[str, Any]], serial: str) -> Settings:
    """What programs that were killed changed on this camera and did not put back, and what it was before."""
    changed: Settings = {}
    for event in events:
        if event.get("serial") != serial:
            continue
        if event["event"] == "setting":
            changed.setdefault(event["name"], event["before"])
        elif event["event"] == "restored":
            changed.pop(event["name"], None)
    return changed
