// Descriptors may carry their content (image-spec «Content Descriptors», `data`): then nobody has to be asked for it.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type * as ContentStore from "../../content/ContentStore.ts"
import * as Descriptor from "../../model/Descriptor.ts"
import * as Manifest from "../../model/Manifest.ts"

/** The content of a blob: what its descriptor carries, else what the source has. Data that is not the content is passed over. @internal */
export const blob = <E>(
  source: Pick<ContentStore.Source<E>, "fetchBlob">,
  descriptor: Descriptor.Descriptor
): Effect.Effect<Uint8Array | Stream.Stream<Uint8Array, E>> => {
  if (descriptor.data === undefined) return Effect.sync(() => source.fetchBlob(descriptor))
  const fetched = (): Uint8Array | Stream.Stream<Uint8Array, E> => source.fetchBlob(Descriptor.make({ ...descriptor, data: undefined }))
  return Effect.match(Descriptor.content(descriptor), { onSuccess: Option.getOrElse(fetched), onFailure: fetched })
}

/** A manifest, in the same way. @internal */
export const manifest = <E>(
  source: Pick<ContentStore.Source<E>, "fetchManifest">,
  descriptor: Descriptor.Descriptor
): Effect.Effect<Manifest.Manifest, E> =>
  Descriptor.content(descriptor).pipe(
    Effect.flatten,
    Effect.flatMap((bytes) => Manifest.decodeVerified(bytes, { digest: descriptor.digest, contentType: descriptor.mediaType })),
    Effect.orElse(() => source.fetchManifest(descriptor))
  )
