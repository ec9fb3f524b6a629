"""A simulated Canon EOS 6D, for tests and demonstrations of anything that drives cameras with libgphoto2.

It is a PTP/IP server: python-gphoto2, the ``gphoto2`` command and whatever else is built on libgphoto2 talk to
it as to a body on the network; the frames are CR2 files that LibRaw opens. What is simulated, and what is a
guess, is said where it is done: ``camera`` and ``server`` (the public class, its process), ``ptpip`` (packets
and connections), ``operations`` and ``datasets`` (PTP and Canon's extension of it), ``properties``, ``state`` and
``settings`` (what it is set to), ``body`` with its parts ``controls``, ``mirror``, ``shutter``, ``autofocus``,
``lens``, ``viewfinder``, ``storage``, ``card``, ``files`` and ``power``, then ``faults``, ``surroundings``, and
``frame`` (scene, sensor and CR2 file). A guide for users is docs/simulated-camera.md.
"""

from sidcap.capture.simulated.camera import SimulatedCamera
from sidcap.capture.simulated.faults import Fault, FaultKind
from sidcap.capture.simulated.received import ReceivedOperation
from sidcap.capture.simulated.settings import SIMULATED_SERIAL
from sidcap.capture.simulated.surroundings import Flicker, Knock, Surroundings

__all__ = [
    "SIMULATED_SERIAL",
    "Fault",
    "FaultKind",
    "Flicker",
    "Knock",
    "ReceivedOperation",
    "SimulatedCamera",
    "Surroundings",
]
