/** Records as CloudEvents 1.0 in structured form, the same as those of the API's `GET /v1/tenants/<tenant>/events`. */
import { createHash } from 'node:crypto'

import { publishedSchemas, type Schemas } from './payload.js'
import { type Record } from './record.js'

export interface CloudEvent {
  specversion: '1.0'
  id: string
  source: string
  type: string
  subject: string
  time: string
  position: string
  tenant: string
  actor: string
  causationid?: string
  correlationid?: string
  traceparent?: string
  datacontenttype: 'application/json'
  /** What clients/schemas/json of the repository says of the type. */
  data: { [field: string]: unknown }
}

/** A place in a tenant's events as the API writes it: 24 hexadecimal digits. */
export function positionOf(tenant: string, shard: number, lsn: bigint): string {
  const place = `01${shard.toString(16).padStart(4, '0')}${lsn.toString(16).padStart(12, '0')}`
  return place + createHash('sha256').update(`${tenant}\0${place}`).digest('hex').slice(0, 6)
}

/** Shard and lsn of a position. Throws RangeError for a text that is not a position of this tenant. */
export function parsePosition(text: string, tenant: string): { shard: number; lsn: bigint } {
  const digits = /^01([0-9a-f]{4})([0-9a-f]{12})[0-9a-f]{6}$/.exec(text)
  const shard = Number.parseInt(digits?.[1] ?? '0', 16)
  const lsn = BigInt(`0x${digits?.[2] ?? '0'}`)
  if (positionOf(tenant, shard, lsn) !== text) {
    throw new RangeError(
      `'${text.slice(0, 40)}' is not a position in the events of tenant '${tenant}'; use the \`position\` of one of ` +
        'its events'
    )
  }
  return { shard, lsn }
}

function timeOf(timeNs: bigint): string {
  const micros = timeNs / 1000n - (timeNs % 1000n < 0n ? 1n : 0n)
  const second = micros / 1_000_000n - (micros % 1_000_000n < 0n ? 1n : 0n)
  const fraction = (micros - second * 1_000_000n).toString().padStart(6, '0')
  return new Date(Number(second) * 1000).toISOString().replace('000Z', `${fraction}Z`)
}

function attributesOf(record: Record): Omit<CloudEvent, 'data'> {
  return {
    specversion: '1.0',
    id: record.eventId,
    source: `/tenants/${record.tenant}/${record.streamKind}`,
    type: record.type,
    subject: record.streamId,
    time: timeOf(record.timeNs),
    position: positionOf(record.tenant, record.shard, record.lsn),
    tenant: record.tenant,
    actor: record.actor,
    ...(record.causationId !== undefined && { causationid: record.causationId }),
    ...(record.correlationId !== undefined && { correlationid: record.correlationId }),
    ...(record.traceparent !== '' && { traceparent: record.traceparent }),
    datacontenttype: 'application/json'
  }
}

/** Throws DamagedLog where the payload does not fit its schema. Integers beyond 2^53 within `data` lose digits. */
export function toCloudEvent(record: Record, schemas: Schemas = publishedSchemas()): CloudEvent {
  return { ...attributesOf(record), data: JSON.parse(schemas.jsonOf(record.type, record.payload)) }
}

/** The same as JSON text, with every digit. */
export function toJson(record: Record, schemas: Schemas = publishedSchemas()): string {
  const attributes = JSON.stringify(attributesOf(record))
  return `${attributes.slice(0, -1)},"data":${schemas.jsonOf(record.type, record.payload)}}`
}
