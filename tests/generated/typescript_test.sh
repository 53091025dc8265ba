#!/usr/bin/env bash
# The compiler of TypeScript takes what `trav plugin generate` made. It is of a registry: exits 77 where there is none.
set -euo pipefail
folder="$(cd "$(dirname "${BASH_SOURCE[0]}")/hostile/program" && pwd)"
npm view typescript version >/dev/null 2>&1 || { echo "npm is not installed or reaches no registry"; exit 77; }
work="$(mktemp -d -t travertine-generated-XXXXXX)"
trap 'rm -rf "$work"' EXIT
cp "$folder/operations.d.mts" "$work/"
cat >"$work/use.mts" <<'END'
import type { NamesInput, Node, ShapesInputLevel, ShapesInputOpen } from './operations.mjs'
const leaf: Node = { name: 'leaf' }
export const root: Node = { name: 'root', children: [leaf], 'by-name': { leaf } }
export const names: Omit<NamesInput, 'constructor'> = { class: 'c', int: 1, 'a-b': '', a_b: '', 'emoji \u{1f600}': '', '日本': '' }
export const level: ShapesInputLevel = -1
export const open: ShapesInputOpen = { known: 'k', unlisted: 1, more: 2 }
// @ts-expect-error: it has a name
export const nameless: Node = {}
END
cd "$work"
npm install --silent --no-audit --no-fund typescript@5 >/dev/null
npx tsc --noEmit --strict --target es2022 --module nodenext use.mts operations.d.mts
