/** Looks at every byte an image is made of. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as ContentStore from "../content/ContentStore.ts"
import * as Graph from "../copy/Graph.ts"
import * as Image from "../image/Image.ts"
import type * as Descriptor from "../model/Descriptor.ts"
import * as Manifest from "../model/Manifest.ts"
import * as MediaType from "../model/MediaType.ts"
import { MalformedContent, type RegistryError, StoreError } from "../model/RegistryError.ts"

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
  /** What the blob has to be beside what its descriptor says; of checks that look for the same one is enough. */
  readonly expected: string
  readonly run: Effect.Effect<void, E | RegistryError>
}

type Source<E> = ContentStore.Source<E>

const present = <E>(source: Source<E>, descriptor: Descriptor.Descriptor): Check<E> => ({
  descriptor,
  expected: "",
  run: Effect.flatMap(source.exists(descriptor), (exists) =>
    exists
      ? Effect.void
      : Effect.fail(
          new StoreError({ store: source.label, operation: "validate", reason: `${descriptor.digest} is not there`, missing: true })
        )
  )
})

const read = <E>(source: Source<E>, descriptor: Descriptor.Descriptor): Check<E> => ({
  descriptor,
  expected: "",
  run: Stream.runDrain(source.fetchBlob(descriptor))
})

/** The layers of an image are unpacked, so that their diff ids are looked at too, unless its config is what is wrong. */
const image = <E>(source: Source<E>, manifest: Manifest.ImageManifest): Effect.Effect<ReadonlyArray<Check<E>>> => {
  const { config, layers } = Image.fromImageManifest(source, manifest)
  const configBlob = read(source, manifest.config)
  const configCheck = (verdict: Check<E>["run"]): Check<E> => ({
    descriptor: manifest.config,
    expected: `the config of ${layers.length} layers`,
    run: Effect.zipRight(configBlob.run, verdict)
  })
  return Effect.match(config, {
    onFailure: (error) => [configCheck(Effect.fail(error)), ...manifest.layers.map((layer) => read(source, layer))],
    onSuccess: ({ rootfs: { diff_ids } }) => [
      configCheck(
        diff_ids.length > layers.length
          ? Effect.fail(
              new MalformedContent({ kind: "image config", reason: `it has ${diff_ids.length} diff ids for ${layers.length} layers` })
            )
          : Effect.void
      ),
      ...layers.map(({ descriptor, uncompressed }, position) => ({
        descriptor,
        expected: diff_ids[position] ?? "a diff id",
        run: Stream.runDrain(uncompressed)
      }))
    ]
  })
}

const whole = <E>(source: Source<E>, { blobs, manifest }: Graph.Node): Effect.Effect<ReadonlyArray<Check<E>>> =>
  Manifest.isImageManifest(manifest) && MediaType.isConfig(manifest.config.mediaType)
    ? image(source, manifest)
    : Effect.succeed(blobs.map((blob) => read(source, blob)))

/** A blob is looked at once, unless different things are said of it; layers that are meant to be fetched elsewhere need not be there. */
const checks = Effect.fnUntraced(function* <E>(source: Source<E>, nodes: ReadonlyArray<Graph.Node>, { fast, jobs }: Options) {
  const all = yield* Effect.forEach(
    nodes,
    (node) => (fast ? Effect.succeed(node.blobs.map((blob) => present(source, blob))) : whole(source, node)),
    { concurrency: jobs }
  )
  const wanted = all.flat().filter(({ descriptor }) => MediaType.isDistributable(descriptor.mediaType))
  return [...new Map(wanted.map((check) => [`${check.descriptor.digest} ${check.descriptor.size} ${check.expected}`, check])).values()]
})

const sizeOf = (descriptors: ReadonlyArray<Descriptor.Descriptor>) => descriptors.reduce((sum, { size }) => sum + size, 0)

/** Manifests that cannot be read fail; what is wrong with blobs is collected. */
export const validate = <E extends RegistryError>(source: Source<E>, reference: string, options: Options) =>
  Effect.gen(function* () {
    const nodes = Graph.postOrder(yield* Graph.load(source, yield* source.fetchManifest(reference)))
    const wanted = yield* checks(source, nodes, options)
    const blobs = [...new Map(wanted.map(({ descriptor }) => [descriptor.digest, descriptor])).values()]
    const problems = yield* Effect.forEach(
      wanted,
      ({ descriptor, run }) =>
        Effect.match(run, { onSuccess: () => [], onFailure: (error): ReadonlyArray<Problem> => [{ descriptor, error }] }),
      { concurrency: options.jobs }
    )
    const verdict: Verdict = {
      manifests: nodes.length,
      blobs: blobs.length,
      bytes: sizeOf(nodes.map((_) => _.descriptor)) + sizeOf(blobs),
      problems: problems.flat()
    }
    return verdict
  })
