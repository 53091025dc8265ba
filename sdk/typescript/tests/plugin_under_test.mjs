// A plugin whose operations do what authors do, right and wrong.

import { Failure, Plugin, Refused } from '../travertine_plugin/index.mjs'

const nested = () => {
  const many = []
  many.push(many)
  return many
}
const outputs = { map: () => ({ due: [1, new Map()] }), nan: () => [NaN], big: () => 1n, half: () => ({ text: '\ud800' }),
  large: () => 'x'.repeat(1_000_000), itself: nested, function: () => () => 1 }

export const plugin = new Plugin()
  .onBegin((configuration) => {
    if ('refuse' in configuration) throw new Refused("the word 'refuse' is configured")
    if ('defect' in configuration) configuration.a.b()
  })
  .operation('echo', (call) => call.input)
  .operation('describe', async (call) => [call.operation, call.tenant, call.idempotencyKey, call.attempt, call.configuration])
  .operation('count', async (call) => {
    const before = await call.kv.get('count')
    const number = (before?.value ?? 0) + 1
    await call.kv.put('count', number, { expected: before?.revision ?? 0 })
    return number
  })
  .operation('pages', async (call) => {
    const keys = []
    for (let hasMore = true; hasMore;) {
      const page = await call.kv.list('item/', { after: keys.at(-1) ?? '', countMax: 2 })
      keys.push(...page.entries.map((entry) => entry.key))
      hasMore = page.hasMore
    }
    await call.kv.erase('item/1')
    return keys
  })
  .operation('sign', async (call) => String(await call.sign('vault', call.input, { signature: 'ed25519' })))
  .operation('tell', async (call) => [await call.emit('com.sample.reported', call.input, { subject: 'first' }),
    await call.emit('com.sample.reported')])
  .operation('misuse-store', (call) => call.input === 'key' ? call.kv.get('a\nb') : call.kv.put('a', 'x'.repeat(65_536)))
  .operation('nothing', () => {})
  .operation('date', () => ({ at: new Date(0), gone: undefined }))
  .operation('fail', () => {
    throw new Failure('slow down', { code: 'exhausted', mayRetry: true, retryAfter: 1.5, status: 429, detail: { at: 7 } })
  })
  .operation('defect', (call) => call.input.missing.member)
  .operation('throw', () => { throw 'text' })
  .operation('return', (call) => outputs[call.input]())
  .operation('log', (call) => {
    console.log('printed')
    call.log.warning('first\nsecond')
  })
  .operation('fetch', async (call) => {
    const answer = await call.http('GET', call.input.path, { connection: 'api', headers: { 'X-A': '1' }, timeoutMs: 2500 })
    return { status: answer.throwForStatus().status, type: answer.header('content-TYPE'), json: answer.json() }
  })
  .operation('post', async (call) => {
    const both = await Promise.all([call.http('POST', '/a', { json: { n: 1 } }), call.http('PUT', '/b', { body: 'b' })])
    return both.map((answer) => answer.text)
  })
  .operation('misuse', (call) => call.http('GET', 'no-slash'))
  .operation('wait', () => new Promise((resolve) => setTimeout(resolve, 600_000).unref()))

if (process.argv[1]?.endsWith('plugin_under_test.mjs')) plugin.run()
