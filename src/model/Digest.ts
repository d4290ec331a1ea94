/**
 * Content digests: `algorithm:encoded`, the name of content by what it is (image-spec «Digests»), and the checks that content is what
 * its digest says.
 *
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Equivalence_ from "effect/Equivalence"
import * as Layer from "effect/Layer"
import * as Order_ from "effect/Order"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as sha2 from "./internal/sha2.ts"
import { DigestMismatch, InvalidDigest, SizeMismatch } from "./RegistryError.ts"

/**
 * A digest whose grammar was checked and, for a registered algorithm, the length and alphabet of its encoded part too.
 *
 * @since 0.1.0
 */
export type Digest = string & Brand.Brand<"effect-oci/Digest">

const grammar = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/

/** Hex digits of the algorithms registered in the image-spec. */
const registered: ReadonlyMap<string, number> = new Map([
  ["sha256", 64],
  ["sha512", 128],
  ["blake3", 64]
])

const problem = (input: string): string | undefined => {
  if (!grammar.test(input)) return "it does not have the form algorithm:encoded"
  const colon = input.indexOf(":")
  const digits = registered.get(input.slice(0, colon))
  if (digits === undefined) return undefined
  const encoded = input.slice(colon + 1)
  if (encoded.length !== digits) return `${input.slice(0, colon)} has ${digits} hex digits, not ${encoded.length}`
  return /^[a-f0-9]+$/.test(encoded) ? undefined : "the hex digits must be 0-9 and a-f"
}

/** @since 0.1.0 */
export const Digest: Schema.Schema<Digest, string> = Schema.String.pipe(
  Schema.filter((input) => problem(input) ?? true, {
    arbitrary: () => (fc) => fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => `sha256:${Encoding.encodeHex(bytes)}`)
  }),
  Schema.brand("effect-oci/Digest"),
  Schema.annotations({ identifier: "Digest" })
)

/** @since 0.1.0 */
export const isDigest: (u: unknown) => u is Digest = Schema.is(Digest)

const invalid = (input: string, reason: string) => new InvalidDigest({ input: input.slice(0, 512), reason })

/**
 * Reads a digest. An algorithm that is not registered is fine as long as the grammar fits; its content can be verified only once
 * `Hashers` knows the algorithm.
 *
 * @since 0.1.0
 */
export const parse = (input: string): Either.Either<Digest, InvalidDigest> =>
  isDigest(input) ? Either.right(input) : Either.left(invalid(input, problem(input) ?? "it is not text"))

/** The digest made of an algorithm and what it encoded. @since 0.1.0 */
export const make = (algorithm: string, encoded: string): Either.Either<Digest, InvalidDigest> => parse(`${algorithm}:${encoded}`)

/** The part before the colon. @since 0.1.0 */
export const algorithm = (digest: Digest): string => digest.slice(0, digest.indexOf(":"))

/** The part after the colon; lower-case hex for the registered algorithms. @since 0.1.0 */
export const encoded = (digest: Digest): string => digest.slice(digest.indexOf(":") + 1)

/** @since 0.1.0 */
export const Order: Order_.Order<Digest> = Order_.string

/** @since 0.1.0 */
export const Equivalence: Equivalence_.Equivalence<Digest> = Equivalence_.string

// --- hashing ---

export type {
  /** @since 0.1.0 */
  Incremental
} from "./internal/sha2.ts"

/**
 * The hash functions content can be verified with, by algorithm. By default `sha256` and `sha512`, in native code where there is any.
 *
 * @since 0.1.0
 */
export class Hashers extends Context.Reference<Hashers>()("effect-oci/Digest/Hashers", {
  defaultValue: (): Readonly<Record<string, () => sha2.Incremental>> => ({
    sha256: () => sha2.sha2("sha256"),
    sha512: () => sha2.sha2("sha512")
  })
}) {}

/**
 * Adds hash functions, for instance the registered but rarely used blake3:
 *
 * ```ts
 * import { blake3 } from "@noble/hashes/blake3.js"
 *
 * const layer = Digest.layerHashers({ blake3: () => blake3.create({}) })
 * ```
 *
 * @since 0.1.0
 */
export const layerHashers = (hashers: Readonly<Record<string, () => sha2.Incremental>>): Layer.Layer<never> =>
  Layer.effect(
    Hashers,
    Effect.map(Hashers, (known) => ({ ...known, ...hashers }))
  )

/** Computes one digest. `digest` is called once, at the end. @since 0.1.0 */
export interface Hasher {
  readonly update: (bytes: Uint8Array) => void
  readonly digest: () => Digest
}

const decodeDigest = Schema.decodeSync(Digest)

const toHasher = (algorithm: string, state: sha2.Incremental): Hasher => ({
  update: (bytes) => {
    state.update(bytes)
  },
  digest: () => decodeDigest(`${algorithm}:${Encoding.encodeHex(state.digest())}`)
})

/** A fresh hasher; fails when `Hashers` does not know the algorithm. @since 0.1.0 */
export const hasher: (algorithm: string) => Effect.Effect<Hasher, InvalidDigest> = Effect.fnUntraced(function* (algorithm) {
  const hashers = yield* Hashers
  const start = Object.hasOwn(hashers, algorithm) ? hashers[algorithm] : undefined
  if (start === undefined) return yield* invalid(algorithm, "there is no hash function for this algorithm")
  return toHasher(algorithm, start())
})

/** The digest of some bytes. @since 0.1.0 */
export const fromBytes = (bytes: Uint8Array, algorithm: "sha256" | "sha512" = "sha256"): Digest => {
  const hasher = toHasher(algorithm, sha2.sha2(algorithm))
  hasher.update(bytes)
  return hasher.digest()
}

// --- verifying ---

/** Where the content came from; a failed check says so. @since 0.1.0 */
export interface Origin {
  readonly registry?: string | undefined
  readonly repository?: string | undefined
  readonly operation?: string | undefined
}

/** Checks that the bytes have this digest. @since 0.1.0 */
export const verify: (bytes: Uint8Array, digest: Digest, origin?: Origin) => Effect.Effect<void, DigestMismatch | InvalidDigest> =
  Effect.fnUntraced(function* (bytes, digest, origin) {
    const state = yield* hasher(algorithm(digest))
    state.update(bytes)
    const actual = state.digest()
    if (actual !== digest) return yield* new DigestMismatch({ ...origin, expected: digest, actual })
  })

type Bytes = Chunk.Chunk<Uint8Array>

type Stage<E> = Channel.Channel<Bytes, Bytes, E | DigestMismatch | SizeMismatch, E, void, unknown>

const verifyStage = <E>(state: Hasher, expected: Digest, sizeBytes: number | undefined, origin: Origin | undefined): Stage<E> => {
  let received = 0
  let held: Bytes = Chunk.empty()

  const check = (): DigestMismatch | SizeMismatch | undefined => {
    if (sizeBytes !== undefined && received !== sizeBytes) return new SizeMismatch({ ...origin, expected: sizeBytes, actual: received })
    const actual = state.digest()
    return actual === expected ? undefined : new DigestMismatch({ ...origin, expected, actual })
  }

  const loop: Stage<E> = Channel.readWithCause({
    onInput: (chunk: Bytes) => {
      const before = received
      for (const bytes of chunk) {
        state.update(bytes)
        received += bytes.length
      }
      if (sizeBytes !== undefined && received > sizeBytes) {
        return Channel.fail(new SizeMismatch({ ...origin, expected: sizeBytes, actual: received }))
      }
      // Without content there is nothing to hold back, and what is held must stay so.
      if (received === before) return loop
      const release = held
      held = chunk
      return Chunk.isEmpty(release) ? loop : Channel.flatMap(Channel.write(release), () => loop)
    },
    onFailure: Channel.failCause,
    onDone: () => {
      const failure = check()
      if (failure !== undefined) return Channel.fail(failure)
      return Chunk.isEmpty(held) ? Channel.void : Channel.write(held)
    }
  })
  return loop
}

/**
 * A stage that lets bytes through while it checks them: the size as they flow, the digest at the end. The last chunk is held back until
 * both are right, so that a consumer that saw the stream to its end saw the right content. Each run starts with a fresh hash.
 *
 * Fails with `SizeMismatch` as soon as there are more than `sizeBytes` bytes, and at the end when there are fewer.
 *
 * @since 0.1.0
 */
export const verifyStream =
  (digest: Digest, sizeBytes?: number | undefined, origin?: Origin | undefined) =>
  <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | DigestMismatch | SizeMismatch | InvalidDigest, R> =>
    Stream.unwrap(
      Effect.map(hasher(algorithm(digest)), (state) => Stream.pipeThroughChannel(self, verifyStage<E>(state, digest, sizeBytes, origin)))
    )
