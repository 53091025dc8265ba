// Answers that come in parts: what `call.httpInParts` gives. See IncomingResponse in index.d.mts.

import { failureOfStatus } from './failure.mjs'

const reportedFrom = 32_768 // bytes: not each part is reported as taken for itself

export class IncomingResponse {
  status = 0
  headers = []
  #asked
  #call
  #stream
  #send
  #signal
  #forget
  #parts = []
  #untaken = 0
  #hasEnded = false
  #isDropped = false
  #failure
  #wake = () => {}

  /** `forget`: nothing that comes is wanted any more. */
  constructor(asked, call, stream, send, signal, forget) {
    this.#asked = asked
    this.#call = call
    this.#stream = stream
    this.#send = send
    this.#signal = signal
    this.#forget = forget
    signal.addEventListener('abort', () => this.#wake(), { once: true })
  }

  /** Of the session: the frames of the host, in their order. */
  _begin({ status, headers = [] }) {
    this.status = status
    this.headers = headers
    return this
  }

  _add({ text, base64 }) {
    this.#parts.push(base64 === undefined ? Buffer.from(text) : Buffer.from(base64, 'base64'))
    this.#wake()
  }

  _end(failure) {
    this.#hasEnded = true
    this.#failure = failure
    this.#wake()
  }

  get ok() {
    return this.status >= 200 && this.status <= 299
  }

  header(name) {
    return this.headers.find(([known]) => known.toLowerCase() === name.toLowerCase())?.[1]
  }

  throwForStatus(message = `${this.#asked} was answered with ${this.status}`) {
    if (this.ok) return this
    this.drop()
    throw failureOfStatus(this, message)
  }

  async *[Symbol.asyncIterator]() {
    try {
      for (;;) {
        this.#signal.throwIfAborted()
        if (this.#parts.length > 0) {
          const part = Buffer.concat(this.#parts.splice(0))
          this.#report(part.length)
          yield part
        } else if (this.#failure) {
          throw this.#failure
        } else if (this.#hasEnded || this.#isDropped) {
          return
        } else {
          await new Promise((resolve) => { this.#wake = resolve })
        }
      }
    } finally {
      this.drop()
    }
  }

  drop() {
    this.#parts = []
    if (this.#hasEnded || this.#isDropped) return
    this.#isDropped = true
    this.#forget()
    this.#send('drop', { call: this.#call, stream: this.#stream })
  }

  #report(bytes) {
    this.#untaken += bytes
    if (this.#hasEnded || this.#untaken < reportedFrom) return
    this.#send('take', { call: this.#call, stream: this.#stream, bytes: this.#untaken })
    this.#untaken = 0
  }
}
