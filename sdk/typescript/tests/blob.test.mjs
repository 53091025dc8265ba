// Blobs: what is written in parts is kept under its SHA-256 and read back.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { Plugin } from '../travertine_plugin/index.mjs'
import { FakeHost } from '../travertine_plugin/testing.mjs'

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

const plugin = new Plugin()
  .operation('put', async (call) => {
    const blob = call.blobs.begin()
    await blob.write('a'.repeat(600_000))
    await blob.write(Buffer.from('z'))
    const stored = await blob.store({ mediaType: 'text/plain', name: 'a.txt' })
    await call.blobs.put('whole', { name: 'b.txt' })
    return [stored.digest, stored.size, (await call.blobs.list()).blobs.map(({ name }) => name).sort()]
  })
  .operation('read', async (call) => {
    const parts = []
    let offset = 0
    for (let hasMore = true; hasMore;) {
      const part = await call.blobs.read(call.input, { offset })
      parts.push(part.bytes)
      offset += part.bytes.length
      hasMore = part.hasMore
    }
    return [offset, sha256(Buffer.concat(parts))]
  })
  .operation('erase', async (call) => {
    await call.blobs.erase(call.input)
    const dropped = call.blobs.begin()
    await dropped.write('half')
    await dropped.drop()
    return (await call.blobs.list()).blobs.length
  })

test('a blob is written in parts of any size', async () => {
  const host = new FakeHost(plugin)
  const whole = 'a'.repeat(600_000) + 'z'
  assert.deepEqual(await host.call('put'), [sha256(whole), 600_001, ['a.txt', 'b.txt']])
  assert.deepEqual(Object.keys(host.blobs.values()).sort(), [sha256(whole), sha256('whole')].sort())
  await host.end()
})

test('what is kept is read and erased', async () => {
  const host = new FakeHost(plugin)
  const data = Buffer.alloc(768_000, Buffer.from(Array.from({ length: 251 }, (_, i) => i)))
  const digest = host.blobs.put(data)
  assert.deepEqual(await host.call('read', digest), [768_000, digest])
  assert.equal(await host.call('erase', digest), 0)
  await assert.rejects(host.call('read', digest), { code: 'not_found' })
  await host.end()
})

test('what the host refuses is a failure', async () => {
  const host = new FakeHost(plugin)
  host.blobs.failWith('exhausted')
  await assert.rejects(host.call('put'), { code: 'exhausted' })
  await host.end()
})
