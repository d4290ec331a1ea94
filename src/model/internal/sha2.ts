import { sha256, sha512 } from "@noble/hashes/sha2.js"

/** The running state of one hash function, as `node:crypto` and `@noble/hashes` make them; `digest` ends it. */
export interface Incremental {
  readonly update: (bytes: Uint8Array) => unknown
  readonly digest: () => Uint8Array
}

/** @internal */
export type Sha2 = "sha256" | "sha512"

// Node, Bun and Deno hash in native code. `getBuiltinModule` finds it without an import that would break a bundle for the browser.
const native = globalThis.process?.getBuiltinModule?.("node:crypto")

const portable = { sha256, sha512 }

/** In JavaScript alone: browsers, and Node before 20.16. @internal */
export const portableSha2 = (algorithm: Sha2): Incremental => portable[algorithm].create()

/** @internal */
export const sha2 = (algorithm: Sha2): Incremental => (native === undefined ? portableSha2(algorithm) : native.createHash(algorithm))
