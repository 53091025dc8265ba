// Answers that come in parts, in a FakeHost.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure, Plugin } from '../travertine_plugin/index.mjs'
import { cancel, FakeHost } from '../travertine_plugin/testing.mjs'

const plugin = new Plugin()
  .operation('read', async (call) => {
    const answer = await call.httpInParts('GET', '/big', { headers: { 'X-A': 'b' }, timeoutMs: 5_000 })
    let count = 0
    let largest = 0
    for await (const part of answer) {
      count += part.length
      largest = Math.max(largest, part.length)
    }
    return [answer.status, answer.header('x-c') ?? null, count, largest]
  })
  .operation('text', async (call) => {
    let text = ''
    for await (const part of (await call.httpInParts('GET', '/big')).throwForStatus()) text += part
    return text
  })
  .operation('first', async (call) => {
    for await (const part of await call.httpInParts('GET', '/big')) return part.length
  })
  .operation('two', async (call) => {
    const [a, b] = await Promise.all([call.httpInParts('GET', '/a'), call.httpInParts('GET', '/b')])
    let text = ''
    for await (const part of b) text += part
    for await (const part of a) text += part
    return text
  })

const ask = (operation, ...http) => {
  const host = new FakeHost(plugin)
  return host.call(operation, {}, { http }).then((output) => ({ output, host }))
}

test('an answer comes in parts', async () => {
  const { output, host } = await ask('read', { body: 'abc', headers: { 'X-C': 'd' } })
  assert.deepEqual(output, [200, 'd', 3, 3])
  assert.equal(host.requests[0].inParts, true)
  assert.equal(host.requests[0].headers['X-A'], 'b')
  assert.equal(host.requests[0].timeoutMs, 5_000)
  assert.equal((await ask('text', { parts: ['a', Buffer.from('b')] })).output, 'ab')
  assert.equal((await ask('text', {})).output, '')
})

test('what is read is taken', async () => {
  const { output } = await ask('read', { parts: Array(5).fill(Buffer.alloc(1_000_000)) })
  assert.equal(output[2], 5_000_000)
  assert.ok(output[3] <= 262_144)
})

test('what is left early is dropped', async () => {
  const { host } = await ask('first', { parts: [Buffer.alloc(900_000)] })
  assert.equal(host.requests[0].dropped, true)
  const whole = await ask('first', { body: 'whole' })
  assert.equal(whole.output, 5)
})

test('an answer that breaks is a failure', async () => {
  await assert.rejects(ask('text', { parts: ['a'], breaks: { code: 'unavailable', message: 'it broke' } }),
    (error) => error instanceof Failure && error.message === 'GET /big: it broke' && error.mayRetry)
  await assert.rejects(ask('text', { code: 'timeout', message: 'no' }), /^Failure: GET \/big: no$|GET \/big: no/)
  await assert.rejects(ask('text', { status: 503, headers: { 'Retry-After': '7' } }),
    (error) => error.status === 503 && error.retryAfter === 7)
})

test('two do not mix', async () => {
  const host = new FakeHost(plugin)
  const output = await host.call('two', {}, { http: ({ path }) => ({ body: `of ${path}` }) })
  assert.equal(output, 'of /bof /a')
})

test('a cancelled call ends', async () => {
  await assert.rejects(ask('read', cancel), (error) => error.code === 'cancelled')
})
