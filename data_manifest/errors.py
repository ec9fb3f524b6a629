"""Every error that sidcap raises on purpose.

    SidcapError                 something a person can act on; the message says what to do
    ├── UsageError              the command or call was wrong: nothing was tried
    ├── ManifestError           a dataset's files contradict the schema or themselves
    │   ├── NewerSchemaError    written by a newer sidcap
    │   └── StaleError          somebody changed it since it was read
    ├── RawError                a raw file cannot be read, or is not what is needed
    ├── CameraError             the camera, as far as the wire tells
    │   ├── CameraNotFoundError nothing answers
    │   ├── CameraBusyError     it asked to be asked again
    │   ├── CameraLostError     the connection is gone; a new one is needed
    │   └── SettingError        it refused a setting, or has no such setting
    ├── HookError               a command of the user's, run by a session, failed
    ├── StoppedError            somebody who watches a session ended it
    ├── DiskFullError           no room for the frames to come
    ├── InspectionError         a frame cannot be looked into while the session goes on
    ├── RegistrationError       two frames cannot be compared
    ├── WorkersError            the processes, or the cluster, that do the work are not there
    ├── CalibrationError        darks and flats do not tell what is asked of them
    ├── WeightsError            a file of weights is absent, broken, or of another network
    ├── TrainingError           a run cannot start, continue or be judged
    └── StoppedError            somebody ended it with Ctrl-C; what was done is kept

One tree for all wings, on the ground floor, so that the command line can turn any of them into one line.
"""


class SidcapError(Exception):
    """Root of the tree. ``str(error)`` is one line that says what is wrong and what to do."""

    exit_code = 1


class UsageError(SidcapError):
    """The command or call was wrong: nothing was tried, nothing was written."""

    exit_code = 2


class ManifestError(SidcapError):
    """A dataset's files contradict the schema, or one another."""


class NewerSchemaError(ManifestError):
    """The file was written by a newer sidcap than this one."""


class StaleError(ManifestError):
    """Somebody changed the scene since it was read; nothing was written over what they did."""


class RawError(SidcapError):
    """A raw file cannot be read, or is not a Bayer or X-Trans mosaic."""


class CameraError(SidcapError):
    """The camera refused, failed or fell silent."""


class CameraNotFoundError(CameraError):
    """No camera answers."""


class CameraBusyError(CameraError):
    """The camera is busy; the same request may succeed a moment later."""


class CameraLostError(CameraError):
    """The connection broke. A new connection is needed; what the card holds is still there."""


class SettingError(CameraError):
    """The camera has no such setting, or did not take the value."""


class HookError(SidcapError):
    """A command that the user gave a session failed; the session ended there."""


class DiskFullError(SidcapError):
    """The disk cannot hold the frames to come; nothing was exposed for which there is no room."""


class InspectionError(SidcapError):
    """Frames cannot be looked into; they are safe, and the scene can be resumed."""


class RegistrationError(SidcapError):
    """Two frames cannot be compared: different size, colour filter array or body."""


class WorkersError(SidcapError):
    """The processes of this machine, or the cluster, that were to do the work are not there, or died."""


class CalibrationError(SidcapError):
    """Darks and flats do not tell what is asked of them: too few, or clipped, or all of one level."""


class WeightsError(SidcapError):
    """A file of weights is absent, broken, or not those of the network; never are random weights used instead."""


class TrainingError(SidcapError):
    """A training run cannot start, continue or be judged."""


class StoppedError(SidcapError):
    """Somebody ended it, with Ctrl-C or from a page. What was done is kept; the text says how it goes on."""

    exit_code = 130  # as shells have it
