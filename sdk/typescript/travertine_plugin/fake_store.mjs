// The stores of a plugin for tests, one for each tenant. See testing.d.mts.

export class FakeStore {
  #values = new Map()
  #revision = 0
  #failure

  values(tenant = 'acme') {
    return Object.fromEntries([...this.#of(tenant)].map(([key, { value }]) => [key, value]))
  }

  put(key, value, tenant = 'acme') {
    this.#of(tenant).set(key, { key, value, revision: ++this.#revision })
    return this.#revision
  }

  failWith(code, message = 'the test says so') {
    this.#failure = code ? { code, message } : undefined
  }

  /** The name and members of the frame that answers a `store_request`. */
  answer(tenant, { action, key, value, expected, after, count_max: countMax }) {
    if (this.#failure) return ['request_failed', this.#failure]
    const values = this.#of(tenant)
    const before = values.get(key)
    if (action === 'get') return ['store_answer', { entries: before ? [before] : [] }]
    if (action === 'list') {
      const found = [...values.values()].filter((entry) => entry.key.startsWith(key) && entry.key > after)
        .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)))
      return ['store_answer', { entries: found.slice(0, countMax), has_more: found.length > countMax }]
    }
    const revision = before?.revision ?? 0
    if (expected !== undefined && expected !== revision) {
      return ['request_failed', { code: 'conflict', message: `the store has revision ${revision}` }]
    }
    if (action === 'erase') {
      values.delete(key)
      return ['store_answer', { entries: [] }]
    }
    return ['store_answer', { entries: [{ key, revision: this.put(key, value, tenant) }] }]
  }

  #of(tenant) {
    if (!this.#values.has(tenant)) this.#values.set(tenant, new Map())
    return this.#values.get(tenant)
  }
}
