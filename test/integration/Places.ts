/** What places hold after a copy, seen by their own means, by skopeo and by what the registries logged. */
import { randomBytes } from "node:crypto"
import { assert } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type * as ContentStore from "../../src/content/ContentStore.ts"
import * as RemoteRepository from "../../src/content/RemoteRepository.ts"
import * as Copy from "../../src/copy/Copy.ts"
import type * as Descriptor from "../../src/model/Descriptor.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import type * as DockerRegistry from "../support/DockerRegistry.ts"
import * as Skopeo from "../support/Skopeo.ts"
import * as Images from "./Images.ts"

export const repositoryAt = (host: string, name: string) =>
  Effect.flatMap(Reference.parseRepository(`${host}/${name}`), RemoteRepository.make)

/** Every manifest behind a reference, and every blob that is named and not there. */
export const lookAt = Effect.fnUntraced(function* <E>(place: ContentStore.Source<E>, reference: string | Descriptor.Descriptor) {
  const manifests = new Map<string, Manifest.Manifest>()
  const missing: Array<string> = []
  const visit = (next: string | Descriptor.Descriptor): Effect.Effect<void, E> =>
    Effect.gen(function* () {
      const manifest = yield* place.fetchManifest(next)
      if (manifests.has(manifest.digest)) return
      manifests.set(manifest.digest, manifest)
      const [children, blobs] = [true, false].map((is) =>
        Manifest.successors(manifest).filter((_) => MediaType.isManifest(_.mediaType) === is)
      )
      yield* Effect.forEach(
        blobs ?? [],
        (blob) => Effect.map(place.exists(blob), (exists) => (exists ? undefined : missing.push(blob.digest))),
        { concurrency: 8 }
      )
      yield* Effect.forEach(children ?? [], (child) => visit(child), { concurrency: 2 })
    })
  yield* visit(reference)
  return { manifests: [...manifests.values()], missing }
})

export interface Place<E> extends ContentStore.Source<E>, ContentStore.Tags<E> {}

/** Fails the test when a tag leads to something that is not there. */
export const assertWhole = Effect.fnUntraced(function* <E>(place: Place<E>) {
  // A registry does not know the name of a repository before its first tag.
  const isUnknown = (error: unknown) => Predicate.isTagged(error, "NameUnknown")
  const tags = yield* Effect.catchIf(Stream.runCollect(place.tags), isUnknown, () => Effect.succeed(Chunk.empty<string>()))
  for (const tag of tags) assert.deepStrictEqual((yield* lookAt(place, tag)).missing, [], `${tag} of ${place.label} is not whole`)
  return Chunk.size(tags)
})

/**
 * Looks on for as long as it is let: whatever a tag comes to stand for must be whole at once. Told of each look at the tags.
 */
export const watch = <E>(place: Place<E>, tags: ReadonlyArray<string>, onLook: () => void): Effect.Effect<never, E> => {
  const whole = new Set<string>()
  const look = (tag: string) =>
    Effect.gen(function* () {
      const descriptor = yield* place.resolve(tag)
      if (whole.has(descriptor.digest)) return
      assert.deepStrictEqual((yield* lookAt(place, descriptor)).missing, [], `${tag} of ${place.label} was not whole when it came`)
      whole.add(descriptor.digest)
    })
  // With a pause, since what is watched has to get on too.
  return Effect.forEach(tags, look, { concurrency: "unbounded" }).pipe(
    Effect.tap(Effect.sync(onLook)),
    Effect.delay("5 millis"),
    Effect.forever
  )
}

export const raw = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8")

/** skopeo sees the same bytes at both ends, of the tag and of every manifest behind it. */
export const assertSameForSkopeo = Effect.fnUntraced(function* (
  source: RemoteRepository.RemoteRepository,
  target: RemoteRepository.RemoteRepository,
  tag: string
) {
  const { manifests } = yield* lookAt(source, tag)
  const see = (suffix: string) =>
    Effect.all(
      [source, target].map(({ label }) => Skopeo.rawManifest(`docker://${label}${suffix}`)),
      { concurrency: 2 }
    )
  const [ofSource, ofTarget] = yield* see(`:${tag}`)
  assert.isNotEmpty(ofSource)
  assert.strictEqual(ofTarget, ofSource)
  for (const { bytes, digest } of manifests) assert.deepStrictEqual(yield* see(`@${digest}`), [raw(bytes), raw(bytes)])
})

/** Every blob behind the tag read again from both ends: the client verifies each against its digest. */
export const assertSameBlobs = Effect.fnUntraced(function* (
  source: RemoteRepository.RemoteRepository,
  target: RemoteRepository.RemoteRepository,
  tag: string
) {
  for (const { digest, _tag } of (yield* lookAt(source, tag)).manifests) {
    if (_tag === "ImageIndex") continue
    const [one, other] = yield* Effect.all([source, target].map((_) => Images.pull(Reference.withDigest(_.repository, digest))))
    assert.deepStrictEqual(other, one)
  }
})

const requestLine = /"((?:GET|HEAD|POST|PUT|PATCH|DELETE) \/v2\/[^"]*) HTTP\/1\.1" \d+/g

/** What a registry was asked while the effect ran, by its own log. */
export const asked = Effect.fnUntraced(function* <A, E, R>(registry: DockerRegistry.Service, effect: Effect.Effect<A, E, R>) {
  // The log is written after the answer, so a request of the test's own shows how far it is.
  const mark = Effect.gen(function* () {
    const path = `/v2/mark/${randomBytes(8).toString("hex")}/tags/list`
    yield* Effect.promise(() => fetch(`${registry.origin}${path}`).then((_) => _.text()))
    const found = Effect.filterOrFail(
      registry.log,
      (log) => log.includes(`"GET ${path} HTTP`),
      () => "not yet"
    )
    yield* Effect.retry(found, Schedule.intersect(Schedule.spaced("10 millis"), Schedule.recurs(500)))
    return path
  })
  const before = yield* mark
  const result = yield* effect
  const after = yield* mark
  const lines = [...(yield* registry.log).matchAll(requestLine)].map((_) => _[1] ?? "")
  const at = (path: string) => lines.findIndex((line) => line.endsWith(path))
  return { result, requests: lines.slice(at(before) + 1, at(after)) }
})

/** Copied again: nothing moves, and each end is asked once what the tag stands for. */
export const assertNothingMoves = Effect.fnUntraced(function* (
  registries: { readonly from: DockerRegistry.Service; readonly to: DockerRegistry.Service },
  source: RemoteRepository.RemoteRepository,
  target: RemoteRepository.RemoteRepository,
  tag: string
) {
  const { digest } = yield* source.resolve(tag)
  const { requests: ofSource, result } = yield* asked(registries.from, asked(registries.to, Copy.copy(source, tag, target)))
  const { requests: ofTarget, result: copied } = result
  assert.deepInclude(copied, { unchanged: true, manifests: 0, blobs: 0, bytes: 0, skipped: 0, mounted: 0 })
  assert.strictEqual(copied.descriptor.digest, digest)
  const request = ({ repository }: RemoteRepository.RemoteRepository) => `HEAD /v2/${repository.name}/manifests/${tag}`
  assert.deepStrictEqual([ofSource, ofTarget], [[request(source)], [request(target)]])
})
