"""What can be wrong with a log."""


class DamagedLog(Exception):
    """The bytes of the log, or their order, are not what docs/formats/record.md allows. A reader stops there."""
