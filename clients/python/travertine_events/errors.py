"""What ends the reading of a log."""


class DamagedLog(Exception):
    """The bytes of the log, or their order, are not what docs/formats/record.md allows. A reader stops there."""


class TenantMoved(Exception):
    """The tenant left the shard of the position that the reader began from. Its later events are in another shard."""
