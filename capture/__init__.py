"""Plan a bracket, drive the camera, bring every frame home."""

from sidcap.capture.bodies import body_of
from sidcap.capture.camera import Camera
from sidcap.capture.clock import Clock
from sidcap.capture.plan import BracketPlan, Shot, plan_bracket
from sidcap.capture.session import Session, Step

__all__ = ["BracketPlan", "Camera", "Clock", "Session", "Shot", "Step", "body_of", "plan_bracket"]
