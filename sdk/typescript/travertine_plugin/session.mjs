// The frames between a plugin's program and its host; docs/protocols/plugin-frames.md defines them.

import { blobsOf } from './blob.mjs'
import { Cancelled, codes, Failure, mayRetryCode, Refused } from './failure.mjs'
import { encodable, toJson } from './json_text.mjs'
import { requestOf, Response } from './http.mjs'
import { IncomingResponse } from './incoming.mjs'
import { storeOf } from './kv.mjs'
import { emit, sign } from './services.mjs'
import { Parts } from './parts.mjs'
import { partsOf, responseOf, WebRequest } from './web.mjs'

const outputBytesMax = 1_000_000
const detailBytesMax = 16_384
const logLengthMax = 1_000
const stateBytesMax = 1_000_000

export class Session {
  #plugin
  #send
  #calls = new Map()
  #requests = new Map()
  #streams = new Map()
  #incoming = new Map()
  #lastRequest = 0
  #configuration = {}
  #isOver
  over = new Promise((resolve) => { this.#isOver = resolve })

  /** `send` is given one frame's name and members. */
  constructor(plugin, send) {
    this.#plugin = plugin
    this.#send = send
  }

  /** One frame of the host's; those that are not known are for later versions. */
  take(name, body) {
    switch (name) {
      case 'begin': return void this.#begin(body)
      case 'invoke': return void this.#invoke(body)
      case 'serve': return void this.#serve(body)
      case 'cancel': return this.#calls.get(body.call)?.abort.abort(new Cancelled())
      case 'http_response':
      case 'store_answer':
      case 'blob_answer':
      case 'signed':
      case 'emitted': return this.#answered(body.request, (asked, read) => read(asked, body))
      case 'http_error':
      case 'request_failed': return this.#answered(body.request, (asked) => hostFailure(asked, body))
      case 'room': return this.#streams.get(body.stream)?.taken(body.bytes)
      case 'part': return this.#incoming.get(body.stream)?.response._add(body)
      case 'stream_ended': return this.#streamEnded(body)
      case 'save': return void this.#save()
      case 'ping': return this.#send('pong', { number: body.number })
      case 'end': return void this.#end()
    }
  }

  async #begin(body) {
    this.#configuration = body.configuration ?? {}
    const ready = { operations: [...this.#plugin.operations.keys()] }
    // There is no configuration to begin with.
    const { save, restore, check } = this.#plugin
    if (save && restore) ready.keeps_state = true
    if (body.trial) return this.#send('ready', ready)
    let doing = ''
    try {
      for (const run of this.#plugin.atBegin) await run(this.#configuration)
      if ('saved_by' in body && restore) {
        doing = `does not take the state that ${body.saved_by} saved: `
        await restore(body.saved_by, Buffer.from(body.state_base64, 'base64'))
      }
      if (body.checks_health && check) {
        doing = 'is not well: '
        await check()
      }
      this.#send('ready', ready)
    } catch (error) {
      const isMeant = error instanceof Refused
      if (!isMeant) this.#logError(error)
      const said = doing ? `plugin '${body.plugin}' ${body.version} ${doing}${error.message}` : error.message
      this.#send('refused', { message: encodable(isMeant ? said : `${oneLine(error)}, while it began`, 4_000) })
      this.#isOver()
    }
  }

  #measure(metric, name, value, labels) {
    if (!Number.isFinite(value)) throw new TypeError(`${metric} '${name}': ${value} is not a number`)
    const texts = Object.entries(labels).map(([label, text]) => [label, encodable(String(text), 64)])
    if (texts.length > 4) throw new TypeError(`${metric} '${name}' has ${texts.length} labels; at most 4 are taken`)
    this.#send('measure', { metric, name: encodable(String(name), 64), value, labels: Object.fromEntries(texts) })
  }

  #span(call, ids, parent, name, attributes) {
    const span = ++ids.last
    const texts = Object.entries(attributes).map(([key, value]) => [encodable(String(key), 64), encodable(String(value), 256)])
    this.#send('begin_span', { call, span, parent, name: encodable(String(name), 64), attributes: Object.fromEntries(texts) })
    let isOpen = true
    return {
      span: (part, more = {}) => this.#span(call, ids, span, part, more),
      end: () => {
        if (isOpen) this.#send('end_span', { call, span })
        isOpen = false
      }
    }
  }

  async #save() {
    try {
      if (!this.#plugin.save) throw new Refused('it has no onSave')
      const state = Buffer.from(await this.#plugin.save())
      if (state.length > stateBytesMax) {
        throw new Refused(`it has ${state.length} bytes, at most ${stateBytesMax} are handed over`)
      }
      this.#send('saved', { state_base64: state.toString('base64') })
    } catch (error) {
      const isMeant = error instanceof Refused
      if (!isMeant) this.#logError(error)
      this.#send('saved', { problem: encodable(isMeant ? error.message : oneLine(error), 4_000) || 'it does not say why' })
    }
  }

  async #end() {
    for (const run of this.#plugin.atEnd) {
      try {
        await run()
      } catch (error) {
        this.#logError(error)
      }
    }
    this.#isOver()
  }

  #invoke(body) {
    return this.#answer(body, async (signal) => this.#send('answer', { call: body.call, output: await this.#run(body, signal) }))
  }

  #serve(body) {
    return this.#answer(body, async (signal) => {
      if (!this.#plugin.serves) throw new Failure('the program serves nothing', { code: 'not_found' })
      const answer = await this.#race(body, signal, this.#plugin.serves)
      const parts = partsOf(answer)
      if (parts) return this.#sendParts(body, signal, answer, parts)
      this.#send('respond', { call: body.call, ...responseOf(answer) })
    })
  }

  async #sendParts(body, signal, { status, headers, ...rest }, given) {
    delete rest.parts
    if (Object.keys(rest).length > 0) throw new Failure(`a response with parts has no ${Object.keys(rest).join(' and no ')}`)
    const head = responseOf({ status, headers })
    const parts = new Parts(body.call, ++this.#lastRequest, this.#send, signal)
    this.#streams.set(parts.stream, parts)
    const write = async () => {
      for await (const part of given) await parts.write(part)
    }
    try {
      parts.begin({ status: head.status, headers: head.headers })
      await this.#race(body, signal, write)
      parts.end()
    } finally {
      this.#streams.delete(parts.stream)
    }
  }

  async #answer(body, work) {
    const abort = new AbortController()
    this.#calls.set(body.call, { abort })
    try {
      await work(abort.signal)
    } catch (error) {
      this.#fail(body.call, this.#failureOf(error, body.call, abort.signal))
    } finally {
      this.#calls.delete(body.call)
    }
  }

  /** What `run` gives; one that does not look at its signal is not waited for. */
  #race(body, signal, run) {
    const cancelled = new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    cancelled.catch(() => {})
    return Promise.race([Promise.resolve(this.#callOf(body, signal)).then(run), cancelled])
  }

  async #run(body, signal) {
    const run = this.#plugin.operations.get(body.operation)
    if (!run) {
      const has = [...this.#plugin.operations.keys()].sort().join(', ') || 'none'
      throw new Failure(`the program has no operation '${body.operation}'; it has: ${has}`, { code: 'not_found' })
    }
    const output = await this.#race(body, signal, run)
    let written
    try {
      written = toJson(output, 'output')
    } catch (error) {
      throw new Failure(`operation '${body.operation}' returned what is not JSON: ${error.message}`)
    }
    const size = Buffer.byteLength(JSON.stringify(written))
    if (size > outputBytesMax) {
      throw new Failure(`operation '${body.operation}' returned ${size} bytes of JSON; at most ${outputBytesMax} are taken`,
        { code: 'too_large' })
    }
    return written
  }

  #callOf(body, signal) {
    const ask = (...request) => this.#ask(body.call, signal, ...request)
    const spanIds = { last: 0 }
    const log = (level) => (message) => this.#log(level, message, body.call)
    return {
      input: body.input,
      request: 'path' in body ? new WebRequest(body) : undefined,
      configuration: this.#configuration,
      operation: body.operation ?? '',
      tenant: body.tenant,
      connection: body.connection ?? '',
      idempotencyKey: body.idempotency_key,
      traceparent: body.traceparent,
      attempt: body.attempt ?? 1,
      timeoutMs: body.timeout_ms,
      signal,
      log: { debug: log('debug'), info: log('info'), warning: log('warning'), error: log('error') },
      http: async (method, path, options = {}) => this.#upload(body.call, signal, options.parts,
        requestOf(method, path, { connection: body.connection ?? '', ...options }), (request) =>
          ask('http_request', request, `${method} ${path}`, (asked, frame) => new Response(asked, frame))),
      httpInParts: async (method, path, options = {}) => this.#upload(body.call, signal, options.parts,
        requestOf(method, path, { connection: body.connection ?? '', ...options }), (request) =>
          this.#askInParts(body.call, signal, request, `${method} ${path}`)),
      readBody: () => this.#readBody(body, signal),
      kv: storeOf(ask),
      blobs: blobsOf(ask, { last: 0 }),
      count: (name, by = 1, labels = {}) => this.#measure('counter', name, by, labels),
      gauge: (name, value, labels = {}) => this.#measure('gauge', name, value, labels),
      observe: (name, value, labels = {}) => this.#measure('histogram', name, value, labels),
      stream: (text) => this.#send('stream', { call: body.call, text: encodable(text, 16384) }),
      progress: (fraction, text = '') => this.#send('progress', { call: body.call, fraction, text: encodable(text, 64) }),
      span: (name, attributes = {}) => this.#span(body.call, spanIds, 0, name, attributes),
      sign: (...request) => sign(ask, ...request),
      emit: (...request) => emit(ask, ...request)
    }
  }

  /** `ask` sends the request; `given`, where it is there, is its body. */
  async #upload(call, signal, given, request, ask) {
    if (given === undefined) return ask(request)
    signal.throwIfAborted()
    const parts = new Parts(call, ++this.#lastRequest, this.#send, signal, 'request')
    this.#streams.set(parts.stream, parts)
    const answer = ask({ ...request, body_stream: parts.stream })
    answer.catch(() => {})
    try {
      for await (const part of given) await parts.write(part)
      parts.end()
    } catch (error) {
      // Its answer says why the service takes no more.
      if (error !== parts.failure) throw error
    } finally {
      this.#streams.delete(parts.stream)
    }
    return answer
  }

  async * #readBody(body, signal) {
    signal.throwIfAborted()
    const number = ++this.#lastRequest
    const asked = 'the body of the request'
    const response = new IncomingResponse(asked, body.call, number, this.#send, signal, () => this.#incoming.delete(number))
    this.#incoming.set(number, { asked, response })
    this.#send('read_body', { call: body.call, stream: number })
    const whole = Buffer.from(body.body_base64 ?? body.body ?? '', 'body_base64' in body ? 'base64' : 'utf8')
    if (whole.length > 0) yield whole
    yield * response
  }

  async #askInParts(call, signal, request, asked) {
    const number = this.#lastRequest + 1
    const response = new IncomingResponse(asked, call, number, this.#send, signal,
      () => this.#incoming.delete(number))
    this.#incoming.set(number, { asked, response })
    try {
      return await this.#ask(call, signal, 'http_request', { ...request, in_parts: true }, asked,
        (_, frame) => response._begin(frame))
    } catch (error) {
      this.#incoming.delete(number)
      throw error
    }
  }

  #streamEnded(body) {
    const incoming = this.#incoming.get(body.stream)
    if (!incoming) return this.#streams.get(body.stream)?.broke(hostFailure('the answer in parts', body))
    this.#incoming.delete(body.stream)
    incoming.response._end('code' in body ? hostFailure(incoming.asked, body) : undefined)
  }

  async #ask(call, signal, frame, request, asked, read) {
    signal.throwIfAborted()
    const number = ++this.#lastRequest
    return new Promise((resolve, reject) => {
      this.#requests.set(number, { asked, read, resolve, reject })
      signal.addEventListener('abort', () => {
        this.#requests.delete(number)
        reject(signal.reason)
      }, { once: true })
      this.#send(frame, { call, request: number, ...request })
    })
  }

  #answered(number, make) {
    const request = this.#requests.get(number)
    if (!request) return
    this.#requests.delete(number)
    const made = make(request.asked, request.read)
    made instanceof Failure ? request.reject(made) : request.resolve(made)
  }

  #failureOf(error, call, signal) {
    if (signal.aborted) return new Cancelled()
    if (error instanceof Failure) return error
    this.#logError(error, call)
    return new Failure(oneLine(error))
  }

  #fail(call, failure) {
    const body = { call, code: failure.code, message: encodable(failure.message, logLengthMax) }
    if (failure.mayRetry) body.may_retry = true
    if (failure.retryAfter) body.retry_after_ms = Math.trunc(failure.retryAfter * 1000)
    if (failure.status) body.status = failure.status
    if (failure.detail !== undefined) {
      try {
        body.detail = toJson(failure.detail, 'detail')
        if (Buffer.byteLength(JSON.stringify(body.detail)) > detailBytesMax) throw new TypeError('detail is too large')
        if (typeof body.detail !== 'object' || Array.isArray(body.detail)) throw new TypeError('detail is not an object')
      } catch (error) {
        delete body.detail
        this.#log('warning', `the detail of a failure is dropped: ${error.message}`, call)
      }
    }
    this.#send('failed', body)
  }

  #logError(error, call) {
    this.#log('error', error instanceof Error ? error.stack ?? oneLine(error) : oneLine(error), call)
  }

  #log(level, message, call) {
    for (const line of String(message).split(/\r?\n/)) {
      this.#send('log', { level, message: encodable(line, logLengthMax), ...(call ? { call } : {}) })
    }
  }
}

function hostFailure(asked, body) {
  const code = codes.includes(body.code) ? body.code : 'internal'
  return new Failure(`${asked}: ${body.message}`, { code, mayRetry: mayRetryCode(code) })
}

function oneLine(error) {
  if (!(error instanceof Error)) {
    return `the operation threw ${typeof error === 'string' ? `'${error}'` : `a ${typeof error}`}, which is not an Error`
  }
  return `${error.name}: ${error.message}`.split('\n')[0]
}
