// The plugin's store of the call's tenant.

import { toJson } from './json_text.mjs'

const keyBytesMax = 256
const valueBytesMax = 65_536
const listCountMax = 100

/** `ask` is given a frame's name and members, what is asked in words, and how its answer is read. */
export function storeOf(ask) {
  const send = (request, read) => {
    checkKey(request.key, 'key')
    checkKey(request.after ?? '', 'after')
    if (!request.key && request.action !== 'list') throw new RangeError('kv: the key is empty')
    return ask('store_request', request, `the store's ${request.action} '${request.key}'`, (_, frame) => read(frame))
  }
  return {
    get: async (key) => send({ action: 'get', key }, (frame) => frame.entries[0]),
    put: async (key, value, { expected } = {}) => {
      const kept = toJson(value, 'value')
      const size = Buffer.byteLength(JSON.stringify(kept))
      if (size > valueBytesMax) {
        throw new RangeError(`kv: the value of '${key}' has ${size} bytes of JSON; at most ${valueBytesMax} are kept`)
      }
      return send({ action: 'put', key, value: kept, ...expects(expected) }, (frame) => frame.entries[0].revision)
    },
    erase: async (key, { expected } = {}) => send({ action: 'erase', key, ...expects(expected) }, () => undefined),
    list: async (prefix = '', { after = '', countMax = listCountMax } = {}) => {
      if (!Number.isInteger(countMax) || countMax < 1 || countMax > listCountMax) {
        throw new RangeError(`kv: countMax is ${countMax}, which is not 1 to ${listCountMax}`)
      }
      return send({ action: 'list', key: prefix, after, count_max: countMax },
        (frame) => ({ entries: frame.entries, hasMore: frame.has_more ?? false }))
    }
  }
}

function expects(expected) {
  if (expected === undefined) return {}
  if (!Number.isInteger(expected) || expected < 0) throw new TypeError(`kv: expected is ${expected}, which is not a revision`)
  return { expected }
}

function checkKey(key, name) {
  if (typeof key !== 'string') throw new TypeError(`kv: ${name} is ${key}, which is not a string`)
  toJson(key, name)
  if (Buffer.byteLength(key) > keyBytesMax || /[\x00-\x1f\x7f]/.test(key)) {
    throw new RangeError(`kv: ${name} is ${JSON.stringify(key)}; it has at most ${keyBytesMax} bytes and no control characters`)
  }
}
