// What a call asks of the host beside HTTP and its store: signatures and events.

import { toJson } from './json_text.mjs'

const signedBytesMax = 65_536
const eventBytesMax = 262_144
const signatures = ['hmac-sha256', 'ed25519', 'rsa-sha256']

export async function sign(ask, secret, data, { signature = 'hmac-sha256' } = {}) {
  if (typeof secret !== 'string' || !secret) throw new TypeError(`sign: secret is ${secret}, which is not the name of one`)
  toJson(secret, 'secret')
  if (!signatures.includes(signature)) {
    throw new RangeError(`sign: signature is '${signature}', which is not one of ${signatures.join(', ')}`)
  }
  const bytes = Buffer.from(data)
  if (bytes.length > signedBytesMax) {
    throw new RangeError(`sign: ${bytes.length} bytes are given; at most ${signedBytesMax} are signed`)
  }
  return ask('sign_request', { secret, signature, data_base64: bytes.toString('base64') },
    `a signature by the secret '${secret}'`, (_, frame) => Buffer.from(frame.signature_base64, 'base64'))
}

export async function emit(ask, type, data, { subject = '' } = {}) {
  for (const [name, value] of Object.entries({ type, subject })) {
    if (typeof value !== 'string') throw new TypeError(`emit: ${name} is ${value}, which is not a string`)
    toJson(value, name)
  }
  const request = { type, subject }
  if (data !== undefined) {
    request.data = toJson(data, 'data')
    const size = Buffer.byteLength(JSON.stringify(request.data))
    if (size > eventBytesMax) {
      throw new RangeError(`emit: the data has ${size} bytes of JSON; at most ${eventBytesMax} are taken`)
    }
  }
  return ask('emit_request', request, `the event '${type}'`, (_, frame) => frame.id)
}
