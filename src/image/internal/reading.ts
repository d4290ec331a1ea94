// What a descriptor describes: out of its `data` when it has some, else out of its place.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as ContentStore from "../../content/ContentStore.ts"
import { collect } from "../../content/internal/blobBytes.ts"
import * as Descriptor from "../../model/Descriptor.ts"
import * as Jobs from "../../model/internal/jobs.ts"
import * as Manifest from "../../model/Manifest.ts"
import {
  type DigestMismatch,
  type InvalidDigest,
  LimitExceeded,
  type MalformedContent,
  type MediaTypeMismatch,
  type SizeMismatch
} from "../../model/RegistryError.ts"

/** @internal */
export type Place<E> = Pick<ContentStore.Source<E>, "label" | "fetchManifest" | "fetchBlob">

/** `data` that is not what the descriptor says. @internal */
export type DataError = MalformedContent | SizeMismatch | DigestMismatch | InvalidDigest

/** The place is not asked before the stream is run. @internal */
export const blobOf = <E>(
  place: Pick<Place<E>, "fetchBlob">,
  descriptor: Descriptor.Descriptor
): Stream.Stream<Uint8Array, E | DataError> => {
  const fetched = Stream.suspend(() => place.fetchBlob(descriptor))
  if (descriptor.data === undefined) return fetched
  return Stream.unwrap(
    Effect.map(
      Descriptor.content(descriptor),
      Option.match({ onNone: () => fetched, onSome: (bytes): Stream.Stream<Uint8Array, E> => Stream.make(bytes) })
    )
  )
}

/** A blob that is a document; it must not be larger than the limit. @internal */
export const bytesOf = <E>(
  place: Pick<Place<E>, "fetchBlob" | "label">,
  descriptor: Descriptor.Descriptor,
  what: string,
  limitBytes: number
): Effect.Effect<Uint8Array, E | DataError | LimitExceeded> =>
  descriptor.size > limitBytes
    ? Effect.fail(new LimitExceeded({ repository: place.label, what, limit: limitBytes }))
    : collect(blobOf(place, descriptor))

/** @internal */
export const manifestOf = <E>(
  place: Pick<Place<E>, "fetchManifest">,
  descriptor: Descriptor.Descriptor
): Effect.Effect<Manifest.Manifest, E | DataError | MediaTypeMismatch> =>
  Effect.gen(function* () {
    const inside = yield* Descriptor.content(descriptor)
    if (Option.isNone(inside)) return yield* place.fetchManifest(descriptor)
    return yield* Manifest.decodeVerified(inside.value, { digest: descriptor.digest, contentType: descriptor.mediaType })
  })

/**
 * The effect, until it has succeeded; its value from then on. Failures are not kept, and who waits while another runs it may be interrupted
 * without harm.
 *
 * @internal
 */
export const remembered = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> => {
  const turn = Jobs.make(1)
  let known = Option.none<A>()
  const run = Effect.tap(effect, (value) => {
    known = Option.some(value)
  })
  return Jobs.one(
    turn,
    Effect.suspend((): Effect.Effect<A, E> => (Option.isSome(known) ? Effect.succeed(known.value) : run))
  )
}
