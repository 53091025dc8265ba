// A plugin is a function for each operation of manifest.json.

import { Plugin } from './travertine_plugin/index.mjs'

export const plugin = new Plugin()

plugin.operation<{ text: string }>('echo', (call) => ({ text: call.input.text }))

plugin.operation<{ page: string }>('fetch', async (call) => {
  const { page } = call.input
  const answer = await call.http('GET', `/${encodeURIComponent(page)}`)
  answer.throwForStatus(`the service answered ${answer.status} for ${page}`)
  call.log.info(`read ${answer.body.length} bytes`)
  return { content: answer.text }
})

// In a test it is imported, not run.
if (process.argv[1]?.endsWith('main.mjs')) plugin.run()
