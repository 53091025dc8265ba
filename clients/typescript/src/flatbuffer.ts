/**
 * Reads FlatBuffers from bytes that nobody has verified. Every step is checked to lie inside the bytes. Every function
 * throws DamagedLog, and nothing else, where the bytes do not fit.
 */
import { DamagedLog } from './errors.js'

// Tables, texts and vectors may be shared, so that few bytes can unfold to many. Far beyond what a writer makes.
const UNFOLDED_BYTES_MAX = 16_000_000

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The bytes, and how much of them was read. */
export class Bytes {
  readonly view: DataView
  private unfolded = 0

  constructor(readonly data: Uint8Array) {
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  }

  /** The place of a number, once it is known to lie inside. */
  number(at: number, size: number): number {
    if (at < 0 || at + size > this.data.length) {
      throw new DamagedLog(`a number of ${size} bytes at ${at} lies outside of ${this.data.length} bytes`)
    }
    return at
  }
  uint8(at: number): number {
    return this.view.getUint8(this.number(at, 1))
  }
  uint16(at: number): number {
    return this.view.getUint16(this.number(at, 2), true)
  }
  uint32(at: number): number {
    return this.view.getUint32(this.number(at, 4), true)
  }
  int32(at: number): number {
    return this.view.getInt32(this.number(at, 4), true)
  }
  uint64(at: number): bigint {
    return this.view.getBigUint64(this.number(at, 8), true)
  }

  slice(at: number, size: number): Uint8Array {
    if (at < 0 || at + size > this.data.length) {
      throw new DamagedLog(`${size} bytes at ${at} lie outside of ${this.data.length} bytes`)
    }
    this.unfold(size)
    return this.data.subarray(at, at + size)
  }

  unfold(size: number): void {
    this.unfolded += size
    if (this.unfolded > UNFOLDED_BYTES_MAX) {
      throw new DamagedLog(`${this.data.length} bytes unfold to more than ${UNFOLDED_BYTES_MAX}`)
    }
  }

  /** The text whose length is at `at`. */
  text(at: number): string {
    const bytes = this.slice(at + 4, this.uint32(at))
    try {
      return utf8.decode(bytes)
    } catch {
      throw new DamagedLog(`the text at ${at} is not UTF-8`)
    }
  }

  /** Where the reference at `at` leads. */
  follow(at: number): number {
    return at + this.uint32(at)
  }

  root(at = 0): Table {
    return new Table(this, this.follow(at))
  }
}

/** A table at a place. Fields are named by their ids; undefined means that the field is absent. */
export class Table {
  private readonly vtable: number
  private readonly fields: number

  constructor(
    readonly buffer: Bytes,
    readonly at: number
  ) {
    this.vtable = at - buffer.int32(at)
    this.fields = Math.max(buffer.uint16(this.vtable) - 4, 0) >> 1
    buffer.unfold(8)
    buffer.slice(this.vtable + 4, 2 * this.fields)
  }

  place(field: number): number | undefined {
    const offset = field < this.fields ? this.buffer.uint16(this.vtable + 4 + 2 * field) : 0
    return offset === 0 ? undefined : this.at + offset
  }
  uint8(field: number): number {
    const at = this.place(field)
    return at === undefined ? 0 : this.buffer.uint8(at)
  }
  uint16(field: number): number {
    const at = this.place(field)
    return at === undefined ? 0 : this.buffer.uint16(at)
  }
  uint32(field: number): number {
    const at = this.place(field)
    return at === undefined ? 0 : this.buffer.uint32(at)
  }
  int32(field: number, absent: number): number {
    const at = this.place(field)
    return at === undefined ? absent : this.buffer.int32(at)
  }
  uint64(field: number): bigint {
    const at = this.place(field)
    return at === undefined ? 0n : this.buffer.uint64(at)
  }
  struct(field: number, size: number): Uint8Array | undefined {
    const at = this.place(field)
    return at === undefined ? undefined : this.buffer.slice(at, size)
  }
  text(field: number): string | undefined {
    const at = this.place(field)
    return at === undefined ? undefined : this.buffer.text(this.buffer.follow(at))
  }
  bytes(field: number): Uint8Array | undefined {
    let at = this.place(field)
    if (at === undefined) return undefined
    at = this.buffer.follow(at)
    return this.buffer.slice(at + 4, this.buffer.uint32(at))
  }
  table(field: number): Table | undefined {
    const at = this.place(field)
    return at === undefined ? undefined : new Table(this.buffer, this.buffer.follow(at))
  }
  /** The places of a vector's elements, `size` bytes each. */
  elements(field: number, size: number): number[] | undefined {
    let at = this.place(field)
    if (at === undefined) return undefined
    at = this.buffer.follow(at)
    const count = this.buffer.uint32(at)
    this.buffer.slice(at + 4, count * size)
    const first = at + 4
    return Array.from({ length: count }, (_, index) => first + index * size)
  }
  /** A vector of tables; none where the field is absent. */
  tables(field: number): Table[] {
    return (this.elements(field, 4) ?? []).map((at) => new Table(this.buffer, this.buffer.follow(at)))
  }
}
