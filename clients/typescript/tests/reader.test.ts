/** The reader of a topic, over a client that gives what the test says. The real one is used in tests/kafka. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import {
  type Checkpoint, DamagedLog, loadCheckpoints, positionOf, Reader, type ReaderOptions, saveCheckpoints, TenantMoved
} from '../src/index.js'
import { type Client, type FetchResponse, type RecordsBatch } from '../src/reader.js'
import { logNamed } from './vectors.js'

const SHARD = 5 // of the golden entries

/** What Kafka's answers are to the reader: an error that says what it is. */
class Reported extends Error {
  constructor(private readonly properties: { [name: string]: unknown }) {
    super(JSON.stringify(properties))
  }
  findBy(name: string, value: unknown): unknown {
    return this.properties[name] === value ? this : null
  }
}

/** A topic whose only partition is SHARD. It gives batches of two, whole, also where only the second is asked for. */
class FakeClient implements Client {
  readonly failures: Error[] = []
  closed = false

  constructor(private readonly entries: { offset: bigint; value: Uint8Array }[]) {}

  async metadata() {
    const partitions = Array.from({ length: SHARD + 1 }, () => ({ leader: 1 }))
    const topic = { id: 'id', partitions, partitionsCount: partitions.length }
    return { topics: new Map([['t', topic]]) } as never
  }
  async listOffsets({ timestamp }: { timestamp: bigint }) {
    const first = this.entries[0]?.offset ?? 0n
    const end = (this.entries.at(-1)?.offset ?? -1n) + 1n
    const offsets = Array<bigint>(SHARD).fill(0n)
    return new Map([['t', [...offsets, timestamp === -2n ? first : end]]])
  }
  async fetch({ topics }: Parameters<Client['fetch']>[0]): Promise<FetchResponse> {
    const failure = this.failures.shift()
    if (failure !== undefined) throw failure
    const asked = topics[0]?.partitions.find((partition) => partition.partition === SHARD)?.fetchOffset ?? 0n
    const at = this.entries.findIndex((entry) => entry.offset >= asked)
    const taken = at < 0 ? [] : this.entries.slice(at - (at % 2), at - (at % 2) + 2)
    const firstOffset = taken[0]?.offset ?? 0n
    const records = taken.map(({ offset, value }) => ({ offsetDelta: Number(offset - firstOffset), value }))
    const batch: RecordsBatch = { firstOffset, lastOffsetDelta: records.at(-1)?.offsetDelta ?? 0, attributes: 0, records }
    return { responses: [{ partitions: [{ partitionIndex: SHARD, records: taken.length > 0 ? [batch] : [] }] }] }
  }
  clearMetadata() {}
  async close() {
    this.closed = true
  }
}

const OPTIONS: ReaderOptions = { brokers: ['127.0.0.1:1'], topic: 't' }

async function toEnd(reader: Reader): Promise<bigint[]> {
  const lsns: bigint[] = []
  for (let round = 0; round < 100; round++) {
    if (!reader.isBehind) return lsns
    lsns.push(...(await reader.poll()).map((event) => event.record.lsn))
  }
  throw new Error('the end was not reached')
}

test('everything is given, and a checkpoint goes on behind it', async () => {
  const { entries } = logNamed('a repetition is skipped')
  const first = await Reader.open(OPTIONS, new FakeClient(entries.slice(0, 3)))
  assert.deepEqual(await toEnd(first), [1n, 2n])
  assert.equal(first.isBehind, false)
  const second = await Reader.open({ ...OPTIONS, checkpoints: first.checkpoints }, new FakeClient(entries))
  assert.deepEqual(await toEnd(second), [3n])
})

test('an iteration that was left goes on behind its checkpoint', async () => {
  const client = new FakeClient(logNamed('a repetition is skipped').entries)
  const reader = await Reader.open(OPTIONS, client)
  for await (const event of reader) {
    assert.equal(event.record.lsn, 1n)
    break
  }
  assert.deepEqual(await toEnd(reader), [2n, 3n])
})

test('filters leave events out, and the checkpoint goes on', async () => {
  const { entries } = logNamed('a repetition is skipped')
  for (const [filter, given] of [
    [{ tenant: 'acme' }, [1n, 2n, 3n]], [{ tenant: 'beta' }, []], [{ types: ['trv.ex'] }, [1n, 2n, 3n]],
    [{ types: ['x', 'trv.token.'] }, []]
  ] as [Partial<ReaderOptions>, bigint[]][]) {
    const reader = await Reader.open({ ...OPTIONS, ...filter }, new FakeClient(entries))
    assert.deepEqual(await toEnd(reader), given)
    assert.equal(reader.checkpoints.get(SHARD)?.lsn, 3n)
  }
})

test('events before damage are given first', async () => {
  const reader = await Reader.open(OPTIONS, new FakeClient(logNamed('a gap').entries))
  assert.deepEqual((await reader.poll()).map((event) => event.record.lsn), [1n])
  for (let again = 0; again < 2; again++) await assert.rejects(reader.poll(), /a gap/)
  assert.equal(reader.checkpoints.get(SHARD)?.lsn, 1n)
  assert.equal(reader.isBehind, true)
})

test('deleted entries are damage, a lost connection passes, and a refusal is reported', async () => {
  const client = new FakeClient(logNamed('a repetition is skipped').entries)
  const reader = await Reader.open(OPTIONS, client)
  client.failures.push(new Reported({ canRetry: true }))
  assert.deepEqual(await toEnd(reader), [1n, 2n, 3n])
  client.failures.push(new Reported({ apiId: 'OFFSET_OUT_OF_RANGE', canRetry: true }))
  await assert.rejects(reader.poll(), (error) => error instanceof DamagedLog && /deleted/.test(error.message))
  const other = new FakeClient(logNamed('a repetition is skipped').entries)
  const refused = await Reader.open(OPTIONS, other)
  other.failures.push(new Reported({ apiId: 'TOPIC_AUTHORIZATION_FAILED', canRetry: false }))
  await assert.rejects(refused.poll(), /TOPIC_AUTHORIZATION_FAILED/)
})

test('a checkpoint outside of the partition is damage', async () => {
  for (const offset of [11n, 1000n]) {
    const client = new FakeClient(logNamed('a repetition is skipped').entries)
    const checkpoints = new Map<number, Checkpoint>([[SHARD, { shard: SHARD, offset, lsn: 1n, hash: '' }]])
    await assert.rejects(Reader.open({ ...OPTIONS, checkpoints }, client), /partition 5 has offsets 0 to 10/)
    assert.equal(client.closed, true)
  }
})

/** Lsn 3 is the first departure, 5 the arrival, 7 the second departure. */
test('whether the tenant has an event is known, also where its types are left out', async () => {
  for (const [tenant, known] of [['', true], ['acme', true], ['beta', false]] as const) {
    const entries = logNamed('a repetition is skipped').entries
    const reader = await Reader.open({ ...OPTIONS, tenant, types: ['x'] }, new FakeClient(entries))
    assert.equal(reader.hasTenant, tenant === '')
    while (reader.isBehind) await reader.poll()
    assert.equal(reader.hasTenant, known)
  }
})

const movedLog = () => logNamed('a tenant leaves the shard, comes back and leaves again').entries

test('a position is read from until the tenant leaves its shard', async () => {
  for (const [behind, given, by, last, types] of [
    [1n, [2n, 3n], 3n, 8], [2n, [3n], 3n, 8], [3n, [], 3n, 8], [4n, [], 3n, 8], [5n, [6n, 7n], 7n, 8], [6n, [7n], 7n, 8],
    [7n, [], 7n, 8], [8n, [], 7n, 8], [1n, [2n], 3n, 8, ['trv.ex']], [1n, [2n, 3n], 3n, 3], [3n, [], 3n, 3]
  ] as [bigint, bigint[], bigint, number, string[]?][]) {
    const options = { ...OPTIONS, tenant: 'acme', position: positionOf('acme', SHARD, behind), types: types ?? [] }
    const reader = await Reader.open(options, new FakeClient(movedLog().slice(0, 1 + last)))
    const lsns: bigint[] = []
    const read = async () => {
      for (let round = 0; round < 100 && reader.isBehind; round++) {
        lsns.push(...(await reader.poll()).map((event) => event.record.lsn))
      }
    }
    const parts = ["tenant 'acme' was moved from shard 5 to shard 101", positionOf('acme', SHARD, by), '--checkpoint']
    const isMove = (error: unknown) =>
      error instanceof TenantMoved && parts.every((part) => error.message.includes(part))
    await assert.rejects(read(), isMove, `behind ${behind}`)
    assert.deepEqual(lsns, given, `behind ${behind}`)
    await assert.rejects(reader.poll(), isMove)
  }
})

test('moves before the position and of other tenants do not end the reading', async () => {
  for (const [tenant, behind, count, given] of [
    ['acme', 5n, 7, [6n]], ['acme', 1n, 3, [2n]], ['beta', 1n, 9, []]
  ] as [string, bigint, number, bigint[]][]) {
    const options = { ...OPTIONS, tenant, position: positionOf(tenant, SHARD, behind) }
    assert.deepEqual(await toEnd(await Reader.open(options, new FakeClient(movedLog().slice(0, count)))), given)
  }
  const all = await Reader.open({ ...OPTIONS, tenant: 'acme' }, new FakeClient(movedLog()))
  assert.deepEqual(await toEnd(all), [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n])
})

test('a position goes without partitions and checkpoints and is of the tenant', async () => {
  const good = { ...OPTIONS, tenant: 'acme', position: positionOf('acme', SHARD, 1n) }
  const checkpoints = new Map<number, Checkpoint>([[SHARD, { shard: SHARD, offset: 2n, lsn: 1n, hash: '' }]])
  for (const other of [{ partitions: [SHARD] }, { checkpoints }]) {
    await assert.rejects(Reader.open({ ...good, ...other }, new FakeClient([])), /leave partitions and checkpoints out/)
  }
  const other = Reader.open({ ...good, tenant: 'beta' }, new FakeClient([]))
  await assert.rejects(other, /is not a position in the events of tenant 'beta'/)
})

test('--from needs its tenant and goes without a checkpoint', () => {
  const command = fileURLToPath(new URL('../src/main.js', import.meta.url))
  const position = positionOf('acme', SHARD, 1n)
  for (const [args, said] of [
    [['--from', '0'], /needs --tenant/], [['--from', position], /needs --tenant/],
    [['--from', '', '--tenant', 'acme'], /is not a position/],
    [['--from', position, '--tenant', 'acme', '--checkpoint', 'f'], /exclude each other/]
  ] as [string[], RegExp][]) {
    const ended = spawnSync(process.execPath, [command, '--brokers', '127.0.0.1:1', '--topic', 't', ...args])
    assert.equal(ended.status, 2, args.join(' '))
    assert.match(ended.stderr.toString(), said)
  }
})

test('an empty topic is not behind, and a partition that is not there is named', async () => {
  assert.equal((await Reader.open(OPTIONS, new FakeClient([]))).isBehind, false)
  await assert.rejects(Reader.open({ ...OPTIONS, partitions: [7] }, new FakeClient([])), /topic 't' has no partition 7; it has 6/)
})

test('checkpoints are loaded as they were saved, and other files are refused', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'checkpoints-'))
  context.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'checkpoints')
  assert.equal(loadCheckpoints(path, 't').size, 0)
  const known = new Map<number, Checkpoint>([
    [4, { shard: 4, offset: 1n, lsn: 1n, hash: 'ff'.repeat(32) }], [0, { shard: 0, offset: 7n, lsn: 3n, hash: '00'.repeat(32) }]
  ])
  saveCheckpoints(path, 't', known)
  assert.deepEqual(loadCheckpoints(path, 't'), known)
  assert.deepEqual(readdirSync(folder), ['checkpoints'])
  assert.throws(() => loadCheckpoints(path, 'u'), /of topic 't', not of 'u'/)
  for (const text of ['', '{', '[]', '{}', 'null', '{"topic":"t","checkpoints":[{}]}', '{"topic":"t","checkpoints":3}',
    '{"topic":"t","checkpoints":[{"shard":0,"offset":"x","lsn":1,"sha256":""}]}']) {
    writeFileSync(path, text)
    assert.throws(() => loadCheckpoints(path, 't'), /is not a file of checkpoints/, text)
  }
})
