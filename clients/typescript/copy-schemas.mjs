// Adds the published binary schemas of the events to the package, of the repository that this folder is in.
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const published = fileURLToPath(new URL('../schemas', import.meta.url))
const target = fileURLToPath(new URL('schemas', import.meta.url))
rmSync(target, { recursive: true, force: true })
mkdirSync(target)
for (const name of readdirSync(published)) {
  if (name.endsWith('.bfbs')) cpSync(`${published}/${name}`, `${target}/${name}`)
}
