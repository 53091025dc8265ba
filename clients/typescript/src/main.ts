#!/usr/bin/env node
/** Prints the events of a topic, one CloudEvent in JSON on each line. */
import { parseArgs } from 'node:util'

import { loadCheckpoints, saveCheckpoints } from './checkpoint_file.js'
import { parsePosition, toJson } from './cloud_event.js'
import { DamagedLog, TenantMoved } from './errors.js'
import { type Checkpoint } from './log.js'
import { Reader, type ReaderOptions } from './reader.js'

const HELP = `travertine-events --brokers HOST:PORT --topic TOPIC

  --brokers HOST:PORT    several with commas
  --topic TOPIC          for example travertine.events
  --tenant ID            only events of this tenant
  --type PREFIX          only types that begin so; may be repeated
  --from POSITION        only events behind this \`position\` of an event, of its shard alone; needs --tenant; not with
                         --checkpoint; 0 is the beginning, of all shards
  --checkpoint FILE      goes on where the file says, and keeps it up to date
  --until-end            ends after what the topic has now; default: follows it
`

class WrongUsage extends Error {}

interface Wanted {
  options: ReaderOptions
  checkpoint: string | undefined
  untilEnd: boolean
}

function parse(args: string[]): Wanted | undefined {
  const text = { type: 'string' } as const
  let values
  try {
    values = parseArgs({
      args,
      options: {
        brokers: text, topic: text, tenant: text, type: { type: 'string', multiple: true }, from: text, checkpoint: text,
        'until-end': { type: 'boolean' }, help: { type: 'boolean', short: 'h' }
      }
    }).values
  } catch (error) {
    throw new WrongUsage((error as Error).message)
  }
  if (values.help) return undefined
  if (!values.brokers || !values.topic) throw new WrongUsage('--brokers and --topic are needed')
  const options: ReaderOptions = {
    brokers: values.brokers.split(','),
    topic: values.topic,
    ...(values.tenant !== undefined && { tenant: values.tenant }),
    ...(values.type !== undefined && { types: values.type })
  }
  if (values.from !== undefined && !values.tenant) throw new WrongUsage('--from needs --tenant')
  if (values.from !== undefined && values.from !== '0') {
    if (values.checkpoint !== undefined) {
      throw new WrongUsage('--from and --checkpoint exclude each other; --checkpoint follows a tenant that is moved')
    }
    try {
      parsePosition(values.from, values.tenant ?? '')
    } catch (error) {
      throw new WrongUsage(`--from: ${(error as Error).message}`)
    }
    options.position = values.from
  }
  return { options, checkpoint: values.checkpoint, untilEnd: values['until-end'] ?? false }
}

/** Resolves once the text has left this process. */
function write(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()))
  })
}

async function print(wanted: Wanted): Promise<void> {
  const { checkpoint, options } = wanted
  let saved: ReadonlyMap<number, Checkpoint> = new Map()
  if (checkpoint !== undefined) saved = options.checkpoints = loadCheckpoints(checkpoint, options.topic)
  const reader = await Reader.open(options)
  // What is before a checkpoint is not read: there it cannot be known.
  let asksForTenant = Boolean(options.tenant) && saved.size === 0
  try {
    while (true) {
      if (asksForTenant && !reader.isBehind) {
        asksForTenant = false
        if (!reader.hasTenant) {
          process.stderr.write(
            `travertine-events: topic '${options.topic}' has no event of tenant '${options.tenant}' so far; if it should ` +
              'have, compare the name with `trav tenant list`\n'
          )
        }
      }
      if (wanted.untilEnd && !reader.isBehind) return
      const lines = (await reader.poll()).map((event) => `${toJson(event.record)}\n`)
      if (lines.length > 0) await write(lines.join(''))
      const moved = [...reader.checkpoints].some(([shard, known]) => known.lsn !== saved.get(shard)?.lsn)
      if (checkpoint !== undefined && moved) {
        saved = new Map(reader.checkpoints)
        saveCheckpoints(checkpoint, options.topic, saved)
      }
    }
  } finally {
    await reader.close()
  }
}

/** What is at the bottom of an error: of each try of each broker. */
function rootsOf(error: Error): string[] {
  const causes: Error[] = (error as AggregateError).errors ?? (error.cause instanceof Error ? [error.cause] : [])
  return causes.length === 0 ? [error.message] : causes.flatMap(rootsOf)
}

/**
 * Exit codes: 0 the end or an interrupt, 1 Kafka or a file failed, 2 wrong usage or the tenant left the shard of --from,
 * 3 the log is damaged.
 */
async function main(): Promise<number> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(0))
  process.stdout.on('error', () => {}) // write() reports it
  try {
    const wanted = parse(process.argv.slice(2))
    await (wanted === undefined ? write(HELP) : print(wanted))
    return 0
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return 0
    const causes = [...new Set(rootsOf(error as Error))].filter((cause) => cause !== (error as Error).message).join('; ')
    process.stderr.write(`travertine-events: ${(error as Error).message}${causes ? ` (${causes})` : ''}\n`)
    if (error instanceof WrongUsage || error instanceof TenantMoved) return 2
    return error instanceof DamagedLog ? 3 : 1
  }
}

process.exitCode = await main()
