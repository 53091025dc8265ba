/**
 * From the entries of one shard to the events that count: void rule, gap check and hash chain. Pure: no I/O.
 *
 * Rules: docs/formats/record.md. Damage throws DamagedLog with the offset, and then nothing more is given.
 */
import { DamagedLog } from './errors.js'
import { type Head, type Record, readHead, readRecord } from './record.js'

const DECISION_BYTES_MAX = 67_108_864

/** The record that a reader took last. It is found again at its offset and known by its hash. */
export interface Checkpoint {
  shard: number
  offset: bigint
  lsn: bigint
  /** SHA-256 of the entry, as stored, in hexadecimal */
  hash: string
}

/** A record that counts, and where it is in its partition. */
export interface Event {
  offset: bigint
  record: Record
}

/** To go on behind this event: store it once the event was handled. */
export function checkpointOf({ offset, record }: Event): Checkpoint {
  return { shard: record.shard, offset, lsn: record.lsn, hash: record.hash }
}

/**
 * Takes the entries of one shard in the order of their offsets; gives the events of each whole decision.
 *
 * It begins behind `checkpoint`, and then its first entry must be the checkpoint's record. Without one it begins where
 * the log does.
 */
export class ShardLog {
  private isNew = true
  private epoch = 0n
  private next = 1n
  private nextDecision = 1n
  /** The decision that has not ended. */
  private held: { offset: bigint; stored: Uint8Array }[] = []
  private heldBytes = 0
  private last: Record | undefined
  /** Undefined: not known, because the log was trimmed. */
  private lastHash: string | undefined = '00'.repeat(32)
  private damage: DamagedLog | undefined

  constructor(
    private readonly shard: number,
    private readonly checkpoint?: Checkpoint
  ) {
    if (checkpoint !== undefined && checkpoint.shard !== shard) {
      throw new RangeError(`the checkpoint is of shard ${checkpoint.shard}, not of shard ${shard}`)
    }
  }

  /** Events of the decision that this entry ends; mostly none or few. It keeps `value`. Throws DamagedLog. */
  take(offset: bigint, value: Uint8Array | null): Event[] {
    if (this.damage !== undefined) throw this.damage
    try {
      return this.taken(offset, value ?? new Uint8Array())
    } catch (error) {
      if (!(error instanceof DamagedLog)) throw error
      this.damage = new DamagedLog(`the log of shard ${this.shard} is damaged at offset ${offset}: ${error.message}`)
      throw this.damage
    }
  }

  private taken(offset: bigint, stored: Uint8Array): Event[] {
    const head = readHead(stored)
    if (this.isNew) {
      this.begin(offset, stored, head)
      this.isNew = false
    }
    if (!this.isNext(head)) return []
    this.heldBytes += stored.length
    if (this.heldBytes > DECISION_BYTES_MAX) {
      throw new DamagedLog(`the decision with lsn ${head.lsn} has more than ${DECISION_BYTES_MAX} bytes`)
    }
    this.held.push({ offset, stored })
    if (!head.decisionEnd) return []
    const events = this.held.map((entry) => ({ offset: entry.offset, record: this.chained(readRecord(entry.stored)) }))
    this.dropHeld()
    // The decision may have begun before the checkpoint's record, which was given already.
    const known = this.checkpoint
    return known === undefined ? events : events.filter((event) => event.record.lsn > known.lsn)
  }

  /** Puts the rule in the state that is right at the first entry. */
  private begin(offset: bigint, stored: Uint8Array, head: Head): void {
    const known = this.checkpoint
    if (known === undefined && offset === 0n) return
    if (head.isClaim) {
      throw new DamagedLog(
        known ? 'the entry of the checkpoint is a claim' : 'the entries before this claim were deleted'
      )
    }
    if (known && (offset !== known.offset || head.lsn !== known.lsn || readRecord(stored).hash !== known.hash)) {
      throw new DamagedLog(
        `here is lsn ${head.lsn}, not the record of the checkpoint, which has lsn ${known.lsn} at offset ` +
          `${known.offset}; if the topic was made anew, delete the checkpoint`
      )
    }
    // Trimming leaves a record that counts at the beginning, and a checkpoint is of one.
    this.epoch = head.epoch
    this.next = this.nextDecision = head.lsn
    this.lastHash = undefined
  }

  /** The void rule: whether the entry is the next record, which counts if its decision ends before a claim wins. */
  private isNext(head: Head): boolean {
    if (head.shard !== this.shard) throw new DamagedLog(`an entry of shard ${head.shard}`)
    if (head.isClaim) {
      if (head.epoch > this.epoch) {
        this.epoch = head.epoch
        this.next = this.nextDecision
        this.dropHeld()
      }
      return false
    }
    if (head.epoch < this.epoch) return false
    if (head.epoch > this.epoch) {
      throw new DamagedLog(`a record of epoch ${head.epoch} without its claim; the current epoch is ${this.epoch}`)
    }
    if (head.lsn < this.next) return false
    if (head.lsn > this.next) throw new DamagedLog(`a gap: lsn ${head.lsn} follows lsn ${this.next - 1n}`)
    this.next += 1n
    if (head.decisionEnd) this.nextDecision = this.next
    return true
  }

  private chained(record: Record): Record {
    if (this.lastHash !== undefined && record.prevHash !== this.lastHash) {
      throw new DamagedLog(
        `the chain breaks at lsn ${record.lsn}: its prev_hash is ${record.prevHash}, but the record before hashes to ` +
          this.lastHash
      )
    }
    if (this.last !== undefined && record.timeNs < this.last.timeNs) {
      throw new DamagedLog(
        `time runs backwards: lsn ${record.lsn} has ${record.timeNs} ns, the record before has ${this.last.timeNs} ns`
      )
    }
    this.last = record
    this.lastHash = record.hash
    return record
  }

  private dropHeld(): void {
    this.held = []
    this.heldBytes = 0
  }
}
