/** What fails a call; may be thrown anywhere in an operation. */
export type Code = 'invalid' | 'unauthenticated' | 'denied' | 'not_found' | 'conflict' | 'too_large' | 'exhausted' |
  'unavailable' | 'timeout' | 'cancelled' | 'internal'

export interface FailureOptions {
  /** `internal` where missing. */
  code?: Code
  /** The call may be made again with the same idempotency key, without a second effect. */
  mayRetry?: boolean
  /** Seconds that the service asks to wait before that. */
  retryAfter?: number
  /** Of the service's HTTP answer. */
  status?: number
  /** An object for the workflow that reads the failure. */
  detail?: object
}

export class Failure extends Error {
  constructor(message: string, options?: FailureOptions)
  readonly code: Code
  readonly mayRetry: boolean
  readonly retryAfter: number
  readonly status: number
  readonly detail: object | undefined
}
/** The call was cancelled, or its time is up: what it still asks of the host throws this. */
export class Cancelled extends Failure {
  constructor()
}
/** Thrown at the begin: the plugin takes no calls with this configuration, and why. */
export class Refused extends Error {}

export interface RequestOptions {
  /** As the manifest names it; missing: the one that the workflow's task names. */
  connection?: string
  headers?: Record<string, string> | [string, string][]
  body?: string | Uint8Array
  /** In place of `body`: any value of JSON, with its Content-Type. */
  json?: unknown
  /** In place of `body`, up to 1 GiB: iterated as fast as the service reads, and left where it answers before their end.
   * Nothing repeats such a request. */
  parts?: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>
  /** Bytes of all parts; without it they are sent in chunks. */
  length?: number
  /** With parts the time without progress. */
  timeoutMs?: number
}

/** The answer of a service to one request, whatever its status. */
export interface Response {
  readonly status: number
  /** 200 to 299. */
  readonly ok: boolean
  readonly headers: [string, string][]
  readonly body: Uint8Array
  /** The body as UTF-8. Throws Failure where it is not. */
  readonly text: string
  /** The first header of that name, in any case of letters. */
  header(name: string): string | undefined
  /** The body as a value of JSON. Throws Failure where it is not. */
  json(): any
  /** Throws the Failure that a status outside 2xx means; 408, 429 and 5xx may be retried. */
  throwForStatus(message?: string): this
}

/** The answer of a service in parts, once its head is there: `for await (const part of answer)`. A part has at most 262,144
 * bytes; while none is asked for, the service waits, and memory holds no more than that. Throws Failure where the rest will
 * not come. Leaving the loop drops the rest. */
export interface IncomingResponse extends AsyncIterable<Buffer> {
  readonly status: number
  /** 200 to 299. */
  readonly ok: boolean
  readonly headers: [string, string][]
  /** The first header of that name, in any case of letters. */
  header(name: string): string | undefined
  /** Throws the Failure that a status outside 2xx means; 408, 429 and 5xx may be retried. */
  throwForStatus(message?: string): this
  /** The rest is not wanted. */
  drop(): void
}

/** A key with its value. The revision grows with each put into the store. */
export interface Entry {
  readonly key: string
  readonly value: any
  readonly revision: number
}

/** The plugin's store of the call's tenant: what is put there outlives calls, processes and versions of the plugin. Each
 * throws Failure where the store refuses. A call may be made again after it was answered: put what is right to put
 * twice, or expect the revision that was read (0: there is none yet); where another is there, the failure's code is
 * `conflict` and nothing is changed. */
export interface Kv {
  get(key: string): Promise<Entry | undefined>
  /** Keeps any value of JSON, at most 65,536 bytes, and gives its revision. */
  put(key: string, value: unknown, options?: { expected?: number }): Promise<number>
  /** What is not there is erased, unless a revision is expected. */
  erase(key: string, options?: { expected?: number }): Promise<void>
  /** The keys that begin with `prefix` and come behind `after`, in their order; at most 100. */
  list(prefix?: string, options?: { after?: string; countMax?: number }): Promise<{ entries: Entry[]; hasMore: boolean }>
}

/** What is known of a blob: its SHA-256 in 64 hexadecimal digits, and its size in bytes. */
export interface Blob {
  readonly digest: string
  readonly size: number
  readonly mediaType: string
  readonly name: string
}

/** A blob that the call writes, at most 104,857,600 bytes. One that was never stored is gone when the call has ended. */
export interface BlobWriting {
  /** Adds bytes of any number; one write at a time. After a failure it takes no more. */
  write(data: string | Uint8Array): Promise<void>
  /** What was written is whole. Once, and last. */
  store(options?: { mediaType?: string; name?: string }): Promise<Blob>
  /** What was written is not wanted. */
  drop(): Promise<void>
}

/** The large things that the plugin keeps in the call's tenant, the same for all its versions. Each throws Failure where
 * the host refuses. */
export interface Blobs {
  /** A call writes 4 at a time. */
  begin(): BlobWriting
  /** Keeps bytes that are there as a whole. */
  put(data: string | Uint8Array, options?: { mediaType?: string; name?: string }): Promise<Blob>
  /** At most `length` bytes (262,144) from `offset` on. The failure's code is `not_found` where the plugin does not keep
   * such a blob in this tenant. */
  read(digest: string, options?: { offset?: number; length?: number }):
    Promise<{ bytes: Buffer; blob: Blob; hasMore: boolean }>
  /** What is not there is erased. */
  erase(digest: string): Promise<void>
  /** Those behind the digest `after`, in the order of digests; at most 100. */
  list(options?: { after?: string; countMax?: number }): Promise<{ blobs: Blob[]; hasMore: boolean }>
}

/** A request of a client that the host knows and lets in. GET and HEAD must change nothing. */
export interface WebRequest {
  readonly method: string
  /** Below the prefix, decoded; begins with '/'. */
  readonly path: string
  /** As they came, percent-encoded. */
  readonly rawPath: string
  readonly query: string
  readonly parameters: URLSearchParams
  /** Those that the host lets through, names in small letters. */
  readonly headers: [string, string][]
  readonly body: Uint8Array
  /** Who asks: `token:<id>`, and a name for people. */
  readonly principal: string
  readonly principalName: string
  readonly role: string
  /** The first header of that name, in any case of letters. */
  header(name: string): string | undefined
  /** The body as a value of JSON. Throws Failure, a 400, where it is not. */
  json(): any
}

/** A text; nothing, which is a 204; or an object, with a type by its body where no header says one.
 *
 * `parts`, such as a generator's, go out one by one while they are iterated: a client that reads slowly holds up the
 * iteration, and one that goes ends it. What it throws cuts the client's connection, so that the client does not take a
 * part for the whole. */
export type WebResponse = string | void |
  { status?: number; headers?: Record<string, string>; body?: string | Uint8Array; json?: unknown } |
  { status?: number; headers?: Record<string, string>;
    parts: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array> }

/** A request over HTTP; input, operation and connection are empty. */
export interface WebCall extends Call {
  readonly request: WebRequest
  /** The body, part by part, where the manifest says "bodies": "in-parts"; once. While it is not read, the client waits.
   * Throws Failure where the rest will not come. */
  readBody(): AsyncIterable<Buffer>
}

/** A named part of a call, whose time the host takes. */
export interface Span {
  /** A part of this part. */
  span(name: string, attributes?: Record<string, string | number>): Span
  /** The second time does nothing. */
  end(): void
}

export interface Call<Input = any> {
  readonly input: Input
  /** The plugin's, of this tenant. */
  readonly configuration: any
  readonly operation: string
  readonly tenant: string
  readonly connection: string
  /** The same over every retry. */
  readonly idempotencyKey: string
  readonly traceparent: string
  /** 1 at first. */
  readonly attempt: number
  /** 0: no end. */
  readonly timeoutMs: number
  /** Aborted when the call is cancelled or its time is up; the call is answered then, and what is returned is dropped. */
  readonly signal: AbortSignal
  readonly log: Record<'debug' | 'info' | 'warning' | 'error', (message: string) => void>
  /** Asks a service over a connection of the tenant. Throws Failure where there is no answer. */
  http(method: string, path: string, options?: RequestOptions): Promise<Response>
  /** As http, for an answer that is long or comes over time, up to 1 GiB; `timeoutMs` is that until its head. */
  httpInParts(method: string, path: string, options?: RequestOptions): Promise<IncomingResponse>
  readonly kv: Kv
  readonly blobs: Blobs
  /** Numbers of the plugin among those of the host, of all tenants together: `count` adds, `gauge` takes the place of the
   * value before, `observe` is for times in seconds. Names are of a-z, 0-9 and _; at most 4 labels with few values, and
   * nothing personal. */
  count(name: string, by?: number, labels?: Record<string, string>): void
  gauge(name: string, value: number, labels?: Record<string, string>): void
  observe(name: string, value: number, labels?: Record<string, string>): void
  /** Says how far the call is, for people who look at its workflow: from 0 to 1, undefined: not known; at most 64
   * characters. The last word counts, and nothing waits for it. */
  progress(fraction?: number, text?: string): void
  /** Begins a named part of the call, so that operators see how long what takes; it ends with the call at the latest. At
   * most 64 of a call, with 8 attributes. Never secrets or personal data. */
  span(name: string, attributes?: Record<string, string | number>): Span
  /** Adds text to what the call has given so far, for people who look while it runs, as the answer of a model comes word
   * by word. It is not the output; the last 65,536 bytes are kept until the call ends. */
  stream(text: string): void
  /** The bytes of a signature, by a secret that the plugin never sees: `secret` is the name that the configuration gives in
   * a field which its schema marks with "secret": true. `hmac-sha256` where missing. */
  sign(secret: string, data: string | Uint8Array,
    options?: { signature?: 'hmac-sha256' | 'ed25519' | 'rsa-sha256' }): Promise<Uint8Array>
  /** Emits an event of the tenant, which starts and wakes workflows, and gives its id. `type` begins with
   * "com.<plugin>.". A call that is made again does not double what it emits in the same order. */
  emit(type: string, data?: unknown, options?: { subject?: string }): Promise<string>
}

export class Plugin {
  /** The operation of that name in the manifest. What it returns is the output, and what it throws the failure. All calls
   * share one thread: never block. */
  operation<Input = any>(name: string, run: (call: Call<Input>) => unknown): this
  /** Answers HTTP below the plugin's path; the manifest asks for the permission `serve`. A Failure that it throws is
   * answered by its code. */
  serve(run: (call: WebCall) => WebResponse | Promise<WebResponse>): this
  /** Runs before the first call. Throw Refused to say what is wrong with the configuration. */
  onBegin(run: (configuration: any) => unknown): this
  /** Runs after the last call; the process ends within 2 seconds. */
  onEnd(run: () => unknown): this
  /** Gives what the plugin keeps in memory, at most 1,000,000 bytes, for the version that the tenant switches to. No call is
   * open. Throw Refused to stop the switch. Declared together with onRestore. */
  onSave(run: () => string | Uint8Array | Promise<string | Uint8Array>): this
  /** Runs before the first call with the version that saved, older or newer, and its bytes. Throw Refused to say why they
   * are not taken: that version goes on. */
  onRestore(run: (version: string, state: Buffer) => unknown): this
  /** Runs before a tenant switches to this version. Throw Refused to say why the plugin would not do its work. */
  onCheck(run: () => unknown): this
  /** What the program ends with: takes calls of the host. From a shell it runs one operation, to try it. */
  run(): void
  readonly operations: ReadonlyMap<string, (call: Call) => unknown>
}
