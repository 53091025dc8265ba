// A host for tests: it calls operations, is the service that they ask, and keeps what they log. See testing.d.mts.

import { readFileSync } from 'node:fs'
import { Failure, Refused } from './failure.mjs'
import { FakeBlobs } from './fake_blobs.mjs'
import { FakeStore } from './fake_store.mjs'
import { requestOf } from './http.mjs'
import { Session } from './session.mjs'

const roomBytes = 262_144 // of a stream, that the plugin need not have taken
const partBytes = 65_536

export const cancel = Symbol('cancel')

export class FakeHost {
  requests = []
  logs = []
  progress = []
  sentParts = []
  spans = []
  spansEnded = []
  streamed = ''
  measured = []
  signed = []
  events = []
  store = new FakeStore()
  blobs = new FakeBlobs()
  #plugin
  #session
  #calls = new Map()
  #parts = new Map()
  #coming = new Map()
  #uploads = new Map()
  /** The service answers a body that is sent in parts at its first part, and takes no more. */
  answersEarly = false
  #lastCall = 0
  #began

  #saved

  constructor(plugin, configuration = {}, state = undefined) {
    this.#plugin = plugin
    this.#session = new Session(plugin, (name, body) => this.#take(name, JSON.parse(JSON.stringify(body))))
    let settle
    this.#began = new Promise((resolve, reject) => { settle = { resolve, reject } })
    this.#began.catch(() => {})
    this.#calls.set(0, settle)
    this.#session.take('begin', { plugin: 'test', version: '0.0.0', configuration, checks_health: true,
      ...(state && { saved_by: state.version, state_base64: Buffer.from(state.bytes).toString('base64') }) })
  }

  async call(operation, input = {}, { http = [], tenant = 'acme', connection = 'default', attempt = 1,
    idempotencyKey = 'acme/instance/task/1', timeoutMs = 30_000 } = {}) {
    return this.#begin('invoke', { operation, tenant, connection, attempt, input, idempotency_key: idempotencyKey,
      traceparent: '', timeout_ms: timeoutMs }, http)
  }

  async serve(method, path, { query = '', headers = {}, body = '', tenant = 'acme', principalName = 'test', role = 'owner',
    http = [], timeoutMs = 30_000, parts, breaks } = {}) {
    return this.#begin('serve', { method, path, query, tenant, principal: 'token:test', principal_name: principalName, role,
      headers: Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]), idempotency_key: 'serve/test',
      traceparent: '', body_base64: Buffer.from(body).toString('base64'), timeout_ms: timeoutMs }, http,
    { parts, breaks })
  }

  async #begin(frame, body, http, inParts) {
    await this.#began
    const number = ++this.#lastCall
    const given = typeof http === 'function' ? http : ((answers) => () => answers.shift())([...http])
    const done = new Promise((resolve, reject) => this.#calls.set(number, { resolve, reject, given, tenant: body.tenant,
      idempotencyKey: body.idempotency_key, emitted: 0, body: inParts }))
    this.#session.take(frame, JSON.parse(JSON.stringify({ call: number, ...body })))
    return done
  }

  async save() {
    await this.#began
    const saved = new Promise((resolve, reject) => { this.#saved = { resolve, reject } })
    this.#session.take('save', {})
    return saved
  }

  checkManifest(file) {
    const declared = new Set(JSON.parse(readFileSync(file, 'utf8')).operations.map((operation) => operation.name))
    for (const name of declared) {
      if (!this.#plugin.operations.has(name)) throw new Error(`the manifest has the operation '${name}', the program has not`)
    }
    for (const name of this.#plugin.operations.keys()) {
      if (!declared.has(name)) throw new Error(`the program has the operation '${name}', the manifest has not`)
    }
  }

  async end() {
    this.#session.take('end', {})
    await this.#session.over
  }

  #take(name, body) {
    switch (name) {
      case 'ready': return this.#calls.get(0).resolve()
      case 'refused': return this.#calls.get(0).reject(new Refused(body.message))
      case 'answer': return this.#calls.get(body.call).resolve(body.output)
      case 'respond': return this.#calls.get(body.call).resolve({ status: body.status,
        headers: Object.fromEntries((body.headers ?? []).map(([name, value]) => [name.toLowerCase(), value])),
        body: Buffer.from(body.body_base64 ?? '', 'base64') })
      case 'read_body': {
        const { parts = [], breaks } = this.#calls.get(body.call).body ?? {}
        this.#coming.set(body.stream, { request: {}, rest: Buffer.concat(parts.map((part) => Buffer.from(part))), breaks,
          room: roomBytes })
        return queueMicrotask(() => this.#goOn(body.stream))
      }
      case 'respond_in_parts': return void this.#parts.set(body.stream, { status: body.status,
        headers: Object.fromEntries(body.headers.map(([name, value]) => [name.toLowerCase(), value])), parts: [] })
      case 'write': {
        const part = Buffer.from(body.base64, 'base64')
        if (this.#uploads.has(body.stream)) return this.#takeUpload(body.stream, part)
        if (!this.#parts.has(body.stream)) return // of what was answered early
        this.sentParts.push(part)
        this.#parts.get(body.stream).parts.push(part)
        return queueMicrotask(() => this.#session.take('room', { stream: body.stream, bytes: part.length }))
      }
      case 'end_stream': {
        const upload = this.#uploads.get(body.stream)
        if (upload) return this.#endUpload(body.stream, upload)
        if (!this.#parts.has(body.stream)) return
        const answer = this.#parts.get(body.stream)
        return this.#calls.get(body.call).resolve({ ...answer, body: Buffer.concat(answer.parts) })
      }
      case 'failed': {
        const call = this.#calls.get(body.call)
        return call.reject(call.error ?? new Failure(body.message, { code: body.code, mayRetry: body.may_retry ?? false,
          retryAfter: (body.retry_after_ms ?? 0) / 1000, status: body.status ?? 0, detail: body.detail }))
      }
      case 'saved':
        if ('problem' in body) return this.#saved.reject(new Refused(body.problem))
        return this.#saved.resolve(Buffer.from(body.state_base64, 'base64'))
      case 'measure': return void this.measured.push([body.metric, body.name, body.value, body.labels])
      case 'begin_span': return void this.spans.push([body.name, body.parent, body.attributes])
      case 'end_span': return void this.spansEnded.push(body.span)
      case 'stream': return void (this.streamed += body.text)
      case 'progress': return void this.progress.push([body.fraction, body.text])
      case 'log': return void this.logs.push({ level: body.level, message: body.message })
      case 'http_request':
        if ('body_stream' in body) return void this.#uploads.set(body.body_stream, { frame: body, parts: [] })
        return this.#serve(body)
      case 'take': {
        const coming = this.#coming.get(body.stream)
        if (!coming) return
        coming.room += body.bytes
        if (coming.room > roomBytes) throw new Error('more was taken than came')
        return queueMicrotask(() => this.#goOn(body.stream))
      }
      case 'drop': {
        const coming = this.#coming.get(body.stream)
        if (coming) coming.request.dropped = true
        return void this.#coming.delete(body.stream)
      }
      case 'sign_request':
        this.signed.push({ secret: body.secret, signature: body.signature,
          data: Buffer.from(body.data_base64, 'base64').toString() })
        return queueMicrotask(() => this.#session.take('signed', { request: body.request,
          signature_base64: Buffer.from('signed').toString('base64') }))
      case 'emit_request': {
        const call = this.#calls.get(body.call)
        const id = `${call.idempotencyKey}/${++call.emitted}`
        this.events.push({ id, type: body.type, subject: body.subject, data: body.data })
        return queueMicrotask(() => this.#session.take('emitted', { request: body.request, id }))
      }
      case 'blob_request': {
        const [frame, members] = this.blobs.answer(this.#calls.get(body.call).tenant, body)
        return queueMicrotask(() => this.#session.take(frame, { request: body.request, ...members }))
      }
      case 'store_request': {
        const [frame, members] = this.store.answer(this.#calls.get(body.call).tenant, body)
        return queueMicrotask(() => this.#session.take(frame,
          JSON.parse(JSON.stringify({ request: body.request, ...members }))))
      }
    }
  }

  #takeUpload(stream, part) {
    const upload = this.#uploads.get(stream)
    upload.parts.push(part)
    if (!this.answersEarly) return queueMicrotask(() => this.#session.take('room', { stream, bytes: part.length }))
    queueMicrotask(() => this.#session.take('stream_ended', { stream, code: 'cancelled',
      message: 'the service has answered and takes no more of it' }))
    this.#endUpload(stream, upload)
  }

  #endUpload(stream, { frame, parts }) {
    this.#uploads.delete(stream)
    const whole = Buffer.concat(parts)
    const length = this.answersEarly ? whole.length : frame.body_length ?? whole.length
    if (whole.length !== length) throw new Error(`${whole.length} bytes were sent, and their length was given as ${length}`)
    this.#serve({ ...frame, body_base64: whole.toString('base64') })
  }

  #serve(body) {
    const bytes = Buffer.from(body.body_base64 ?? '', 'base64')
    const request = { method: body.method, path: body.path, connection: body.connection, timeoutMs: body.timeout_ms ?? 0,
      headers: Object.fromEntries(body.headers), body: bytes.toString(), ...(body.in_parts && { inParts: true }) }
    this.requests.push(request)
    const call = this.#calls.get(body.call)
    const which = { request: body.request }
    let answer
    try {
      answer = call.given(request)
    } catch (error) { // of the test's own function: seen where the test waits
      call.error = error
      answer = cancel
    }
    queueMicrotask(() => {
      if (answer === cancel) return this.#session.take('cancel', { call: body.call })
      answer ??= { code: 'unavailable',
        message: `the test gives no answer to ${request.method} ${request.path}: call(…, { http: [{ status: 200 }] })` }
      if ('code' in answer) return this.#session.take('http_error', { ...which, message: '', ...answer })
      const { status = 200, headers, body: text, json, parts, breaks } = answer
      const sent = requestOf('GET', '/', { connection: '', headers, body: text, json })
      if (request.inParts) {
        const whole = parts ? Buffer.concat(parts.map((part) => Buffer.from(part))) : Buffer.from(sent.body_base64 ?? '', 'base64')
        this.#coming.set(body.request, { request, rest: whole, breaks, room: roomBytes })
        this.#session.take('http_response', { ...which, status, headers: sent.headers })
        return this.#goOn(body.request)
      }
      this.#session.take('http_response', { ...which, status, headers: sent.headers, body_base64: sent.body_base64 ?? '' })
    })
  }

  #goOn(stream) {
    const coming = this.#coming.get(stream)
    while (coming && coming.rest.length > 0 && coming.room > 0) {
      const part = coming.rest.subarray(0, Math.min(partBytes, coming.room))
      coming.rest = coming.rest.subarray(part.length)
      coming.room -= part.length
      this.#session.take('part', { stream, base64: part.toString('base64') })
    }
    if (!coming || coming.rest.length > 0) return
    this.#coming.delete(stream)
    this.#session.take('stream_ended', { stream, ...coming.breaks })
  }
}
