"""Transports: how a shell script is run on this machine or over SSH, and how somebody logs in there."""
