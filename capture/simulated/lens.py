"""The lens as the body moves it: its focus drive."""

from __future__ import annotations

FOCUS_STEPS_OF_DRIVE = {1: 1, 2: 6, 3: 30}
"""Focus steps of Canon's small, medium and large drive (libgphoto2's Near and Far 1, 2, 3). A guess."""

END_STOP_STEPS = 120
"""How far the drive goes to either side of sharp. A guess."""

FAR = 0x8000
"""Bit in a drive command: away from the camera; without it, nearer."""


class Lens:
    """``focus_steps`` is how far it stands from sharp: positive is too near, negative too far."""

    def __init__(self, focus_steps: int = 0) -> None:
        self.focus_steps = focus_steps

    def drive(self, command: int) -> bool:
        """Moves as a host asks for; False where no drive has such a command. At the end it stops."""
        steps = FOCUS_STEPS_OF_DRIVE.get(command & ~FAR)
        if steps is None:
            return False
        moved = self.focus_steps + (-steps if command & FAR else steps)
        self.focus_steps = max(-END_STOP_STEPS, min(END_STOP_STEPS, moved))
        return True
