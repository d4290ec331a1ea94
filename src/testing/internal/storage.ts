import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Digest from "../../model/Digest.ts"
import { concat } from "../../model/internal/bytes.ts"
import * as Jobs from "../../model/internal/jobs.ts"
import { DigestMismatch, type InvalidDigest, type StoreError } from "../../model/RegistryError.ts"
import type { ManifestRecord, Place, RepositoryRecord } from "./place.ts"
import type { Service, Upload } from "./storageService.ts"

interface Repository extends RepositoryRecord {
  readonly blobs: Map<Digest.Digest, number>
  readonly manifests: Map<Digest.Digest, ManifestRecord>
  readonly tags: Map<string, Digest.Digest>
  readonly saving: Jobs.Jobs
}

const toRepository = (record: RepositoryRecord): Repository => ({
  name: record.name,
  blobs: new Map(record.blobs),
  manifests: new Map(record.manifests),
  tags: new Map(record.tags),
  saving: Jobs.make(1)
})

/** A storage over a place for bytes, knowing the repositories found there. @internal */
export const make = (place: Place, found: ReadonlyArray<RepositoryRecord>): Service => {
  const repositories = new Map(found.map((record) => [record.name, toRepository(record)]))
  const sessions = new Map<string, Upload>()
  const changingContent = Jobs.make(1)
  const changingManifests = Jobs.make(1)
  let uploadCount = 0

  const known = (name: string): Repository | undefined => repositories.get(name)

  const created = (name: string): Repository => {
    const existing = repositories.get(name)
    if (existing !== undefined) return existing
    const repository = toRepository({ name, blobs: new Map(), manifests: new Map(), tags: new Map() })
    repositories.set(name, repository)
    return repository
  }

  /** Records are written one after the other, each with what is true when its turn comes. */
  const save = (repository: Repository): Effect.Effect<void, StoreError> =>
    Jobs.one(
      repository.saving,
      Effect.suspend(() => place.save(repository))
    )

  const linked = (digest: Digest.Digest): boolean => {
    for (const repository of repositories.values()) if (repository.blobs.has(digest) || repository.manifests.has(digest)) return true
    return false
  }

  /** Content that is stored is linked before anybody finds that nothing links it. */
  const storing = <A, E>(self: Effect.Effect<A, E>) => Jobs.one(changingContent, self)

  const dropContent = (digest: Digest.Digest) => storing(Effect.suspend(() => (linked(digest) ? Effect.void : place.remove(digest))))

  const blobIn = (name: string, digest: Digest.Digest): number | undefined => known(name)?.blobs.get(digest)

  const blobAnywhere = (digest: Digest.Digest): number | undefined => {
    for (const repository of repositories.values()) {
      const size = repository.blobs.get(digest)
      if (size !== undefined) return size
    }
    return undefined
  }

  const hashUpload = (id: string, algorithm: string): Effect.Effect<Digest.Digest, InvalidDigest | StoreError> =>
    Effect.flatMap(Digest.hasher(algorithm), (hasher) =>
      Effect.map(
        Stream.runForEachChunk(place.readUpload(id), (chunk) => Effect.sync(() => Chunk.forEach(chunk, (bytes) => hasher.update(bytes)))),
        () => hasher.digest()
      )
    )

  const makeUpload = (id: string, repository: string, algorithm: string, hasher: Digest.Hasher, startedAt: number): Upload => {
    const turn = Jobs.make(1)
    let sizeBytes = 0

    const finish = Effect.sync(() => void sessions.delete(id))

    const commit = Effect.fnUntraced(function* (digest: Digest.Digest) {
      const actual = Digest.algorithm(digest) === algorithm ? hasher.digest() : yield* hashUpload(id, Digest.algorithm(digest))
      if (actual !== digest) {
        yield* place.discard(id)
        return yield* new DigestMismatch({ repository, operation: "upload", expected: digest, actual })
      }
      const target = yield* storing(
        Effect.map(place.seal(id, digest, sizeBytes), () => {
          const target = created(repository)
          target.blobs.set(digest, sizeBytes)
          return target
        })
      )
      yield* save(target)
      return sizeBytes
    })

    const upload: Upload = {
      id,
      repository,
      info: Effect.sync(() => ({ id, repository, sizeBytes, startedAt })),
      exclusive: (self) =>
        Jobs.one(
          turn,
          Effect.suspend(() => (sessions.get(id) === upload ? Effect.asSome(self) : Effect.succeedNone))
        ),
      append: (body) =>
        Effect.map(
          place.append(id, body, (bytes) => {
            hasher.update(bytes)
            sizeBytes += bytes.length
          }),
          () => sizeBytes
        ),
      commit: (digest) => Effect.uninterruptible(Effect.ensuring(commit(digest), finish)),
      cancel: Effect.uninterruptible(Effect.zipRight(finish, place.discard(id)))
    }
    return upload
  }

  const openUpload: Service["openUpload"] = Effect.fnUntraced(function* (repository, options) {
    const algorithm = options?.algorithm ?? "sha256"
    const hasher = yield* Digest.hasher(algorithm)
    const startedAt = yield* Clock.currentTimeMillis
    uploadCount += 1
    const id = options?.id ?? `${uploadCount}-${globalThis.crypto.randomUUID()}`
    const upload = makeUpload(id, repository, algorithm, hasher, startedAt)
    sessions.set(id, upload)
    return upload
  })

  const linkBlob: Service["linkBlob"] = Effect.fnUntraced(function* (digest, to, from) {
    const size = from === undefined ? blobAnywhere(digest) : blobIn(from, digest)
    if (size === undefined) return Option.none()
    const target = created(to)
    target.blobs.set(digest, size)
    yield* save(target)
    return Option.some(size)
  }, Effect.uninterruptible)

  const removeBlob: Service["removeBlob"] = Effect.fnUntraced(function* (name, digest) {
    const repository = known(name)
    if (repository?.blobs.delete(digest) !== true) return false
    yield* save(repository)
    yield* dropContent(digest)
    return true
  }, Effect.uninterruptible)

  const manifest: Service["manifest"] = Effect.fnUntraced(function* (name, digest) {
    const record = known(name)?.manifests.get(digest)
    if (record === undefined) return Option.none()
    return Option.some({ digest, ...record, bytes: concat(yield* Stream.runCollect(place.read(digest))) })
  })

  const putManifest: Service["putManifest"] = Effect.fnUntraced(function* (name, { bytes, digest, ...record }, tags) {
    const repository = yield* storing(
      Effect.map(place.put(digest, bytes), () => {
        const repository = created(name)
        repository.manifests.set(digest, record)
        for (const tag of tags) repository.tags.set(tag, digest)
        return repository
      })
    )
    yield* save(repository)
  }, Effect.uninterruptible)

  const removeManifest: Service["removeManifest"] = Effect.fnUntraced(function* (name, digest) {
    const repository = known(name)
    if (repository?.manifests.delete(digest) !== true) return false
    for (const [tag, tagged] of repository.tags) if (tagged === digest) repository.tags.delete(tag)
    yield* save(repository)
    yield* dropContent(digest)
    return true
  }, Effect.uninterruptible)

  const removeTag: Service["removeTag"] = Effect.fnUntraced(function* (name, tag) {
    const repository = known(name)
    if (repository?.tags.delete(tag) !== true) return false
    yield* save(repository)
    return true
  }, Effect.uninterruptible)

  return {
    repositories: Effect.sync(() => [...repositories.keys()].sort()),
    hasRepository: (name) => Effect.sync(() => repositories.has(name)),
    createRepository: (name) => Effect.suspend(() => save(created(name))),
    blobs: (name) => Effect.sync(() => [...(known(name)?.blobs.keys() ?? [])].sort()),
    blobSize: (name, digest) => Effect.sync(() => Option.fromNullable(blobIn(name, digest))),
    read: place.read,
    linkBlob,
    removeBlob,
    openUpload,
    upload: (repository, id) =>
      Effect.sync(() => Option.filter(Option.fromNullable(sessions.get(id)), (upload) => upload.repository === repository)),
    uploads: Effect.suspend(() => Effect.forEach([...sessions.values()], (upload) => upload.info)),
    manifests: (name) => Effect.sync(() => [...(known(name)?.manifests.keys() ?? [])].sort()),
    manifest,
    hasManifest: (name, digest) => Effect.sync(() => known(name)?.manifests.has(digest) === true),
    putManifest,
    removeManifest,
    referrers: (name, subject) =>
      Effect.sync(() =>
        [...(known(name)?.manifests.values() ?? [])].flatMap((record) =>
          record.subject === subject && record.referrer !== undefined ? [record.referrer] : []
        )
      ),
    tags: (name) => Effect.sync(() => [...(known(name)?.tags.keys() ?? [])].sort()),
    tag: (name, tag) => Effect.sync(() => Option.fromNullable(known(name)?.tags.get(tag))),
    removeTag,
    exclusive: (self) => Jobs.one(changingManifests, self),
    reset: Effect.suspend(() => {
      repositories.clear()
      sessions.clear()
      return place.clear
    })
  }
}
