"""randnum: a random number with a time stamp."""

from flows import SmartConnector


class RandNum(SmartConnector):
    """The smallest connector: a payload and nothing else."""

    name = "randnum"
    description = "A random number, with a time stamp."


randnum = RandNum()
