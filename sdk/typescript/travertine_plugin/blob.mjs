// The large things that the plugin keeps in the call's tenant.

import { toJson } from './json_text.mjs'

const partBytesMax = 262_144
const listCountMax = 100

/** `ask` as that of kv.mjs; `numbers` counts what the call writes. */
export function blobsOf(ask, numbers) {
  const send = (request, read) => ask('blob_request', request, `blobs: ${request.action}`, (_, frame) => read(frame))
  const begin = () => {
    const writing = ++numbers.last
    return {
      write: async (data) => {
        const bytes = bytesOf(data)
        for (let at = 0; at === 0 || at < bytes.length; at += partBytesMax) {
          await send({ action: 'write', writing, part_base64: bytes.subarray(at, at + partBytesMax).toString('base64') },
            () => undefined)
        }
      },
      store: async ({ mediaType = '', name = '' } = {}) => send({ action: 'store', writing,
        media_type: checked(mediaType, 'mediaType'), name: checked(name, 'name') }, (frame) => entryOf(frame.entries[0])),
      drop: async () => send({ action: 'drop', writing }, () => undefined)
    }
  }
  return {
    begin,
    put: async (data, options) => {
      const blob = begin()
      await blob.write(data)
      return blob.store(options)
    },
    read: async (digest, { offset = 0, length = partBytesMax } = {}) => {
      if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isInteger(length) || length < 0 || length > partBytesMax) {
        throw new RangeError(`blobs: ${length} bytes from ${offset} are asked for; at most ${partBytesMax} are read at once`)
      }
      return send({ action: 'read', digest: checked(digest, 'digest'), offset, count_max: length }, (frame) => ({
        bytes: Buffer.from(frame.part_base64, 'base64'), blob: entryOf(frame.entries[0]), hasMore: frame.has_more }))
    },
    erase: async (digest) => send({ action: 'erase', digest: checked(digest, 'digest') }, () => undefined),
    list: async ({ after = '', countMax = listCountMax } = {}) => {
      if (!Number.isInteger(countMax) || countMax < 1 || countMax > listCountMax) {
        throw new RangeError(`blobs: countMax is ${countMax}, which is not 1 to ${listCountMax}`)
      }
      return send({ action: 'list', digest: checked(after, 'after'), count_max: countMax },
        (frame) => ({ blobs: frame.entries.map(entryOf), hasMore: frame.has_more }))
    }
  }
}

function entryOf({ digest, bytes, media_type: mediaType, name }) {
  return { digest, size: bytes, mediaType, name }
}

function bytesOf(data) {
  if (typeof data === 'string') return Buffer.from(data)
  if (data instanceof Uint8Array) return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  throw new TypeError('blobs: a part is neither a string nor a Uint8Array')
}

function checked(text, name) {
  if (typeof text !== 'string') throw new TypeError(`blobs: ${name} is ${text}, which is not a string`)
  return toJson(text, name)
}
