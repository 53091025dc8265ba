// Travertine plugins in JavaScript and TypeScript: operations are functions, and the host does the rest. Types and
// what each thing promises are in index.d.mts. Node 18 and later, nothing else.

import { fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { Session } from './session.mjs'

export { Cancelled, Failure, Refused } from './failure.mjs'

const hostFile = 3

export class Plugin {
  operations = new Map()
  serves = undefined
  atBegin = []
  atEnd = []
  save
  restore
  check

  operation(name, run) {
    if (typeof name !== 'string' || typeof run !== 'function') {
      throw new TypeError("write plugin.operation('name', async (call) => …), with the name that the manifest has")
    }
    if (this.operations.has(name)) throw new Error(`operation '${name}' is declared twice`)
    this.operations.set(name, run)
    return this
  }

  serve(run) {
    if (typeof run !== 'function') throw new TypeError('write plugin.serve(async (call) => …)')
    if (this.serves) throw new Error('what serves is declared twice')
    this.serves = run
    return this
  }

  onBegin(run) {
    this.atBegin.push(run)
    return this
  }

  onEnd(run) {
    this.atEnd.push(run)
    return this
  }

  onSave(run) {
    this.save = run
    return this
  }

  onRestore(run) {
    this.restore = run
    return this
  }

  onCheck(run) {
    this.check = run
    return this
  }

  run() {
    const words = process.argv.slice(2)
    if (words.length === 0 && hasHost()) return serve(this)
    import('./trial.mjs').then(({ main }) => main(this, words)).then((code) => { process.exitCode = code })
  }
}

function hasHost() {
  try {
    return fstatSync(hostFile).isSocket()
  } catch {
    return false
  }
}

function serve(plugin) {
  const socket = new Socket({ fd: hostFile })
  const session = new Session(plugin, (name, body) => socket.write(JSON.stringify({ [name]: body }) + '\n'))
  session.over.then(() => socket.end(() => process.exit(0)))
  const lines = createInterface({ input: socket, crlfDelay: Infinity })
  lines.on('line', (line) => {
    const [[name, body]] = Object.entries(JSON.parse(line))
    session.take(name, body)
  })
  lines.on('close', () => process.exit(0))
  socket.on('error', () => process.exit(1))
}
