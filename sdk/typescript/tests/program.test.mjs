// The program as its host starts it: lines of JSON over file 3, in a process.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('plugin_under_test.mjs', import.meta.url))

function start(configuration = {}, more = {}) {
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] })
  const frames = createInterface({ input: child.stdio[3] })[Symbol.asyncIterator]()
  const say = (name, body) => child.stdio[3].write(JSON.stringify({ [name]: body }) + '\n')
  const hear = async () => JSON.parse((await frames.next()).value)
  const invoke = (call, operation, input) => say('invoke', { call, operation, input, attempt: 1, connection: '', timeout_ms: 0 })
  say('begin', { plugin: 'p', version: '1.0.0', configuration, ...more })
  return { child, say, hear, invoke, ended: once(child, 'exit') }
}

test('a trial shows the operations without a configuration', async () => {
  const { say, hear, ended } = start({ refuse: true }, { trial: true })
  assert.ok((await hear()).ready.operations.includes('echo'))
  say('end', {})
  await ended
})

test('from begin to end', async () => {
  const { say, hear, invoke, ended } = start()
  const { operations } = (await hear()).ready
  assert.deepEqual(operations.slice(0, 3), ['echo', 'describe', 'count'])
  invoke(7, 'log')
  assert.deepEqual(await hear(), { log: { level: 'warning', message: 'first', call: 7 } })
  assert.deepEqual(await hear(), { log: { level: 'warning', message: 'second', call: 7 } })
  assert.deepEqual(await hear(), { answer: { call: 7, output: null } })
  const large = 'å'.repeat(400_000)
  invoke(8, 'echo', large)
  assert.deepEqual(await hear(), { answer: { call: 8, output: large } })
  invoke(9, 'wait')
  say('ping', { number: 4 })
  assert.deepEqual(await hear(), { pong: { number: 4 } })
  say('cancel', { call: 9 })
  assert.deepEqual(await hear(), { failed: { call: 9, code: 'cancelled', message: 'the call was cancelled' } })
  say('later', {})
  say('end', {})
  assert.deepEqual(await ended, [0, null])
})

test('a refusal says why and ends the program', async () => {
  const { hear, ended } = start({ refuse: true })
  assert.deepEqual(await hear(), { refused: { message: "the word 'refuse' is configured" } })
  assert.deepEqual(await ended, [0, null])
})

test('a host that has gone ends the program', async () => {
  const { child, hear, invoke, ended } = start()
  await hear()
  invoke(1, 'wait')
  child.stdio[3].destroy()
  await ended
})

test('from a shell it runs one operation', () => {
  const run = (...words) => spawnSync(process.execPath, [program, ...words], { encoding: 'utf8' })
  assert.equal(run('echo', '{"a":"å"}').stdout, '{\n  "a": "å"\n}\n')
  const defect = run('defect')
  assert.equal(defect.status, 1)
  assert.match(defect.stderr, /plugin_under_test[^]*Failed with internal: TypeError: /)
  assert.match(run().stderr, /OPERATION 'INPUT AS JSON'/)
  assert.equal(run('ecko').status, 2)
  assert.match(run('echo', '{').stderr, /^The input is not JSON: /)
})
