// Made by `trav plugin generate` from manifest.json: change that, and make this again.

export interface NamesInput {
  class: string
  int: number
  namespace?: string
  "a-b": string
  a_b: string
  a_b_2?: string
  aB?: string
  ""?: string
  "\u65e5\u672c"?: string
  "\u043a\u043b\u044e\u0447"?: number
  "\"quoted\\"?: string
  "new\u000aline"?: string
  "nul\u0000byte"?: string
  "??/trigraph"?: string
  "emoji \u{1f600}"?: string
  "2nd"?: string
  describe?: string
  members?: string
  std?: string
  trv?: string
  boost?: string
  errno?: string
  __proto__?: string
  self?: string
  None?: string
  HTMLUrl?: string
  value?: string
  /** turns the text * / and ends // with a backslash */
  "\u202eright"?: string
  constructor?: string
  default?: string
  operator?: string
  type?: string
  pass?: string
  "*/"?: string
}

export interface ShapesInputNestedDeep {
  deeper?: string
}

export interface ShapesInputNested {
  deep: ShapesInputNestedDeep
}

export type ShapesInputRowsItemTagsItem = "red" | "green"

export interface ShapesInputRowsItem {
  id: number
  tags?: Array<ShapesInputRowsItemTagsItem>
}

export type ShapesInputLevel = 3 | -1 | 7

export type ShapesInputFixed = "v1"

export type ShapesInputState = "open" | "closed" | "in progress" | "" | "int" | "\u65e5\u672c" | "Open"

export interface Node {
  name: string
  children?: Array<Node>
  "by-name"?: { [name: string]: Node }
}

export type ShapesInputMaybeChoice = "a"

export interface ShapesInputOpen {
  known: string
  unlisted: number
  [name: string]: unknown
}

/** Every shape. */
export interface ShapesInput {
  /** A text. */
  text: string
  count: number
  ratio: number
  on: boolean
  nothing: null
  any: unknown
  list: Array<string>
  flags?: Array<boolean>
  matrix?: Array<Array<number>>
  map: { [name: string]: number }
  bag?: { [name: string]: unknown }
  nested: ShapesInputNested
  rows: Array<ShapesInputRowsItem>
  level: ShapesInputLevel
  fixed: ShapesInputFixed
  state?: ShapesInputState
  flag?: boolean
  maybe: string | null
  maybe_absent?: Node | null
  maybe_choice?: ShapesInputMaybeChoice | null
  node: Node
  nodes?: { [name: string]: Node }
  open?: ShapesInputOpen
}

export interface ShapesOutputItem {
  id?: number
}

export interface Linked {
  /** Of any type: it contains itself. */
  next?: unknown
}

export interface JsonItselfInputEither {
  a?: string
  b?: string
}

export interface JsonItselfInput {
  /** Of any type: several types. */
  several?: unknown
  /** Of any type: oneOf. */
  one?: unknown
  /** Of any type: prefixItems. */
  tuple?: unknown
  /** Of any type: patternProperties. */
  patterns?: unknown
  /** Of any type: an enum of several types. */
  mixed?: unknown
  /** Of any type: allOf. */
  merged?: unknown
  /** Of any type: $ref https://example.com/schema. */
  elsewhere?: unknown
  /** Of any type: $ref #/$defs/missing. */
  lost?: unknown
  linked?: Linked
  /** Of any type: oneOf. */
  list?: Array<unknown>
  either?: JsonItselfInputEither
}

export interface OptionInput {
}

export interface JsonItselfInput_2 {
  type_?: string
}

export interface Record_ {
  x: string
}

export interface Record_2 {
  y: string
}

export interface Type {
  z: string
}

export type Any_ = "only"

export interface TypeNamesInput {
  a?: Record_
  b?: Record_2
  c?: Type
  d?: Any_
}

export type TypeNamesOutput = "yes" | "no"

export type NamesOutput = unknown

export type ShapesOutput = Array<ShapesOutputItem>

export type JsonItselfOutput = string | null
