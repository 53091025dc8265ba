// What authors rely on, in a FakeHost: outcomes of calls, requests, logs.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure, Plugin, Refused } from '../travertine_plugin/index.mjs'
import { cancel, FakeHost } from '../travertine_plugin/testing.mjs'
import { plugin } from './plugin_under_test.mjs'

const host = () => new FakeHost(plugin, { url: 'x' })
const failure = async (...call) => {
  const caught = await host().call(...call).then(() => assert.fail('it did not fail'), (error) => error)
  assert.ok(caught instanceof Failure, caught)
  return caught
}

test('how far a call is can be said', async () => {
  const one = new FakeHost(new Plugin().operation('copy', (call) => {
    call.progress(0.5, 'half')
    call.stream('word by ')
    call.stream('word')
    call.progress(undefined, 'on')
    call.count('pages', 2, { kind: 'x' })
    call.observe('seconds', NaN)
  }))
  await assert.rejects(one.call('copy'), { message: "TypeError: histogram 'seconds': NaN is not a number" })
  assert.deepEqual(one.measured, [['counter', 'pages', 2, { kind: 'x' }]])
  assert.equal(one.streamed, 'word by word')
  assert.deepEqual(one.progress, [[0.5, 'half'], [undefined, 'on']])
})

test('parts of a call have names and end', async () => {
  const one = new FakeHost(new Plugin().operation('copy', (call) => {
    const copying = call.span('copy', { pages: 2 })
    const reading = copying.span('å'.repeat(300))
    reading.end()
    reading.end()
    copying.end()
  }))
  await one.call('copy')
  assert.deepEqual(one.spans[0], ['copy', 0, { pages: '2' }])
  assert.equal(one.spans[1][1], 1)
  assert.ok(Buffer.byteLength(one.spans[1][0]) <= 300)
  assert.deepEqual(one.spansEnded, [2, 1])
})

test('what the plugin keeps in memory is handed over, or why not', async () => {
  const counter = () => {
    let count = 0
    return new Plugin().operation('count', () => ++count)
      .onSave(() => count > 2 ? Promise.reject(new Refused('too many')) : String(count))
      .onRestore((version, state) => {
        if (version === '9.0.0') throw new Refused('it is from the future')
        count = Number(state)
      })
      .onCheck(() => { if (count === 13) throw new Refused('it is unlucky') })
  }
  const old = new FakeHost(counter())
  await old.call('count')
  const bytes = await old.save()
  assert.equal(await new FakeHost(counter(), {}, { version: '1.0.0', bytes }).call('count'), 2)
  const refused = (version, text) => new FakeHost(counter(), {}, { version, bytes: text }).call('count')
  await assert.rejects(refused('9.0.0', '1'), { message: "plugin 'test' 0.0.0 does not take the state that 9.0.0 saved: it is from the future" })
  await assert.rejects(refused('1.0.0', '13'), { message: "plugin 'test' 0.0.0 is not well: it is unlucky" })
  await old.call('count')
  await old.call('count')
  await assert.rejects(old.save(), { message: 'too many' })
  await assert.rejects(new FakeHost(new Plugin()).save(), { message: 'it has no onSave' })
})

test('what an operation returns is the output', async () => {
  for (const value of [{ title: 'å\n', n: [1, 2.5, null, true] }, 'text', 0, []]) {
    assert.deepEqual(await host().call('echo', value), value)
  }
  assert.equal(await host().call('nothing'), null)
  assert.deepEqual(await host().call('date'), { at: '1970-01-01T00:00:00.000Z' })
  assert.deepEqual(await host().call('describe', {}, { tenant: 'initech', idempotencyKey: 'k', attempt: 2 }),
    ['describe', 'initech', 'k', 2, { url: 'x' }])
})

test('a failure arrives with all that it says', async () => {
  const { message, code, mayRetry, retryAfter, status, detail } = await failure('fail')
  assert.deepEqual([message, code, mayRetry, retryAfter, status, detail], ['slow down', 'exhausted', true, 1.5, 429, { at: 7 }])
})

test('an exception is a failure with its type, and its stack is in the log', async () => {
  const one = host()
  await assert.rejects(one.call('defect'), { code: 'internal', message: /^TypeError: Cannot read prop/ })
  assert.match(one.logs[1].message, /plugin_under_test/)
  assert.equal((await failure('throw')).message, "the operation threw 'text', which is not an Error")
  assert.match((await failure('ecko')).message, /^the program has no operation 'ecko'; it has: count, date, /)
})

test('an output that is not JSON says which operation and where', async () => {
  for (const [what, says] of Object.entries({ map: 'output.due[1] is a Map, which JSON does not have',
    nan: 'output[0] is NaN, which JSON does not have', big: 'output is a bigint, which JSON does not have',
    half: 'output.text has half a character, which UTF-8 cannot write',
    function: 'output is a function, which JSON does not have' })) {
    assert.equal((await failure('return', what)).message, `operation 'return' returned what is not JSON: ${says}`)
  }
  assert.match((await failure('return', 'itself')).message, /nested more than 256 levels deep$/)
  assert.equal((await failure('return', 'large')).code, 'too_large')
})

test('a call finds what an earlier call kept', async () => {
  const one = host()
  assert.deepEqual([await one.call('count'), await one.call('count')], [1, 2])
  assert.equal(await one.call('count', {}, { tenant: 'initech' }), 1)
  assert.deepEqual(one.store.values(), { count: 2 })
  one.store.failWith('exhausted', 'the store is full')
  await assert.rejects(one.call('count'), { code: 'exhausted', message: "the store's get 'count': the store is full" })
})

test('keys are listed page by page', async () => {
  const one = host()
  for (const key of ['item/3', 'item/1', 'other', 'item/2']) one.store.put(key, null)
  assert.deepEqual(await one.call('pages'), ['item/1', 'item/2', 'item/3'])
  assert.deepEqual(Object.keys(one.store.values()).sort(), ['item/2', 'item/3', 'other'])
})

test('a call has bytes signed and emits events', async () => {
  const one = host()
  assert.equal(await one.call('sign', 'text'), 'signed')
  assert.deepEqual(one.signed, [{ secret: 'vault', signature: 'ed25519', data: 'text' }])
  const ids = ['acme/instance/task/1/1', 'acme/instance/task/1/2']
  assert.deepEqual([await one.call('tell', [1]), await one.call('tell', [1])], [ids, ids])
  assert.deepEqual(one.events[0], { id: ids[0], type: 'com.sample.reported', subject: 'first', data: [1] })
})

test('what cannot be kept is named', async () => {
  assert.match((await failure('misuse-store', 'key')).message, /^RangeError: kv: key is "a\\nb"; it has at most 256 bytes/)
  assert.match((await failure('misuse-store', 'large')).message, /the value of 'a' has 65538 bytes of JSON/)
})

test('requests are answered by the test', async () => {
  const one = host()
  assert.deepEqual(await one.call('fetch', { path: '/x?y' }, { http: [{ json: { a: 1 } }] }),
    { status: 200, type: 'application/json', json: { a: 1 } })
  assert.deepEqual(one.requests, [{ method: 'GET', path: '/x?y', connection: 'api', headers: { 'X-A': '1' }, body: '',
    timeoutMs: 2500 }])
  assert.deepEqual(await one.call('post', {}, { connection: 'tracker', http: (request) => ({ body: request.path }) }),
    ['/a', '/b'])
  assert.deepEqual([one.requests[1].body, one.requests[1].connection], ['{"n":1}', 'tracker'])
})

test('a status is a failure that may be retried where that is safe', async () => {
  const date = 'Sun, 06 Nov 1994 08:49:37 GMT'
  for (const [status, headers, code, mayRetry, retryAfter] of [[404, {}, 'not_found', false, 0],
    [429, { 'Retry-After': '7' }, 'exhausted', true, 7],
    [503, { 'Retry-After': 'Sun, 06 Nov 1994 08:49:47 GMT', Date: date }, 'unavailable', true, 10]]) {
    const failed = await failure('fetch', { path: '/x' }, { http: [{ status, headers }] })
    assert.deepEqual([failed.code, failed.mayRetry, failed.retryAfter, failed.message],
      [code, mayRetry, retryAfter, `GET /x was answered with ${status}`])
  }
})

test('what comes instead of an answer says what was asked', async () => {
  const denied = await failure('fetch', { path: '/x' }, { http: [{ code: 'denied', message: 'no' }] })
  assert.deepEqual([denied.code, denied.message], ['denied', 'GET /x: no'])
  assert.match((await failure('fetch', { path: '/x' })).message, /the test gives no answer to GET \/x/)
  assert.match((await failure('fetch', { path: '/x' }, { http: [{ body: '<' }] })).message, /^GET \/x was .* not JSON: /)
  assert.match((await failure('misuse')).message, /^RangeError: http: the path is 'no-slash'; it begins with/)
  assert.equal((await failure('fetch', { path: '/x' }, { http: [cancel] })).code, 'cancelled')
  await assert.rejects(host().call('fetch', { path: '/x' }, { http: () => { throw new RangeError('own') } }), RangeError)
})

test('a configuration can be refused', async () => {
  await assert.rejects(new FakeHost(plugin, { refuse: 1 }).call('echo'), { message: "the word 'refuse' is configured" })
  await assert.rejects(new FakeHost(plugin, { defect: 1 }).call('echo'), { message: /^TypeError: .*, while it began$/ })
  assert.throws(() => new Plugin().operation('a'), /write plugin\.operation/)
  assert.throws(() => new Plugin().operation('a', () => 1).operation('a', () => 1), /declared twice/)
})
