// What a plugin writes in parts (trv.stream/1 and /2): what the receiver has room for goes out, the rest waits for it.

import { Failure } from './failure.mjs'

const partBytesMax = 65_536
const roomBytes = 262_144

/** One stream that an open call writes: `what` it is of. */
export class Parts {
  #names
  #send
  #signal
  #room = roomBytes
  #failure
  #what
  #goOn = () => {}

  constructor(call, stream, send, signal, what = 'response') {
    this.stream = stream
    this.#what = what
    this.#names = { call, stream }
    this.#send = send
    this.#signal = signal
    signal.addEventListener('abort', () => this.#goOn(), { once: true })
  }

  /** Why the receiver takes no more. */
  get failure() {
    return this.#failure
  }

  begin(head) {
    this.#send('respond_in_parts', { ...this.#names, ...head })
  }

  /** Resolves when all of it is on its way. */
  async write(part) {
    if (typeof part !== 'string' && !(part instanceof Uint8Array)) {
      throw new Failure(`a part of the ${this.#what} is a ${typeof part}, which is neither a string nor bytes`)
    }
    const bytes = Buffer.from(part)
    for (let sent = 0; sent < bytes.length;) {
      this.#signal.throwIfAborted()
      if (this.#failure) throw this.#failure
      const size = Math.min(bytes.length - sent, this.#room, partBytesMax)
      if (size === 0) {
        await new Promise((resolve) => { this.#goOn = resolve })
        continue
      }
      this.#room -= size
      this.#send('write', { ...this.#names, base64: bytes.subarray(sent, sent + size).toString('base64') })
      sent += size
    }
  }

  end() {
    this.#signal.throwIfAborted()
    this.#send('end_stream', this.#names)
  }

  taken(byteCount) {
    this.#room += byteCount
    this.#goOn()
  }

  broke(failure) {
    this.#failure = failure
    this.#goOn()
  }
}
