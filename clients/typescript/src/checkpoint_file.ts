/** Checkpoints in a file, which is the same in the packages of every language. */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'

import { type Checkpoint } from './log.js'

function checkpointIn(stored: unknown): Checkpoint {
  const { shard, offset, lsn, sha256 } = (stored ?? {}) as { [name: string]: unknown }
  const isPlace = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
  if (!isPlace(shard) || !isPlace(offset) || !isPlace(lsn) || !/^[0-9a-f]{64}$/.test(String(sha256))) {
    throw new Error('a checkpoint needs shard, offset, lsn and sha256')
  }
  return { shard, offset: BigInt(offset), lsn: BigInt(lsn), hash: String(sha256) }
}

/** By shard; none where the file does not exist. Throws for a file that is not one of this topic. */
export function loadCheckpoints(path: string, topic: string): Map<number, Checkpoint> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
    throw error
  }
  let known: Checkpoint[]
  let of: unknown
  try {
    const stored = JSON.parse(text)
    of = stored.topic
    if (typeof of !== 'string') throw new Error('it has no topic')
    known = stored.checkpoints.map(checkpointIn)
  } catch (error) {
    throw new Error(`${path} is not a file of checkpoints: ${(error as Error).message}`)
  }
  if (of !== topic) throw new Error(`${path} has checkpoints of topic '${of}', not of '${topic}'`)
  return new Map(known.map((checkpoint) => [checkpoint.shard, checkpoint]))
}

/** Replaces the file as a whole: after a crash it is the old one or the new one. */
export function saveCheckpoints(path: string, topic: string, checkpoints: ReadonlyMap<number, Checkpoint>): void {
  const stored = [...checkpoints.values()]
    .sort((a, b) => a.shard - b.shard)
    .map((known) => ({ shard: known.shard, offset: Number(known.offset), lsn: Number(known.lsn), sha256: known.hash }))
  const file = openSync(`${path}.new`, 'w')
  try {
    writeSync(file, `${JSON.stringify({ topic, checkpoints: stored }, null, 2)}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(`${path}.new`, path)
}
