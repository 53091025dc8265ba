/**
 * Reads the events of a Kafka topic: one partition is the log of one shard.
 *
 * At least once: the caller stores checkpoints after it handled the events, and starts from them again.
 */
import { type BaseOptions, Consumer } from '@platformatic/kafka'

import { parsePosition, positionOf } from './cloud_event.js'
import { DamagedLog, TenantMoved } from './errors.js'
import { type Checkpoint, checkpointOf, type Event, ShardLog } from './log.js'
import { publishedSchemas } from './payload.js'
import { type Record } from './record.js'

const POLL_WITHIN_MS = 1000
const ANSWER_WITHIN_MS = 10_000
const BYTES_AT_ONCE = 4_000_000
const PARTITION_BYTES_AT_ONCE = 2_000_000
const EARLIEST = -2n
const LATEST = -1n
const IS_CONTROL = 0x20

export interface ReaderOptions {
  /** HOST:PORT */
  brokers: string[]
  /** mostly travertine.events */
  topic: string
  /** which to read; default: all */
  partitions?: number[]
  /** by shard, where to go on; a shard without one is read from its beginning */
  checkpoints?: ReadonlyMap<number, Checkpoint>
  /** only events of this tenant */
  tenant?: string
  /** only types that begin with one of these */
  types?: string[]
  /**
   * only events of the tenant behind this `position` of an event; reads its shard alone, from the beginning, and so without
   * `partitions` and `checkpoints`
   */
  position?: string
  /** more settings of @platformatic/kafka, for example `tls` and `sasl` */
  kafka?: Partial<BaseOptions>
}

/** What the reader needs of a client. */
export interface Client {
  metadata: (options: { topics: string[] }) => ReturnType<Consumer['metadata']>
  listOffsets: (options: { topics: string[]; timestamp: bigint }) => Promise<Map<string, bigint[]>>
  fetch: (options: Parameters<Consumer['fetch']>[0]) => Promise<FetchResponse>
  clearMetadata: () => void
  close: () => Promise<void>
}

/** The part of an answer that the reader looks at. */
export interface FetchResponse {
  responses: { partitions: { partitionIndex: number; records?: RecordsBatch[] }[] }[]
}

export interface RecordsBatch {
  firstOffset: bigint
  lastOffsetDelta: number
  attributes: number
  records: { offsetDelta: number; value: Uint8Array | null }[]
}

function connected(options: ReaderOptions): Client {
  return new Consumer({
    timeout: ANSWER_WITHIN_MS,
    retries: 3,
    retryDelay: 200,
    ...options.kafka,
    clientId: 'travertine-events',
    // Never joined: partitions are assigned, offsets are not committed.
    groupId: 'travertine-events',
    bootstrapBrokers: options.brokers
  })
}

/** Whether Kafka reports this, somewhere in what failed. */
function reports(error: unknown, property: string, value: unknown): boolean {
  const found = error as { findBy?: (property: string, value: unknown) => unknown }
  return Boolean(found.findBy?.(property, value))
}

/**
 * Gives the events of a topic's partitions, in order within each.
 *
 * Throws DamagedLog where the log is not what it must be, TenantMoved behind the event by which the tenant left the
 * shard of `position`, and otherwise what Kafka reports and what does not pass by itself.
 */
export class Reader implements AsyncIterable<Event> {
  /** By shard, behind the last event that was given or left out. */
  readonly checkpoints: Map<number, Checkpoint>
  private readonly logs = new Map<number, ShardLog>()
  /** Where to fetch next, by partition. */
  private readonly places = new Map<number, bigint>()
  /** Where partitions ended that are not read up to there. */
  private readonly ends = new Map<number, bigint>()
  private failure: unknown
  /** Lsn of `position`. */
  private behind = 0n
  /** The event by which the tenant left the shard of `position`. */
  private departed: Record | undefined
  private tenantWasRead: boolean

  private constructor(
    private readonly options: ReaderOptions,
    private readonly client: Client
  ) {
    this.checkpoints = new Map(options.checkpoints)
    this.tenantWasRead = !options.tenant
  }

  /** Connects and finds out where the partitions begin and end. Close it. */
  static async open(options: ReaderOptions, client: Client = connected(options)): Promise<Reader> {
    const reader = new Reader(options, client)
    try {
      await reader.begin()
    } catch (error) {
      await reader.close()
      throw error
    }
    return reader
  }

  private async begin(): Promise<void> {
    const { topic, tenant, position, checkpoints } = this.options
    let { partitions } = this.options
    if (position !== undefined) {
      if (partitions !== undefined || checkpoints?.size) {
        throw new RangeError('a position names where to begin; leave partitions and checkpoints out')
      }
      const place = parsePosition(position, tenant ?? '')
      partitions = [place.shard]
      this.behind = place.lsn
    }
    const topics = { topics: [topic] }
    const found = (await this.client.metadata(topics)).topics.get(topic)
    if (found === undefined) throw new Error(`there is no topic '${topic}'`)
    const count = found.partitionsCount
    const begins = (await this.client.listOffsets({ ...topics, timestamp: EARLIEST })).get(topic) ?? []
    const ends = (await this.client.listOffsets({ ...topics, timestamp: LATEST })).get(topic) ?? []
    for (const partition of partitions ?? [...Array(count).keys()]) {
      const low = begins[partition]
      const high = ends[partition]
      if (low === undefined || high === undefined) {
        throw new RangeError(`topic '${topic}' has no partition ${partition}; it has ${count}`)
      }
      const known = this.checkpoints.get(partition)
      if (known !== undefined && (known.offset < low || known.offset >= high)) {
        throw new DamagedLog(
          `partition ${partition} has offsets ${low} to ${high - 1n}, and the checkpoint's record was at ` +
            `${known.offset}: it was trimmed, or the topic was made anew`
        )
      }
      this.logs.set(partition, new ShardLog(partition, known))
      this.places.set(partition, known?.offset ?? low)
      if (low < high) this.ends.set(partition, high)
    }
  }

  /** Whether entries that the topic had when the reader was opened are not read yet, or cannot be. */
  get isBehind(): boolean {
    return this.ends.size > 0 || this.failure !== undefined
  }

  /** Whether `tenant` had an event among those that were read; true where none is asked for. */
  get hasTenant(): boolean {
    return this.tenantWasRead
  }

  /**
   * Events that were there, or came within a second; mostly several, and none where there are none. Events before
   * damage, or a move, are given first; every later call throws the same.
   */
  async poll(): Promise<Event[]> {
    const given: Event[] = []
    if (this.failure === undefined) {
      try {
        for (const response of await this.fetched()) this.takeResponse(response, given)
      } catch (error) {
        this.failure = error
      }
    }
    if (this.failure !== undefined && given.length === 0) throw this.failure
    return given
  }

  /** Follows the topic for ever. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Event> {
    while (true) yield* await this.poll()
  }

  /** One answer of each broker that leads some of the partitions. */
  private async fetched(): Promise<FetchResponse[]> {
    try {
      const found = (await this.client.metadata({ topics: [this.options.topic] })).topics.get(this.options.topic)
      if (found === undefined) throw new Error(`the topic '${this.options.topic}' is gone`)
      const byLeader = new Map<number, [number, bigint][]>()
      for (const place of this.places) {
        const leader = found.partitions[place[0]]?.leader ?? -1
        byLeader.set(leader, [...(byLeader.get(leader) ?? []), place])
      }
      return await Promise.all(
        [...byLeader].map(([node, places]) =>
          this.client.fetch({
            node,
            minBytes: 1,
            maxBytes: BYTES_AT_ONCE,
            maxWaitTime: POLL_WITHIN_MS,
            topics: [
              {
                topicId: found.id,
                partitions: places.map(([partition, fetchOffset]) => ({
                  partition,
                  fetchOffset,
                  currentLeaderEpoch: -1,
                  lastFetchedEpoch: -1,
                  partitionMaxBytes: PARTITION_BYTES_AT_ONCE
                }))
              }
            ]
          })
        )
      )
    } catch (error) {
      if (reports(error, 'apiId', 'OFFSET_OUT_OF_RANGE')) {
        throw new DamagedLog(`topic '${this.options.topic}': entries were deleted before they were read`)
      }
      if (!reports(error, 'canRetry', true) || reports(error, 'canRetry', false)) throw error
      // A leader moved, or a connection was lost: the next poll asks anew.
      this.client.clearMetadata()
      return []
    }
  }

  private takeResponse(response: FetchResponse, given: Event[]): void {
    for (const topic of response.responses) {
      for (const { partitionIndex, records } of topic.partitions) {
        for (const batch of records ?? []) this.takeBatch(partitionIndex, batch, given)
      }
    }
  }

  private takeBatch(partition: number, batch: RecordsBatch, given: Event[]): void {
    const log = this.logs.get(partition)
    const place = this.places.get(partition)
    if (log === undefined || place === undefined) return
    for (const record of (batch.attributes & IS_CONTROL) === 0 ? batch.records : []) {
      const offset = batch.firstOffset + BigInt(record.offsetDelta)
      // A batch is fetched whole, also what is before the place.
      if (offset < place) continue
      for (const event of log.take(offset, record.value)) {
        this.checkpoints.set(event.record.shard, checkpointOf(event))
        if (event.record.tenant === this.options.tenant) this.tenantWasRead = true
        if (this.wants(event)) given.push(event)
        if (this.options.position !== undefined) this.endAtMove(event)
      }
    }
    const next = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n
    this.places.set(partition, next > place ? next : place)
    if (next >= (this.ends.get(partition) ?? next + 1n)) this.ends.delete(partition)
  }

  private wants({ record }: Event): boolean {
    const { tenant, types } = this.options
    if (record.lsn <= this.behind) return false
    if (tenant && record.tenant !== tenant) return false
    return !types?.length || types.some((prefix) => record.type.startsWith(prefix))
  }

  /** Ends the reading from a position: the tenant is in another shard. It may have come back before the position. */
  private endAtMove({ record }: Event): void {
    const tenant = this.options.tenant ?? ''
    if (record.tenant === tenant && record.type === 'trv.tenant.departed') this.departed = record
    if (record.tenant === tenant && record.type === 'trv.tenant.arrived') this.departed = undefined
    const left = this.departed
    if (left === undefined || record.lsn < this.behind) return
    const { to } = JSON.parse(publishedSchemas().jsonOf(left.type, left.payload))
    throw new TenantMoved(
      `tenant '${tenant}' was moved from shard ${left.shard} to shard ${to} by the event at position ` +
        `${positionOf(tenant, left.shard, left.lsn)}; reading from a position (--from) reads shard ${left.shard} alone; ` +
        'use checkpoints (--checkpoint FILE), which follow moves'
    )
  }

  async close(): Promise<void> {
    await this.client.close()
  }
}
