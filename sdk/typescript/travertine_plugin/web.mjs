// HTTP that a plugin serves to the clients of its tenant (trv.serve/1). What each thing is, index.d.mts says.

import { Failure } from './failure.mjs'
import { toJson } from './json_text.mjs'

const bodyBytesMax = 1_000_000
const members = ['status', 'headers', 'body', 'json']

export class WebRequest {
  constructor(frame) {
    this.method = frame.method
    this.rawPath = frame.path
    this.path = decoded(frame.path)
    this.query = frame.query ?? ''
    this.parameters = new URLSearchParams(this.query)
    this.headers = frame.headers ?? []
    this.body = 'body_base64' in frame ? Buffer.from(frame.body_base64, 'base64') : Buffer.from(frame.body ?? '')
    this.principal = frame.principal ?? ''
    this.principalName = frame.principal_name ?? ''
    this.role = frame.role ?? ''
  }

  header(name) {
    return this.headers.find(([known]) => known === name.toLowerCase())?.[1]
  }

  json() {
    try {
      return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(this.body))
    } catch (error) {
      throw new Failure(`the body is not JSON: ${error.message}`, { code: 'invalid' })
    }
  }
}

function decoded(path) {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** What an answer in parts is made of, or undefined. */
export function partsOf(answer) {
  const parts = answer?.parts
  if (parts === undefined) return undefined
  if (typeof parts !== 'string' && (parts?.[Symbol.asyncIterator] || parts?.[Symbol.iterator])) return parts
  throw new Failure(`the parts of the response are a ${typeof parts}, which cannot be iterated part by part`)
}

/** The members of a frame `respond`. Throws Failure for what cannot be sent. */
export function responseOf(answer) {
  if (answer === undefined) return { status: 204 }
  if (typeof answer === 'string') answer = { body: answer }
  if (answer === null || typeof answer !== 'object' || Object.keys(answer).some((name) => !members.includes(name))) {
    const what = answer === null || typeof answer !== 'object' ? `${answer}` : `one with ${Object.keys(answer).join(', ')}`
    throw new Failure('what serves returns a string, nothing, or an object with status, headers and body, json or parts; not ' + what)
  }
  const { status = 200, headers = {}, body, json } = answer
  let bytes = Buffer.alloc(0)
  let kind = 'application/octet-stream'
  if (json !== undefined) {
    try {
      bytes = Buffer.from(JSON.stringify(toJson(json, 'the response')))
    } catch (error) {
      throw new Failure(`the response is not JSON: ${error.message}`)
    }
    kind = 'application/json'
  } else if (typeof body === 'string') {
    bytes = Buffer.from(body)
    kind = 'text/plain; charset=utf-8'
  } else if (body instanceof Uint8Array) {
    bytes = Buffer.from(body)
  } else if (body !== undefined) {
    throw new Failure(`the body of the response is a ${typeof body}, which is neither a string nor bytes`)
  }
  if (bytes.length > bodyBytesMax) {
    throw new Failure(`the body of the response has ${bytes.length} bytes; at most ${bodyBytesMax} are sent; ` +
      'answer in parts')
  }
  if (!Number.isInteger(status)) throw new Failure(`the status of the response is ${status}, which is not that of HTTP`)
  const pairs = Object.entries(headers).map(([name, value]) => [name, String(value)])
  if (bytes.length > 0 && !pairs.some(([name]) => name.toLowerCase() === 'content-type')) pairs.push(['content-type', kind])
  return { status, headers: pairs, body_base64: bytes.toString('base64') }
}
