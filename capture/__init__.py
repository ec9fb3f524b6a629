"""Plan a bracket, drive the camera, bring every frame home."""

from sidcap.capture.bodies import Body, Check, body_of
from sidcap.capture.camera import Camera, DetectedCamera, detect
from sidcap.capture.clock import Clock
from sidcap.capture.inspection import Comparison, Inspector
from sidcap.capture.plan import BracketPlan, Shot, plan_bracket
from sidcap.capture.session import Diligence, Event, EventKind, Session
from sidcap.capture.tether import Tether

__all__ = [
    "Body",
    "BracketPlan",
    "Camera",
    "Check",
    "Clock",
    "Comparison",
    "DetectedCamera",
    "Diligence",
    "Event",
    "EventKind",
    "Inspector",
    "Session",
    "Shot",
    "Tether",
    "body_of",
    "detect",
    "plan_bracket",
]
