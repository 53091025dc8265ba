/** The golden files that the packages of every language read alike. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { type Checkpoint } from '../src/index.js'

/** REPOSITORY, or the folder above that has tests/golden. */
export function repository(path: string): string {
  let folder = process.env.REPOSITORY ?? dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'tests/golden'))) {
    if (folder === dirname(folder)) throw new Error('no tests/golden here; set REPOSITORY to a checkout')
    folder = dirname(folder)
  }
  return join(folder, path)
}

export const golden = (name: string): Uint8Array => readFileSync(repository(`tests/golden/${name}`))
export const json = (path: string) => JSON.parse(readFileSync(repository(path), 'utf8'))

export interface LogCase {
  name: string
  shard: number
  checkpoint: Checkpoint | undefined
  entries: { offset: bigint; value: Uint8Array }[]
  counts: bigint[]
  damage: string
}

interface StoredCase {
  name: string
  shard: number
  checkpoint: { shard: number; offset: number; lsn: number; sha256: string } | null
  entries: { offset: number; value: string }[]
  counts: number[]
  damage: string
}

export const logCases: LogCase[] = json('tests/golden/events/logs.json').map(
  ({ checkpoint, entries, counts, ...same }: StoredCase) => ({
    ...same,
    checkpoint: checkpoint
      ? { shard: checkpoint.shard, offset: BigInt(checkpoint.offset), lsn: BigInt(checkpoint.lsn), hash: checkpoint.sha256 }
      : undefined,
    entries: entries.map((entry) => ({ offset: BigInt(entry.offset), value: Buffer.from(entry.value, 'base64') })),
    counts: counts.map(BigInt)
  })
)

export function logNamed(name: string): LogCase {
  const found = logCases.find((candidate) => candidate.name === name)
  if (found === undefined) throw new Error(`tests/golden/events/logs.json has no log '${name}'`)
  return found
}

export const payloads: { type: string; payload: Uint8Array; data: unknown }[] = json(
  'tests/golden/events/payloads.json'
).map((vector: { type: string; payload: string; data: unknown }) => ({
  ...vector,
  payload: Buffer.from(vector.payload, 'base64')
}))
