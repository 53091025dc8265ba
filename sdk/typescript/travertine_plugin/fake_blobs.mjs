// The blobs of a plugin for tests, of each tenant its own. See testing.d.mts.

import { createHash } from 'node:crypto'

export class FakeBlobs {
  #kept = new Map()
  #written = new Map()
  #failure

  values(tenant = 'acme') {
    return Object.fromEntries([...this.#of(tenant)].map(([digest, { data }]) => [digest, data]))
  }

  put(bytes, { mediaType = '', name = '' } = {}, tenant = 'acme') {
    const data = Buffer.from(bytes)
    const digest = createHash('sha256').update(data).digest('hex')
    this.#of(tenant).set(digest, { data, entry: { digest, bytes: data.length, media_type: mediaType, name } })
    return digest
  }

  failWith(code, message = 'the test says so') {
    this.#failure = code ? { code, message } : undefined
  }

  /** The name and members of the frame that answers a `blob_request`. */
  answer(tenant, body) {
    if (this.#failure) return ['request_failed', this.#failure]
    const kept = this.#of(tenant)
    const writing = `${body.call} ${body.writing}`
    const answer = (entries = [], part = Buffer.alloc(0), hasMore = false) =>
      ['blob_answer', { entries, part_base64: part.toString('base64'), has_more: hasMore }]
    switch (body.action) {
      case 'write': {
        const part = Buffer.from(body.part_base64, 'base64')
        if (part.length > 262_144) {
          return ['request_failed', { code: 'too_large', message: `a part of a blob has ${part.length} bytes` }]
        }
        this.#written.set(writing, Buffer.concat([this.#written.get(writing) ?? Buffer.alloc(0), part]))
        return answer()
      }
      case 'store': {
        const digest = this.put(this.#written.get(writing) ?? '', { mediaType: body.media_type, name: body.name }, tenant)
        this.#written.delete(writing)
        return answer([kept.get(digest).entry])
      }
      case 'drop': {
        this.#written.delete(writing)
        return answer()
      }
      case 'erase': {
        kept.delete(body.digest)
        return answer()
      }
      case 'list': {
        const behind = [...kept.keys()].filter((digest) => digest > body.digest).sort()
        return answer(behind.slice(0, body.count_max).map((digest) => kept.get(digest).entry), undefined,
          behind.length > body.count_max)
      }
    }
    const found = kept.get(body.digest)
    if (!found) return ['request_failed', { code: 'not_found', message: `no blob ${body.digest} is kept` }]
    const end = body.offset + body.count_max
    return answer([found.entry], found.data.subarray(body.offset, end), body.count_max > 0 && end < found.data.length)
  }

  #of(tenant) {
    if (!this.#kept.has(tenant)) this.#kept.set(tenant, new Map())
    return this.#kept.get(tenant)
  }
}
