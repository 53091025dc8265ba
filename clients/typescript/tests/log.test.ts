/** What the vectors say is read, and everything else is DamagedLog. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'

import {
  DamagedLog, parsePosition, positionOf, publishedSchemas, readHead, readRecord, Schemas, ShardLog, toCloudEvent, toJson
} from '../src/index.js'
import { golden, json, logCases, payloads, repository } from './vectors.js'

test('what counts is given, and damage stops the reader', async (suite) => {
  assert.ok(logCases.length > 25)
  for (const wanted of logCases) {
    await suite.test(wanted.name, () => {
      const log = new ShardLog(wanted.shard, wanted.checkpoint)
      const lsns: bigint[] = []
      let damage: unknown
      for (const { offset, value } of wanted.entries) {
        try {
          lsns.push(...log.take(offset, value).map((event) => event.record.lsn))
        } catch (error) {
          assert.ok(error instanceof DamagedLog)
          assert.equal(damage ?? error, error, 'the same again')
          damage = error
        }
      }
      assert.deepEqual(lsns, wanted.counts)
      assert.equal(damage !== undefined, wanted.damage !== '', String(damage))
      assert.ok(String(damage).includes(wanted.damage), String(damage))
    })
  }
})

test('a recorded log gives the events that the API showed', () => {
  const releases = readdirSync(repository('tests/golden/releases'))
  assert.ok(releases.length > 0)
  for (const release of releases) {
    const lines: { value: string; event: unknown }[] = json(`tests/golden/releases/${release}/records.json`)
    const log = new ShardLog(0)
    // Without the claims, as a log that was trimmed behind the first one.
    const given = lines.flatMap(({ value }, at) => log.take(BigInt(1 + at), Buffer.from(value, 'base64')))
    assert.deepEqual(given.map((event) => toCloudEvent(event.record)), lines.map((line) => line.event))
  }
})

test('a checkpoint of another shard is refused', () => {
  assert.throws(() => new ShardLog(5, { shard: 1, offset: 0n, lsn: 1n, hash: '' }), /shard 1, not of shard 5/)
})

test('every type is read with every field and with none', () => {
  assert.ok(publishedSchemas().types.length > 30)
  for (const { type, payload, data } of payloads) {
    const json = publishedSchemas().jsonOf(type, payload)
    assert.deepEqual(JSON.parse(json), data, type)
    assert.ok(!json.includes('\n'), 'one line')
  }
  const tested = new Set(payloads.map((vector) => vector.type))
  assert.deepEqual(publishedSchemas().types.filter((type) => !tested.has(type)), [])
})

test('the golden record is read in every field', () => {
  const second = readRecord(golden('record/second.bin'))
  const first = readRecord(golden('record/first.bin'))
  assert.equal(second.prevHash, first.hash)
  assert.equal(first.causationId, undefined)
  assert.deepEqual([second.keyId, second.schemaVersion, second.decisionEnd], ['key-1', 3, true])
  const event = {
    specversion: '1.0', id: '00000000-0000-0007-0000-000000000000', source: '/tenants/acme/instance',
    type: 'trv.example.happened', subject: 'i7', time: '2023-11-14T22:13:20.000000Z', position: positionOf('acme', 5, 2n),
    tenant: 'acme', actor: 'member:ada', causationid: '018f0000-0000-7000-8000-000000000001',
    correlationid: '018f0000-0000-7000-8000-000000000002',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', datacontenttype: 'application/json',
    data: { payload_base64: Buffer.alloc(100, 7).toString('base64') }
  }
  assert.deepEqual(toCloudEvent(second), event)
  assert.equal(toJson(second), JSON.stringify(event))
  assert.equal(readHead(golden('record/claim.bin')).isClaim, true)
  assert.throws(() => readRecord(golden('record/claim.bin')), /is a claim/)
})

test('a time before 1970 and one with microseconds are written as the API does', () => {
  const record = readRecord(golden('record/first.bin'))
  assert.equal(toCloudEvent({ ...record, timeNs: -1n }).time, '1969-12-31T23:59:59.999999Z')
  assert.equal(toCloudEvent({ ...record, timeNs: 1_700_000_000_123_456_789n }).time, '2023-11-14T22:13:20.123456Z')
})

test('a position is of one tenant', () => {
  const position = positionOf('acme', 5, 2n)
  assert.deepEqual(parsePosition(position, 'acme'), { shard: 5, lsn: 2n })
  for (const [text, tenant] of [[position, 'beta'], ['', 'acme'], ['x'.repeat(24), 'acme'], [`${position}0`, 'acme']]) {
    assert.throws(() => parsePosition(text as string, tenant as string), /is not a position/)
  }
})

test('hostile bytes are DamagedLog and nothing else', () => {
  // mulberry32
  let state = 1
  const random = (below: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
  const changed = (good: Uint8Array): Uint8Array => {
    const bytes = Uint8Array.from(good)
    for (let count = 1 + random(4); count > 0; count--) bytes[random(bytes.length)] = random(256)
    return bytes
  }
  const attempt = (read: () => unknown): void => {
    try {
      read()
    } catch (error) {
      if (!(error instanceof DamagedLog)) throw error
    }
  }
  const second = golden('record/second.bin')
  for (let size = 0; size < second.length; size++) assert.throws(() => readHead(second.subarray(0, size)), DamagedLog)
  for (let round = 0; round < 4_000; round++) attempt(() => readRecord(changed(second)))
  for (const { type, payload } of payloads) {
    for (let round = 0; round < 50; round++) attempt(() => JSON.parse(publishedSchemas().jsonOf(type, changed(payload))))
  }
})

test('few bytes that unfold to many are refused', () => {
  // One text of 900,000 bytes, named 20 times by event_types of trv.workflow.applied.
  const head = [22, 0, 0, 0, 18, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 18, 0, 0, 0, 4, 0, 0, 0, 20, 0, 0, 0]
  const vector = Array.from({ length: 20 }, (_, index) => [4 * (20 - index), 0, 0, 0]).flat()
  const stored = Buffer.concat([Buffer.from([...head, ...vector, 0xa0, 0xbb, 0x0d, 0]), Buffer.alloc(900_000, 'x')])
  assert.throws(() => publishedSchemas().jsonOf('trv.workflow.applied', stored), /unfold to more than/)
})

test('a folder without schemas is named', () => {
  assert.throws(() => new Schemas(import.meta.dirname), /no event schemas/)
})
