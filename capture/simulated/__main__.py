"""The process of a simulated camera. Started by ``SimulatedCamera``; people use ``sidcap simulate-camera``."""

import asyncio
import os

from sidcap.capture.simulated.server import main

asyncio.run(main())
os._exit(0)  # a frame that is still being rendered in its thread is not waited for
