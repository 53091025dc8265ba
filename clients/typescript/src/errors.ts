/** The bytes of the log, or their order, are not what docs/formats/record.md allows. A reader stops there. */
export class DamagedLog extends Error {
  override readonly name = 'DamagedLog'
}

/** The tenant left the shard of the position that the reader began from. Its later events are in another shard. */
export class TenantMoved extends Error {
  override readonly name = 'TenantMoved'
}
