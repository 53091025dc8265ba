/** The bytes of the log, or their order, are not what docs/formats/record.md allows. A reader stops there. */
export class DamagedLog extends Error {
  override readonly name = 'DamagedLog'
}
