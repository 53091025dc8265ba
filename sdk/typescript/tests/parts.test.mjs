// Answers in parts: what a generator gives goes out as it comes, and as fast as it is taken.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure, Plugin } from '../travertine_plugin/index.mjs'
import { Session } from '../travertine_plugin/session.mjs'
import { FakeHost } from '../travertine_plugin/testing.mjs'

let closed = 0

const plugin = new Plugin().serve(async (call) => {
  const given = {
    '/lines': async function * () {
      try {
        for (const number of [1, 2, 3]) {
          await call.kv.put('line', number)
          yield `line ${number}\n`
        }
      } finally {
        closed++
      }
    },
    '/large': function * () {
      try {
        for (let i = 0; i < 30; i++) yield Buffer.alloc(100_000, 'x')
      } finally {
        closed++
      }
    },
    '/fails': function * () {
      yield 'a'
      throw new Failure('it went wrong', { code: 'unavailable' })
    },
    '/odd': () => [7],
    '/no-list': () => 7,
    '/text': () => 'a'
  }
  const parts = given[call.request.path]?.() ?? ['å', Buffer.from([255]), '']
  return call.request.path === '/both' ? { parts, body: 'a' } : { status: 201, headers: { ETag: '"1"' }, parts }
})

test('each part is sent as it comes', async () => {
  closed = 0
  const answer = await new FakeHost(plugin).serve('GET', '/lines')
  assert.deepEqual([answer.status, answer.headers.etag], [201, '"1"'])
  assert.deepEqual(answer.parts.map(String), ['line 1\n', 'line 2\n', 'line 3\n'])
  assert.equal(answer.body.toString(), 'line 1\nline 2\nline 3\n')
  assert.equal(closed, 1)
  assert.deepEqual((await new FakeHost(plugin).serve('GET', '/list')).body, Buffer.from([0xc3, 0xa5, 255]))
})

test('large parts are split', async () => {
  const answer = await new FakeHost(plugin).serve('GET', '/large')
  assert.equal(answer.body.length, 3_000_000)
  assert.ok(answer.parts.every((part) => part.length <= 65_536))
})

test('what fails midway is not whole', async () => {
  const host = new FakeHost(plugin)
  for (const [path, says] of [['/fails', /it went wrong/], ['/odd', /a part of the response is a number/], ['/both', /has no body/],
    ['/no-list', /are a number, which cannot be iterated/], ['/text', /are a string, which cannot be iterated/]]) {
    await assert.rejects(host.serve('GET', path), (error) => says.test(error.message), path)
  }
  assert.deepEqual(host.sentParts.map(String), ['a'])
})

test('a client that takes nothing holds up the generator until it goes', async () => {
  closed = 0
  const sent = []
  const session = new Session(plugin, (name, body) => sent.push([name, body]))
  const written = () => sent.filter(([name]) => name === 'write')
    .reduce((size, [, body]) => size + Buffer.from(body.base64, 'base64').length, 0)
  const until = async (holds) => {
    const end = Date.now() + 30_000
    while (!holds() && Date.now() < end) await new Promise((resolve) => setImmediate(resolve))
    assert.ok(holds())
  }
  session.take('begin', { plugin: 'p', version: '1.0.0' })
  session.take('serve', { call: 7, method: 'GET', path: '/large', tenant: 'acme' })
  await until(() => written() === 262_144)
  const stream = sent.find(([name]) => name === 'write')[1].stream
  session.take('room', { stream, bytes: 10 })
  await until(() => written() === 262_154)
  session.take('stream_ended', { stream, code: 'cancelled', message: 'the client has gone' })
  session.take('cancel', { call: 7 })
  await until(() => closed === 1 && sent.some(([name]) => name === 'failed'))
  assert.deepEqual(sent.filter(([name]) => name === 'failed').map(([, body]) => body.code), ['cancelled'])
  assert.ok(!sent.some(([name]) => name === 'end_stream'))
})
