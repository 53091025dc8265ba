// npm test: in the tests you are the service.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plugin } from './program/main.mjs'
import { FakeHost } from './program/travertine_plugin/testing.mjs'

test('the manifest has the operations of the program', () => {
  new FakeHost(plugin).checkManifest(new URL('manifest.json', import.meta.url))
})

test('echo gives the text back', async () => {
  assert.deepEqual(await new FakeHost(plugin).call('echo', { text: 'hello' }), { text: 'hello' })
})

test('fetch reads a page', async () => {
  const host = new FakeHost(plugin)
  assert.deepEqual(await host.call('fetch', { page: 'a/b' }, { http: [{ body: 'text' }] }), { content: 'text' })
  assert.equal(host.requests[0]?.path, '/a%2Fb')
})

test('a service that is busy is asked again later', async () => {
  const http = [{ status: 503, headers: { 'Retry-After': '7' } }]
  await assert.rejects(new FakeHost(plugin).call('fetch', { page: 'x' }, { http }), { mayRetry: true, retryAfter: 7 })
})
