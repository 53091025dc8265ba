// Bodies in parts: what is iterated is sent as the service takes it, and what a client sends is read as it comes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure, Plugin } from '../travertine_plugin/index.mjs'
import { FakeHost } from '../travertine_plugin/testing.mjs'

let taken = []

async function * pieces(count) {
  try {
    for (let number = 0; number < count; ++number) {
      taken.push(number)
      yield Buffer.alloc(100_000, 'x')
    }
  } finally {
    taken.push('closed')
  }
}

const plugin = new Plugin()
  .operation('send', async (call) => {
    const answer = await call.http('PUT', '/file', { parts: pieces(call.input.count), length: call.input.length })
    return [answer.status, answer.text]
  })
  .operation('send-for-parts', async (call) => {
    const answer = await call.httpInParts('PUT', '/file', { parts: ['a', Buffer.from('b')] })
    let text = ''
    for await (const part of answer) text += part
    return [answer.status, text]
  })
  .operation('fails', async (call) => call.http('PUT', '/file', { parts: (function * () {
    yield 'a'
    throw new Failure('it went wrong', { code: 'conflict' })
  })() }))
  .operation('odd', async (call) => call.http('PUT', '/file', call.input))
  .serve(async (call) => {
    if (call.request.path === '/pass') {
      const answer = await call.http('POST', '/file', { parts: call.readBody() })
      return { status: answer.status, body: answer.text }
    }
    let count = 0
    for await (const part of call.readBody()) {
      if (call.request.path === '/first') return { status: 413, body: part }
      count += part.length
    }
    return String(count)
  })

test('what is iterated is the body', async () => {
  for (const length of [undefined, 3_000_000]) {
    taken = []
    const host = new FakeHost(plugin)
    assert.deepEqual(await host.call('send', { count: 30, length }, { http: [{ status: 201, body: 'taken' }] }), [201, 'taken'])
    assert.equal(host.requests[0].body.length, 3_000_000)
    assert.equal(taken.at(-1), 'closed')
    assert.deepEqual(await host.call('send-for-parts', {}, { http: [{ parts: ['c', 'd'] }] }), [200, 'cd'])
    assert.equal(host.requests[1].body, 'ab')
  }
})

test('a service that answers early ends the iteration, and its answer is given', async () => {
  taken = []
  const host = new FakeHost(plugin)
  host.answersEarly = true
  assert.deepEqual(await host.call('send', { count: 1_000 }, { http: [{ status: 413, body: 'big' }] }), [413, 'big'])
  assert.ok(taken.length < 20)
  assert.equal(taken.at(-1), 'closed')
})

test('what the iteration throws fails the call, and what cannot be sent is said', async () => {
  const host = new FakeHost(plugin)
  await assert.rejects(host.call('fails'), /it went wrong/)
  await assert.rejects(host.call('odd', { parts: ['a'], body: 'b' }), /one alone/)
  await assert.rejects(host.call('odd', { length: 3 }), /given with parts/)
})

test('a body is read as it comes, and goes on to a service meanwhile', async () => {
  const host = new FakeHost(plugin)
  const read = async (options) => (await host.serve('POST', '/', options)).body.toString()
  assert.equal(await read({ parts: ['x'.repeat(1_000_000), 'y'] }), '1000001')
  assert.equal(await read({ body: 'whole' }), '5')
  assert.equal(await read({}), '0')
  const first = await host.serve('POST', '/first', { parts: ['x'.repeat(700_000)] })
  assert.equal(first.status, 413)
  assert.ok(first.body.length < 300_000)
  await assert.rejects(read({ parts: ['x'], breaks: { code: 'unavailable', message: 'the client has gone' } }),
    /the body of the request: the client has gone/)
  const passed = await host.serve('POST', '/pass', { parts: ['x'.repeat(1_000_000)], http: [{ status: 201, body: 'stored' }] })
  assert.deepEqual([passed.status, passed.body.toString()], [201, 'stored'])
  assert.equal(host.requests.at(-1).body.length, 1_000_000)
})
