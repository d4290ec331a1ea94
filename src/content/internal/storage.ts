// What the rules of a place on this machine stand on: bytes by digest, and one index. Folders, archives and memory are storages.
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type * as Digest from "../../model/Digest.ts"
import type * as Index from "./layoutIndex.ts"
import type { LocalError } from "./localError.ts"

/** @internal */
export interface Reading {
  readonly label: string
  readonly index: Effect.Effect<Index.Index, LocalError>
  /** Bytes; none when it is not there. */
  readonly sizeOf: (digest: Digest.Digest) => Effect.Effect<Option.Option<number>, LocalError>
  /** The bytes as they are, not checked. Fails when they are not there. */
  readonly read: (digest: Digest.Digest) => Stream.Stream<Uint8Array, LocalError>
}

/** @internal */
export interface Writing {
  /** Changes the index at once for all who look at it; a change may be computed more than once. */
  readonly change: (f: (index: Index.Index) => Index.Index) => Effect.Effect<void, LocalError>
  /** Stores what the stream gives; nothing when the stream fails, as it does when the content is wrong. */
  readonly write: <E, R>(
    digest: Digest.Digest,
    size: number,
    bytes: Stream.Stream<Uint8Array, E, R>
  ) => Effect.Effect<void, LocalError | E, R>
  /** Told that content is wanted again: it is not removed soon. False when it is not there. */
  readonly keep: (digest: Digest.Digest) => Effect.Effect<boolean, LocalError>
}

/** @internal */
export interface Removing {
  /** False when it was not there. */
  readonly remove: (digest: Digest.Digest) => Effect.Effect<boolean, LocalError>
}
