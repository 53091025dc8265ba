// What an operation throws so that its call fails with more than a message.

export const codes = ['invalid', 'unauthenticated', 'denied', 'not_found', 'conflict', 'too_large', 'exhausted',
  'unavailable', 'timeout', 'cancelled', 'internal']
const retryAfterMax = 24 * 60 * 60

export class Failure extends Error {
  constructor(message, { code = 'internal', mayRetry = false, retryAfter = 0, status = 0, detail } = {}) {
    super(message)
    this.name = 'Failure'
    if (!codes.includes(code)) throw new RangeError(`code '${code}' is not one of ${codes.join(', ')}`)
    if (!(retryAfter >= 0)) throw new RangeError(`retryAfter is ${retryAfter}, which is not a number of seconds from 0`)
    if (!Number.isInteger(status) || status < 0 || status > 999) {
      throw new RangeError(`status is ${status}, which is not a status of HTTP`)
    }
    Object.assign(this, { code, mayRetry, retryAfter: Math.min(retryAfter, retryAfterMax), status, detail })
  }
}

export class Cancelled extends Failure {
  constructor() {
    super('the call was cancelled', { code: 'cancelled' })
    this.name = 'Cancelled'
  }
}

export class Refused extends Error {}

const codeOfStatus = { 401: 'unauthenticated', 402: 'denied', 403: 'denied', 404: 'not_found', 408: 'timeout',
  409: 'conflict', 410: 'not_found', 412: 'conflict', 413: 'too_large', 429: 'exhausted' }

export const mayRetryCode = (code) => ['timeout', 'exhausted', 'unavailable'].includes(code)

/** The failure that a status outside 2xx means. */
export function failureOfStatus(response, message) {
  const code = codeOfStatus[response.status] ?? (response.status >= 500 ? 'unavailable' : 'invalid')
  const mayRetry = mayRetryCode(code)
  return new Failure(message, { code, mayRetry, status: response.status, retryAfter: mayRetry ? retryAfterOf(response) : 0 })
}

function retryAfterOf(response) {
  const asked = response.header('Retry-After') ?? ''
  if (/^\d{1,12}$/.test(asked)) return Number(asked)
  const seconds = (Date.parse(asked) - Date.parse(response.header('Date') ?? '')) / 1000
  return seconds > 0 ? seconds : 0
}
