// HTTP that a plugin serves: what a function is given, and what becomes of what it returns.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure, Plugin } from '../travertine_plugin/index.mjs'
import { FakeHost } from '../travertine_plugin/testing.mjs'

const given = { '/none': undefined, '/text': 'å', '/bytes': { body: Buffer.from([255]) }, '/json': { json: [] },
  '/typed': { headers: { 'Content-Type': 'text/html' }, body: '<p>' }, '/large': 'x'.repeat(1_000_001), '/odd': { due: 1 },
  '/null': null, '/number': { body: 7 }, '/status': { status: 2.5 }, '/half': { json: '\ud800' } }

const plugin = new Plugin().serve(async (call) => {
  const { request } = call
  if (request.path === '/who') {
    return { json: [request.method, request.rawPath, request.query, request.parameters.get('b'), request.header('Accept'),
      request.principal, request.principalName, request.role, call.tenant] }
  }
  if (request.path === '/kept') {
    await call.kv.put('last', request.json())
    return { status: 201, headers: { ETag: '"1"' }, body: 'kept' }
  }
  if (request.path === '/fetched') return (await call.http('GET', '/x')).text
  if (request.path === '/never') return new Promise(() => {})
  if (!(request.path in given)) throw new Failure('there is no such thing', { code: 'not_found' })
  return given[request.path]
})

test('a request arrives whole', async () => {
  const answer = await new FakeHost(plugin).serve('GET', '/wh%6F', { query: 'a=1&b=%20', headers: { Accept: 'x' },
    role: 'viewer', principalName: 'Ada', tenant: 'initech' })
  assert.deepEqual(JSON.parse(answer.body),
    ['GET', '/wh%6F', 'a=1&b=%20', ' ', 'x', 'token:test', 'Ada', 'viewer', 'initech'])
  assert.deepEqual([answer.status, answer.headers], [200, { 'content-type': 'application/json' }])
})

test('what is returned is the response', async () => {
  const host = new FakeHost(plugin)
  for (const [path, status, kind, body] of [['/none', 204, undefined, ''], ['/text', 200, 'text/plain; charset=utf-8', 'å'],
    ['/json', 200, 'application/json', '[]'], ['/typed', 200, 'text/html', '<p>']]) {
    const answer = await host.serve('GET', path)
    assert.deepEqual([answer.status, answer.headers['content-type'], answer.body.toString()], [status, kind, body], path)
  }
  assert.deepEqual([...(await host.serve('GET', '/bytes')).body], [255])
})

test('what cannot be sent fails and says why', async () => {
  const host = new FakeHost(plugin)
  for (const [path, code, says] of [['/large', 'internal', /1000001 bytes; at most 1000000/], ['/odd', 'internal', /one with due/],
    ['/null', 'internal', /not null/], ['/number', 'internal', /is a number/], ['/status', 'internal', /status of the response is 2.5/],
    ['/half', 'internal', /half a character/], ['/x', 'not_found', /no such thing/]]) {
    await assert.rejects(host.serve('GET', path), (error) => error.code === code && says.test(error.message), path)
  }
})

test('a request may ask the host as an operation does', async () => {
  const host = new FakeHost(plugin)
  const answer = await host.serve('PUT', '/kept', { body: '{"n":1}' })
  assert.deepEqual([answer.status, answer.headers.etag, answer.body.toString()], [201, '"1"', 'kept'])
  assert.deepEqual(host.store.values(), { last: { n: 1 } })
  assert.equal((await host.serve('GET', '/fetched', { http: [{ body: 'there' }] })).body.toString(), 'there')
  await assert.rejects(host.serve('PUT', '/kept', { body: '{' }), { code: 'invalid' })
})

test('a plugin that serves nothing says so, and one function serves', async () => {
  await assert.rejects(new FakeHost(new Plugin()).serve('GET', '/'), { code: 'not_found' })
  assert.throws(() => plugin.serve(() => ''), /declared twice/)
})
