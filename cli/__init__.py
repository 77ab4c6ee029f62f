"""The command line ``chiminey``: the front door above all floors.

Importing Prefect takes seconds; so commands import what they need when they run.
"""
