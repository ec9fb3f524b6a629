"""Plan a bracket, drive the camera, bring every frame home."""

from sidcap.capture.bodies import body_of
from sidcap.capture.camera import Camera
from sidcap.capture.clock import Clock
from sidcap.capture.plan import BracketPlan, Shot, plan_bracket
from sidcap.capture.inspection import Comparison, Inspector
from sidcap.capture.session import Diligence, Event, EventKind, Session
from sidcap.capture.tether import Tether

__all__ = ["BracketPlan", "Camera", "Clock", "Comparison", "Diligence", "Event", "EventKind", "Inspector", "Session", "Shot", "Tether", "body_of", "plan_bracket"]
