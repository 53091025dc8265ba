// One operation from a shell: node program/main.mjs echo '{"text":"hello"}'

import { FakeHost } from './testing.mjs'

/** Gives the exit code. */
export async function main(plugin, words) {
  const [operation, text] = words
  if (operation === undefined || words.length > 2 || !plugin.operations.has(operation)) {
    if (operation !== undefined && !plugin.operations.has(operation)) {
      console.error(`There is no operation '${operation}'.\n`)
    }
    console.error(`This is a plugin; its host starts it. To try one of its operations:\n\n` +
      `  node ${process.argv[1]} OPERATION 'INPUT AS JSON'\n\n` +
      `Operations: ${[...plugin.operations.keys()].sort().join(', ') || 'none is declared yet'}`)
    return 2
  }
  let input
  try {
    input = JSON.parse(text ?? '{}')
  } catch (error) {
    console.error(`The input is not JSON: ${error.message}`)
    return 2
  }
  const host = new FakeHost(plugin)
  try {
    console.log(JSON.stringify(await host.call(operation, input), null, 2))
    return 0
  } catch (failure) {
    for (const line of host.logs) console.error(`${line.level} ${line.message}`)
    console.error(`Failed with ${failure.code ?? 'refused'}: ${failure.message}`)
    return 1
  }
}
