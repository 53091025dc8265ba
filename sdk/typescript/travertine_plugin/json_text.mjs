// Values of JavaScript as JSON that every reader takes, and words about those that are not JSON.

const depthMax = 256

/** The value as JSON has it, dates as texts and without what is undefined. Throws a TypeError that names the place. */
export function toJson(value, place, depth = 0) {
  if (depth > depthMax) throw new TypeError(`${place} is nested more than ${depthMax} levels deep`)
  if (typeof value?.toJSON === 'function') return toJson(value.toJSON(), place, depth + 1)
  switch (typeof value) {
    case 'string':
      if (/\p{Cs}/u.test(value)) throw new TypeError(`${place} has half a character, which UTF-8 cannot write`)
      return value
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`${place} is ${value}, which JSON does not have`)
      return value
    case 'boolean':
      return value
    case 'undefined':
      return null
    case 'object':
      break
    default:
      throw new TypeError(`${place} is a ${typeof value}, which JSON does not have`)
  }
  if (value === null) return null
  if (Array.isArray(value)) return value.map((item, index) => toJson(item, `${place}[${index}]`, depth + 1))
  if (value instanceof Map || value instanceof Set) {
    throw new TypeError(`${place} is a ${value.constructor.name}, which JSON does not have`)
  }
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined).map(([name, member]) =>
    [toJson(name, `a key of ${place}`), toJson(member, `${place}.${name}`, depth + 1)]))
}

/** A text as UTF-8 can write it, cut. */
export const encodable = (text, most) => String(text).slice(0, most).replace(/\p{Cs}/gu, '\ufffd')
