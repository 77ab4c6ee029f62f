"""The reaper as a flow that finds every connector, as its deployment names it: ``connectors.reaper.reap``."""

from connectors.discovery import load_again
from flows.reaper_flow import reaper_flow

reap = reaper_flow(load_again)
