// Requests of operations, and their answers.

import { Failure, failureOfStatus } from './failure.mjs'
import { toJson } from './json_text.mjs'

const bodyBytesMax = 1_000_000

export class Response {
  #asked

  constructor(asked, frame) {
    this.#asked = asked
    this.status = frame.status
    this.headers = frame.headers ?? []
    this.body = 'body_base64' in frame ? Buffer.from(frame.body_base64, 'base64') : Buffer.from(frame.body ?? '')
  }

  get ok() {
    return this.status >= 200 && this.status <= 299
  }

  header(name) {
    return this.headers.find(([known]) => known.toLowerCase() === name.toLowerCase())?.[1]
  }

  get text() {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.body)
    } catch {
      throw new Failure(`${this.#asked} was answered with ${this.status} and what is not text`,
        { code: 'invalid', status: this.status })
    }
  }

  json() {
    const text = this.text
    try {
      return JSON.parse(text)
    } catch (error) {
      throw new Failure(`${this.#asked} was answered with ${this.status} and what is not JSON: ${error.message}`,
        { code: 'invalid', status: this.status })
    }
  }

  throwForStatus(message = `${this.#asked} was answered with ${this.status}`) {
    if (!this.ok) throw failureOfStatus(this, message)
    return this
  }
}

/** The members of a frame `http_request`. Throws TypeError or RangeError for what cannot be sent. */
export function requestOf(method, path, { connection, headers = {}, body, json, parts, length, timeoutMs }) {
  for (const [name, value] of Object.entries({ method, path, connection })) {
    if (typeof value !== 'string') throw new TypeError(`http: ${name} is ${value}, which is not a string`)
    toJson(value, name)
  }
  if (!path.startsWith('/')) {
    throw new RangeError(`http: the path is '${path}'; it begins with '/', as the connection has the rest of the address`)
  }
  if ([body, json, parts].filter((one) => one !== undefined).length > 1) {
    throw new TypeError('http: give body, json or parts, and one alone')
  }
  if (length !== undefined && (parts === undefined || !Number.isSafeInteger(length) || length < 0)) {
    throw new TypeError(`http: length is ${length}; it is the number of bytes of all parts, and given with parts`)
  }
  const pairs = Array.isArray(headers) ? [...headers] : Object.entries(headers)
  for (const pair of pairs) {
    if (pair.length !== 2 || pair.some((part) => typeof part !== 'string')) {
      throw new TypeError(`http: the header ${pair} is not a pair of strings`)
    }
    toJson(pair, 'headers')
  }
  const request = { method, path, connection, headers: pairs }
  if (json !== undefined) {
    body = JSON.stringify(toJson(json, 'json'))
    if (!pairs.some(([name]) => name.toLowerCase() === 'content-type')) pairs.push(['Content-Type', 'application/json'])
  }
  if (body !== undefined) {
    const bytes = Buffer.from(body)
    if (bytes.length > bodyBytesMax) {
      throw new RangeError(`http: the body has ${bytes.length} bytes; at most ${bodyBytesMax} are sent`)
    }
    request.body_base64 = bytes.toString('base64')
  }
  if (length !== undefined) request.body_length = length
  if (timeoutMs !== undefined) {
    if (!(timeoutMs > 0) || timeoutMs > 1e12) throw new RangeError(`http: timeoutMs is ${timeoutMs}, which is not above 0`)
    request.timeout_ms = Math.ceil(timeoutMs)
  }
  return request
}
