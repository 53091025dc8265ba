/** The document of the topic is AsyncAPI 3.0, by the specification's own schema. */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import specifications from '@asyncapi/specs'
import { Ajv } from 'ajv'
import formats from 'ajv-formats'

import { json } from './vectors.js'

function validator() {
  const ajv = new Ajv({ strict: false, allErrors: true, meta: false, validateSchema: false })
  ;(formats as unknown as (ajv: Ajv) => void)(ajv)
  return ajv.compile((specifications.schemas as { [version: string]: object })['3.0.0']!)
}

test('the document of the topic is AsyncAPI 3.0', () => {
  const validate = validator()
  const document = json('clients/schemas/asyncapi.json')
  assert.equal(validate(document), true, JSON.stringify(validate.errors?.slice(0, 5), null, 1))
  for (const broken of [{ ...document, asyncapi: '2.0.0' }, { ...document, channels: { events: { messages: 3 } } }, {}]) {
    assert.equal(validate(broken), false)
  }
})
