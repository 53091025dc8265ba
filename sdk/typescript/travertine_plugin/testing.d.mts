import { Code, Plugin } from './index.mjs'

/** What the service answers, or why nothing does; `cancel`: the call is cancelled while it waits. To a request in parts:
 * `parts` in place of `body`, and where `breaks` is given, the answer breaks off behind them. */
export type Answer = { status?: number; headers?: Record<string, string>; body?: string | Uint8Array; json?: unknown } |
  { status?: number; headers?: Record<string, string>; parts: (string | Uint8Array)[];
    breaks?: { code: Code; message: string } } |
  { code: Code; message?: string } | typeof cancel
export const cancel: unique symbol

export interface Request {
  method: string
  path: string
  connection: string
  headers: Record<string, string>
  body: string
  timeoutMs: number
  /** Its answer is to come in parts. */
  inParts?: boolean
  /** The operation left an answer in parts before its end. */
  dropped?: boolean
}

export interface CallOptions {
  /** In the order of the requests, or by request. */
  http?: Answer[] | ((request: Request) => Answer)
  tenant?: string
  connection?: string
  attempt?: number
  idempotencyKey?: string
  timeoutMs?: number
}

export interface ServeOptions {
  query?: string
  headers?: Record<string, string>
  body?: string | Uint8Array
  tenant?: string
  principalName?: string
  role?: string
  http?: CallOptions['http']
  timeoutMs?: number
  /** In place of `body`: it comes as the plugin reads it, and breaks off behind them where `breaks` is given. */
  parts?: (string | Uint8Array)[]
  breaks?: { code: Code; message: string }
}

/** The stores of the plugin, one for each tenant. */
export class FakeStore {
  /** What is kept, by key. */
  values(tenant?: string): Record<string, unknown>
  put(key: string, value: unknown, tenant?: string): number
  /** From here on every request fails; without a code none does. */
  failWith(code?: Code, message?: string): void
}

/** The blobs of the plugin, of each tenant its own. */
export class FakeBlobs {
  /** What is kept, by digest. */
  values(tenant?: string): Record<string, Buffer>
  /** Gives the digest. */
  put(bytes: string | Uint8Array, options?: { mediaType?: string; name?: string }, tenant?: string): string
  /** From here on every request fails; without a code none does. */
  failWith(code?: Code, message?: string): void
}

/** One plugin with its configuration. Inputs and outputs are not held against the manifest's schemas here. */
export class FakeHost {
  /** `state`: what another version saved. The plugin's health is checked. */
  constructor(plugin: Plugin, configuration?: object, state?: { version: string; bytes: string | Uint8Array })
  readonly requests: Request[]
  readonly logs: { level: 'debug' | 'info' | 'warning' | 'error'; message: string }[]
  /** Numbers that operations recorded: kind, name, value, labels. */
  readonly measured: [string, string, number, Record<string, string>][]
  /** Name, number of the span that it is a part of (0: the call), attributes. The first of a call has the number 1. */
  readonly spans: [string, number, Record<string, string>][]
  /** Numbers, in the order in which they ended. */
  readonly spansEnded: number[]
  /** What operations have streamed, one behind the other. */
  readonly streamed: string
  /** What operations said of how far they are. */
  readonly progress: [number | undefined, string][]
  readonly store: FakeStore
  readonly blobs: FakeBlobs
  /** What operations had signed; the signature is the text "signed". */
  readonly signed: { secret: string; signature: string; data: string }[]
  readonly events: { id: string; type: string; subject: string; data: unknown }[]
  /** Gives the output; throws Failure as the call fails, and Refused where the plugin refuses its configuration. */
  call(operation: string, input?: unknown, options?: CallOptions): Promise<any>
  /** Asks what the plugin serves; throws Failure as the call fails. The headers are not held against the host's list. */
  serve(method: string, path: string, options?: ServeOptions):
    Promise<{ status: number; headers: Record<string, string>; body: Buffer; parts?: Buffer[] }>
  /** The service answers a body that is sent in parts at its first part, and takes no more. */
  answersEarly: boolean
  /** Of answers in parts, also of those that were broken off. */
  readonly sentParts: Buffer[]
  /** Throws where manifest and program do not have the same operations. */
  checkManifest(file: string | URL): void
  /** What the plugin keeps in memory, as when its tenant switches to another version. Throws Refused. */
  save(): Promise<Buffer>
  end(): Promise<void>
}
