/**
 * Entries of a log: records and claims. Format: docs/formats/record.md. Every function throws DamagedLog, and nothing
 * else, for bytes that are not an entry.
 */
import { createHash } from 'node:crypto'

import { DamagedLog } from './errors.js'
import { Bytes, type Table } from './flatbuffer.js'

const RECORD_BYTES_MAX = 1_000_000
const ENTRY_BYTES_MIN = 24
const ROOT = 4 // behind the size prefix

/** What the void rule needs of an entry. */
export interface Head {
  isClaim: boolean
  shard: number
  epoch: bigint
  /** 0 for a claim */
  lsn: bigint
  decisionEnd: boolean
}

/** One event with its place in the log of a shard. Texts that the entry does not have are empty. */
export interface Record {
  shard: number
  lsn: bigint
  epoch: bigint
  /** SHA-256 of the record before, as stored, in hexadecimal; zeros for lsn 1 */
  prevHash: string
  /** nanoseconds since 1970-01-01T00:00:00Z: the time of the decision */
  timeNs: bigint
  eventId: string
  tenant: string
  streamKind: string
  streamId: string
  type: string
  schemaVersion: number
  actor: string
  causationId: string | undefined
  correlationId: string | undefined
  traceparent: string
  /** empty: the payload is not sealed */
  keyId: string
  payload: Uint8Array
  decisionEnd: boolean
  /** SHA-256 of this entry, as stored, in hexadecimal */
  hash: string
}

export const toHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')

function uuid(bytes: Uint8Array | undefined): string | undefined {
  return bytes && toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

function tableOf(stored: Uint8Array): { table: Table; isClaim: boolean } {
  if (stored.length < ENTRY_BYTES_MIN || stored.length > RECORD_BYTES_MAX) {
    throw new DamagedLog(
      `an entry of ${stored.length} bytes; it must have ${ENTRY_BYTES_MIN} to ${RECORD_BYTES_MAX}`
    )
  }
  const bytes = new Bytes(stored)
  const size = bytes.uint32(0)
  if (size !== stored.length - ROOT) {
    throw new DamagedLog(`an entry of ${stored.length} bytes: its size prefix says ${size} more`)
  }
  const kind = String.fromCharCode(...stored.subarray(8, 12))
  if (kind !== 'TRVR' && kind !== 'TRVC') {
    throw new DamagedLog(
      `an entry with identifier ${JSON.stringify(kind)}: it is neither record (TRVR) nor claim (TRVC)`
    )
  }
  return { table: bytes.root(ROOT), isClaim: kind === 'TRVC' }
}

/** Says nothing about the rest of the entry. */
export function readHead(stored: Uint8Array): Head {
  const { table, isClaim } = tableOf(stored)
  const head = {
    isClaim,
    shard: table.uint32(0),
    epoch: table.uint64(isClaim ? 1 : 2),
    lsn: isClaim ? 0n : table.uint64(1),
    decisionEnd: !isClaim && table.uint8(18) !== 0
  }
  if (head.epoch === 0n || (head.lsn === 0n && !isClaim)) {
    throw new DamagedLog(`an entry of ${stored.length} bytes has no epoch or no lsn`)
  }
  return head
}

/** Opens the entry of a record. */
export function readRecord(stored: Uint8Array): Record {
  const { table, isClaim } = tableOf(stored)
  if (isClaim) throw new DamagedLog(`an entry of ${stored.length} bytes is a claim, not a record`)
  const lsn = table.uint64(1)
  function required<T>(name: string, value: T | undefined): T {
    if (!value) throw new DamagedLog(`the record with lsn ${lsn} has no ${name}`)
    return value
  }
  const encoding = table.uint8(15)
  if (encoding !== 0) {
    throw new DamagedLog(
      `the record with lsn ${lsn} has payload encoding ${encoding}, which this version does not know`
    )
  }
  return {
    shard: table.uint32(0),
    lsn: required('lsn', lsn),
    epoch: required('epoch', table.uint64(2)),
    prevHash: toHex(required('prev_hash', table.struct(3, 32))),
    timeNs: BigInt.asIntN(64, table.uint64(4)),
    eventId: required('event_id', uuid(table.struct(5, 16))),
    tenant: required('tenant', table.text(6)),
    streamKind: required('stream_kind', table.text(7)),
    streamId: required('stream_id', table.text(8)),
    type: required('type', table.text(9)),
    schemaVersion: table.uint16(10),
    actor: required('actor', table.text(11)),
    causationId: uuid(table.struct(12, 16)),
    correlationId: uuid(table.struct(13, 16)),
    traceparent: table.text(14) ?? '',
    keyId: table.text(16) ?? '',
    payload: table.bytes(17) ?? new Uint8Array(),
    decisionEnd: table.uint8(18) !== 0,
    hash: createHash('sha256').update(stored).digest('hex')
  }
}
