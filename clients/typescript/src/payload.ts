/**
 * Payloads as JSON, by the binary schemas (.bfbs) that flatc made: a new event type needs nothing here.
 *
 * The JSON is the `data` of the API's events: fields without a value are left out, bytes are hexadecimal text, 64-bit
 * integers are text, fields that hold JSON are given as that JSON, and secrets are left out.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { DamagedLog } from './errors.js'
import { Bytes, Table } from './flatbuffer.js'
import { toHex } from './record.js'

const DEPTH_MAX = 64

// reflection.BaseType of FlatBuffers.
const BOOL = 2
const UBYTE = 4
const LONG = 9
const ULONG = 10
const STRING = 13
const VECTOR = 14
const OBJECT = 15

type Read = (bytes: Bytes, at: number) => number | bigint | boolean

/** How each number is read, and its size, by base type. */
const NUMBERS = new Map<number, { size: number; read: Read }>([
  [1, { size: 1, read: (b, at) => b.uint8(at) }],
  [BOOL, { size: 1, read: (b, at) => b.uint8(at) !== 0 }],
  [3, { size: 1, read: (b, at) => b.view.getInt8(b.number(at, 1)) }],
  [UBYTE, { size: 1, read: (b, at) => b.uint8(at) }],
  [5, { size: 2, read: (b, at) => b.view.getInt16(b.number(at, 2), true) }],
  [6, { size: 2, read: (b, at) => b.uint16(at) }],
  [7, { size: 4, read: (b, at) => b.int32(at) }],
  [8, { size: 4, read: (b, at) => b.uint32(at) }],
  [LONG, { size: 8, read: (b, at) => BigInt.asIntN(64, b.uint64(at)) }],
  [ULONG, { size: 8, read: (b, at) => b.uint64(at) }],
  [11, { size: 4, read: (b, at) => b.view.getFloat32(b.number(at, 4), true) }],
  [12, { size: 8, read: (b, at) => b.view.getFloat64(b.number(at, 8), true) }]
])

interface Field {
  name: string
  id: number
  kind: number
  element: number
  /** index of the type in the schema, where it is a table or a struct */
  object: number
  absent: number | bigint
  attributes: Map<string, string>
}

interface Described {
  fields: Field[] // by id
  structBytes: number // 0: a table
  attributes: Map<string, string>
}

const attributesOf = (table: Table, field: number): Map<string, string> =>
  new Map(table.tables(field).map((entry) => [entry.text(0) ?? '', entry.text(1) ?? '']))

function fieldOf(table: Table): Field {
  const type = table.table(1)
  const kind = type?.uint8(0) ?? 0
  const bits = table.uint64(4)
  const real = table.place(5)
  let absent: number | bigint = kind === ULONG ? bits : BigInt.asIntN(64, bits)
  if (kind === 11 || kind === 12) absent = real === undefined ? 0 : table.buffer.view.getFloat64(real, true)
  return {
    name: table.text(0) ?? '',
    id: table.uint16(2),
    kind,
    element: type?.uint8(1) ?? 0,
    object: type?.int32(2, -1) ?? -1,
    absent,
    attributes: attributesOf(table, 9)
  }
}

class Schema {
  readonly objects: Described[]

  constructor(binary: Uint8Array) {
    this.objects = new Bytes(binary).root().tables(0).map((table) => ({
      fields: table.tables(1).map(fieldOf).sort((a, b) => a.id - b.id),
      structBytes: table.uint8(2) !== 0 ? table.uint32(4) : 0,
      attributes: attributesOf(table, 5)
    }))
  }

  /** The table as JSON text. */
  json(table: Table, described: Described, depth = 0): string {
    if (depth > DEPTH_MAX) throw new DamagedLog(`tables are more than ${DEPTH_MAX} deep`)
    const members: string[] = []
    for (const field of described.fields) {
      if (field.attributes.has('secret')) continue
      const value = this.value(table, field, depth)
      if (value !== undefined) members.push(`${JSON.stringify(field.name)}:${value}`)
    }
    return `{${members.join(',')}}`
  }

  /** Undefined: the field is not shown. A number is never absent, and has its default then. */
  private value(table: Table, field: Field, depth: number): string | undefined {
    const unsetIsAbsent = field.attributes.has('unset_is_absent')
    const at = table.place(field.id)
    const number = NUMBERS.get(field.kind)
    if (number !== undefined && field.kind !== BOOL) {
      const value = at === undefined ? field.absent : number.read(table.buffer, at)
      if (unsetIsAbsent && (value === 0 || value === 0n)) return undefined
      return field.kind === LONG || field.kind === ULONG ? `"${value}"` : numberText(value)
    }
    if (at === undefined) return undefined
    if (number !== undefined) return String(number.read(table.buffer, at))
    if (field.kind === STRING) {
      const text = table.text(field.id) ?? ''
      if (text === '' && unsetIsAbsent) return undefined
      return field.attributes.has('json') && text !== '' ? checkedJson(field.name, text) : JSON.stringify(text)
    }
    if (field.kind === VECTOR) return this.vector(table, field, depth)
    if (field.kind === OBJECT) {
      const described = this.object(field)
      if (described.structBytes > 0) return hexText(table.struct(field.id, described.structBytes))
      const inner = table.table(field.id)
      return inner && this.json(inner, described, depth + 1)
    }
    throw new DamagedLog(
      `the field ${field.name} has base type ${field.kind} of FlatBuffers, which this version does not know`
    )
  }

  private object(field: Field): Described {
    const described = this.objects[field.object]
    if (described === undefined) throw new DamagedLog(`the field ${field.name} has a type that the schema lacks`)
    return described
  }

  private vector(table: Table, field: Field, depth: number): string {
    const buffer = table.buffer
    if (field.element === UBYTE) return hexText(table.bytes(field.id))
    const number = NUMBERS.get(field.element)
    const described = field.element === OBJECT ? this.object(field) : undefined
    const size = number?.size ?? (described?.structBytes || 4)
    const items = (table.elements(field.id, size) ?? []).map((at) => {
      if (number !== undefined) return numberText(number.read(buffer, at))
      if (described === undefined) return JSON.stringify(buffer.text(buffer.follow(at)))
      if (described.structBytes > 0) return hexText(buffer.slice(at, size))
      return this.json(new Table(buffer, buffer.follow(at)), described, depth + 1)
    })
    return `[${items.join(',')}]`
  }
}

const hexText = (bytes: Uint8Array | undefined): string => `"${toHex(bytes ?? new Uint8Array())}"`

function numberText(value: number | bigint | boolean): string {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new DamagedLog(`${value} is not a number of JSON`)
  return String(value)
}

function checkedJson(name: string, text: string): string {
  try {
    JSON.parse(text)
  } catch {
    throw new DamagedLog(`the field ${name} holds JSON, but has ${JSON.stringify(text.slice(0, 40))}`)
  }
  // Blanks between values go, line ends among them: an event is one line.
  return /\s/.test(text) ? text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, '$1') : text
}

/** The event types and their payloads' tables. */
export class Schemas {
  private readonly known = new Map<string, { schema: Schema; described: Described }>()

  /** Reads every .bfbs of a folder; default: those that are in this package. */
  constructor(folder = fileURLToPath(new URL('../../schemas', import.meta.url))) {
    for (const name of readdirSync(folder).sort()) {
      if (!name.endsWith('.bfbs')) continue
      const schema = new Schema(readFileSync(`${folder}/${name}`))
      for (const described of schema.objects) {
        const type = described.attributes.get('record_type')
        if (type !== undefined) this.known.set(type, { schema, described })
      }
    }
    if (this.known.size === 0) throw new Error(`no event schemas (*.bfbs) in ${folder}; build the package: npm run build`)
  }

  get types(): string[] {
    return [...this.known.keys()].sort()
  }

  /**
   * The payload as JSON text, with every digit of its numbers; a type that is not known gives {"payload_base64":"…"}.
   * Throws DamagedLog.
   */
  jsonOf(type: string, payload: Uint8Array): string {
    const found = this.known.get(type)
    if (found === undefined) return JSON.stringify({ payload_base64: Buffer.from(payload).toString('base64') })
    try {
      return found.schema.json(new Bytes(payload).root(), found.described)
    } catch (error) {
      if (!(error instanceof DamagedLog)) throw error
      throw new DamagedLog(`the payload of a ${type} event does not fit its schema: ${error.message}`)
    }
  }
}

let published: Schemas | undefined

/** Those that are in this package, read once. */
export function publishedSchemas(): Schemas {
  published ??= new Schemas()
  return published
}
