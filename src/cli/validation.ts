/** Looks at every byte an image is made of. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as ContentStore from "../content/ContentStore.ts"
import * as Graph from "../copy/Graph.ts"
import * as Image from "../image/Image.ts"
import type * as Descriptor from "../model/Descriptor.ts"
import * as Manifest from "../model/Manifest.ts"
import * as MediaType from "../model/MediaType.ts"
import { type RegistryError, StoreError } from "../model/RegistryError.ts"

/** What is wrong with one piece of content. */
export interface Problem {
  readonly descriptor: Descriptor.Descriptor
  readonly error: RegistryError
}

export interface Verdict {
  readonly manifests: number
  readonly blobs: number
  readonly bytes: number
  readonly problems: ReadonlyArray<Problem>
}

/** `fast`: whether content is asked for instead of read. */
export interface Options {
  readonly fast: boolean
  readonly jobs: number
}

interface Check<E> {
  readonly descriptor: Descriptor.Descriptor
  readonly run: Effect.Effect<void, E | RegistryError>
}

type Source<E> = ContentStore.Source<E>

const present = <E>(source: Source<E>, descriptor: Descriptor.Descriptor): Check<E> => ({
  descriptor,
  run: Effect.flatMap(source.exists(descriptor), (exists) =>
    exists
      ? Effect.void
      : Effect.fail(
          new StoreError({ store: source.label, operation: "validate", reason: `${descriptor.digest} is not there`, missing: true })
        )
  )
})

/** The layers of an image are unpacked, so that their diff ids are looked at too. */
const whole = <E>(source: Source<E>, { blobs, manifest }: Graph.Node): ReadonlyArray<Check<E>> => {
  const image = Manifest.isImageManifest(manifest) && MediaType.isConfig(manifest.config.mediaType)
  const layers = image ? Image.fromImageManifest(source, manifest).layers : []
  const known = new Map(layers.map((layer) => [layer.descriptor.digest, layer]))
  return blobs.map((descriptor) => ({
    descriptor,
    run: Stream.runDrain(known.get(descriptor.digest)?.uncompressed ?? source.fetchBlob(descriptor))
  }))
}

/** Each blob once; layers that are meant to be fetched elsewhere need not be there. */
const checks = <E>(source: Source<E>, nodes: ReadonlyArray<Graph.Node>, { fast }: Options): ReadonlyArray<Check<E>> => {
  const all = nodes.flatMap((node) => (fast ? node.blobs.map((blob) => present(source, blob)) : whole(source, node)))
  const once = new Map(all.map((check) => [check.descriptor.digest, check]))
  return [...once.values()].filter(({ descriptor }) => MediaType.isDistributable(descriptor.mediaType))
}

const sizeOf = (descriptors: ReadonlyArray<Descriptor.Descriptor>) => descriptors.reduce((sum, { size }) => sum + size, 0)

/** Manifests that cannot be read fail; what is wrong with blobs is collected. */
export const validate = <E extends RegistryError>(source: Source<E>, reference: string, options: Options) =>
  Effect.gen(function* () {
    const nodes = Graph.postOrder(yield* Graph.load(source, yield* source.fetchManifest(reference)))
    const wanted = checks(source, nodes, options)
    const problems = yield* Effect.forEach(
      wanted,
      ({ descriptor, run }) =>
        Effect.match(run, { onSuccess: () => [], onFailure: (error): ReadonlyArray<Problem> => [{ descriptor, error }] }),
      { concurrency: options.jobs }
    )
    const verdict: Verdict = {
      manifests: nodes.length,
      blobs: wanted.length,
      bytes: sizeOf(nodes.map((_) => _.descriptor)) + sizeOf(wanted.map((_) => _.descriptor)),
      problems: problems.flat()
    }
    return verdict
  })
