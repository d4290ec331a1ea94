/**
 * Uploads of blobs: found, mounted, or sent by the plan the registry likes, and gone on with where they broke off.
 *
 * After a failure the registry is asked how far it got and only the rest is sent. An upload that is interrupted or fails cancels its
 * session. What is stored is decided by the digest of the closing request alone.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Descriptor from "../model/Descriptor.ts"
import * as Digest from "../model/Digest.ts"
import * as MediaType from "../model/MediaType.ts"
import type * as Reference from "../model/Reference.ts"
import { DigestMismatch, SizeMismatch } from "../model/RegistryError.ts"
import type { HostSettings, UploadPlan } from "../transport/RegistryHosts.ts"
import type * as RegistryTransport from "../transport/RegistryTransport.ts"
import { existsForUpload } from "./internal/blobExists.ts"
import type { MountBlobError, PutBlobError } from "./internal/errors.ts"
import * as Content from "./internal/uploadContent.ts"
import * as Once from "./internal/uploadOnce.ts"
import * as UploadPlans from "./internal/uploadPlan.ts"
import * as Resumable from "./internal/uploadResumable.ts"
import * as Session from "./internal/uploadSession.ts"

/**
 * The content of a blob.
 *
 * - bytes in memory
 * - a stream that gives the same bytes each time it is run
 * - `{ from }`: a stream from an offset on, so that a resumed upload reads only what is missing (files)
 * - `{ once }`: a stream that can be run once; it leaves in chunks that are kept until the registry has them
 *
 * @since 0.1.0
 */
export type Source<E = never, R = never> =
  | Uint8Array
  | Stream.Stream<Uint8Array, E, R>
  | { readonly from: (offset: number) => Stream.Stream<Uint8Array, E, R> }
  | { readonly once: Stream.Stream<Uint8Array, E, R> }

/** An open upload, as it may be kept to go on later: plain data, and as secret as a signed URL. @since 0.1.0 */
export interface UploadSession {
  readonly location: string
  readonly offset: number
}

/**
 * - `mountFrom`: repositories of the same registry that may hold the blob, tried in order
 * - `checkExists`: whether the registry is asked for the blob first, default yes
 * - `plan`, `chunkBytes`: instead of the host's settings
 * - `maxResumes`: how often in a row sending may fail without one more byte being stored, default 5
 * - `onBytes`: told how many bytes leave, those that are sent again included
 * - `session`: an upload to go on with; `onSession`: told where the upload is, to keep it; `keepSession`: an upload that fails is not cancelled
 *
 * @since 0.1.0
 */
export interface Options {
  readonly mountFrom?: ReadonlyArray<string> | undefined
  readonly checkExists?: boolean | undefined
  readonly plan?: UploadPlan | undefined
  readonly chunkBytes?: number | undefined
  readonly maxResumes?: number | undefined
  readonly onBytes?: ((count: number) => void) | undefined
  readonly session?: UploadSession | undefined
  readonly onSession?: ((session: UploadSession) => void) | undefined
  readonly keepSession?: boolean | undefined
}

/** Options of content whose digest is not known yet. `mediaType` and `algorithm` are those of the descriptor that is made. @since 0.1.0 */
export interface StreamOptions extends Pick<Options, "plan" | "chunkBytes" | "maxResumes" | "onBytes"> {
  readonly mediaType?: string | undefined
  readonly algorithm?: string | undefined
}

/**
 * How the blob came to be there: `existed`, `mounted` (out of `from`), or `uploaded` with `sentBytes` on the wire, `resentBytes` of them
 * for the second time.
 *
 * @since 0.1.0
 */
export interface Result {
  readonly descriptor: Descriptor.Descriptor
  readonly outcome: "existed" | "mounted" | "uploaded"
  readonly from?: string | undefined
  readonly sentBytes: number
  readonly resentBytes: number
}

type Transport = RegistryTransport.Service

/** What uploads learn about registries; one for each client. @internal */
export const makeMemory = UploadPlans.memory

const placeOf = (
  transport: Transport,
  repository: Reference.Repository,
  operation: string,
  from: ReadonlyArray<string>
): Session.Place => ({
  transport,
  repository,
  operation,
  mountFrom: from.filter((name) => name !== repository.name)
})

const maxRefusedMounts = 10_000

type Begun =
  | { readonly _tag: "Mounted"; readonly from: string | undefined }
  | { readonly _tag: "Opened"; readonly session: Session.Session }

/** Mounts if some repository may hold the blob; a mount that fails is no failure, and not tried again. */
const begin = Effect.fnUntraced(function* (
  place: Session.Place,
  settings: HostSettings,
  learned: UploadPlans.Memory,
  digest: Digest.Digest
) {
  const { registry } = place.repository
  const candidates = place.mountFrom.length === 0 && settings.anonymousMount ? [undefined] : place.mountFrom
  for (const from of candidates) {
    const key = `${registry} ${from ?? ""}`
    if (learned.refusedMounts.has(key)) continue
    const tried = yield* Effect.option(Session.mount(place, digest, from, settings.mountOrigin ? registry : undefined))
    if (Option.isNone(tried)) {
      if (learned.refusedMounts.size < maxRefusedMounts) learned.refusedMounts.add(key)
      continue
    }
    const begun: Begun = tried.value._tag === "Created" ? { _tag: "Mounted", from } : tried.value
    return begun
  }
  const started = yield* Session.start({ ...place, mountFrom: [] }, Digest.algorithm(digest))
  const begun: Begun = started._tag === "Created" ? { _tag: "Mounted", from: undefined } : started
  return begun
})

const contentOf = <E>(
  source: Exclude<Source<E>, { readonly once: unknown }>,
  descriptor: Descriptor.Descriptor,
  mismatch: (actual: number) => SizeMismatch,
  onBytes: (count: number) => void
): Content.Content => {
  if (source instanceof Uint8Array) return Content.fromBytes(source, onBytes)
  const seeks = "from" in source
  return Content.fromStream(descriptor.size, { open: seeks ? source.from : () => source, seeks, replayable: true, mismatch, onBytes })
}

/**
 * Sees to it that the repository holds a blob of known digest and size.
 *
 * @since 0.1.0
 */
export const put = <E = never, R = never>(
  transport: Transport,
  learned: UploadPlans.Memory,
  repository: Reference.Repository,
  descriptor: Descriptor.Descriptor,
  source: Source<E, R>,
  options: Options = {}
): Effect.Effect<Result, PutBlobError | E, R> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<R>()
    const place = placeOf(transport, repository, "putBlob", options.mountFrom ?? [])
    const settings = transport.settings(repository.registry)
    const where = { registry: repository.registry, repository: repository.name, operation: "putBlob" }
    const mismatch = (actual: number) => new SizeMismatch({ ...where, expected: descriptor.size, actual })
    if (source instanceof Uint8Array && source.byteLength !== descriptor.size) return yield* mismatch(source.byteLength)

    if (options.checkExists !== false && (yield* existsForUpload(place, descriptor.digest))) return found(descriptor, "existed")
    const begun: Begun =
      options.session === undefined
        ? yield* begin(place, settings, learned, descriptor.digest)
        : { _tag: "Opened", session: yield* continued(place, options.session, descriptor) }
    if (begun._tag === "Mounted") return found(descriptor, "mounted", begun.from)

    let sentBytes = 0
    const onBytes = (count: number) => {
      sentBytes += count
      options.onBytes?.(count)
    }
    const provided = provide(source, context)
    if ("once" in provided) {
      const hasher = yield* Digest.hasher(Digest.algorithm(descriptor.digest))
      const check = (sent: Once.Sent) =>
        sent.sizeBytes !== descriptor.size
          ? mismatch(sent.sizeBytes)
          : sent.digest !== descriptor.digest
            ? new DigestMismatch({ ...where, expected: descriptor.digest, actual: sent.digest })
            : Effect.void
      yield* Once.upload(place, settings, learned, hasher, provided.once, { ...options, onBytes, check }, begun.session)
    } else {
      const content = contentOf(provided, descriptor, mismatch, onBytes)
      yield* Resumable.upload<E>(place, settings, learned, descriptor.digest, content, options, begun.session)
    }
    return uploaded(descriptor, sentBytes, descriptor.size - (options.session === undefined ? 0 : begun.session.offset))
  })

/**
 * Uploads content that is being made: its digest is computed on the way and closes the upload.
 *
 * @since 0.1.0
 */
export const putStream = <E = never, R = never>(
  transport: Transport,
  learned: UploadPlans.Memory,
  repository: Reference.Repository,
  stream: Stream.Stream<Uint8Array, E, R>,
  options: StreamOptions = {}
): Effect.Effect<Result, PutBlobError | E, R> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<R>()
    const place = placeOf(transport, repository, "putBlobStream", [])
    const algorithm = options.algorithm ?? "sha256"
    const hasher = yield* Digest.hasher(algorithm)
    const started = yield* Session.start(place, algorithm)
    if (started._tag === "Created") return yield* Session.failed(place, "the registry opened no upload", 0)
    let sentBytes = 0
    const onBytes = (count: number) => {
      sentBytes += count
      options.onBytes?.(count)
    }
    const sent = yield* Once.upload(
      place,
      transport.settings(repository.registry),
      learned,
      hasher,
      Stream.provideContext(stream, context),
      { ...options, onBytes, check: () => Effect.void },
      started.session
    )
    const descriptor = { mediaType: options.mediaType ?? MediaType.octetStream, digest: sent.digest, size: sent.sizeBytes }
    return uploaded(descriptor, sentBytes, sent.sizeBytes)
  })

/**
 * Makes a blob of another repository of the same registry available in this one, without moving it; from any repository when `from` is
 * absent. False when the registry does not, which is no error (distribution-spec «Mounting a blob from another repository»).
 *
 * @since 0.1.0
 */
export const mount = (
  transport: Transport,
  repository: Reference.Repository,
  digest: Digest.Digest,
  from?: string | undefined
): Effect.Effect<boolean, MountBlobError> =>
  Effect.gen(function* () {
    const place = placeOf(transport, repository, "mountBlob", from === undefined ? [] : [from])
    const settings = transport.settings(repository.registry)
    const started = yield* Session.mount(place, digest, from, settings.mountOrigin ? repository.registry : undefined)
    if (started._tag === "Created") return true
    yield* Session.cancel(place, started.session)
    return false
  })

const found = (descriptor: Descriptor.Descriptor, outcome: "existed" | "mounted", from?: string): Result => ({
  descriptor,
  outcome,
  from,
  sentBytes: 0,
  resentBytes: 0
})

const uploaded = (descriptor: Descriptor.Descriptor, sentBytes: number, neededBytes: number): Result => ({
  descriptor,
  outcome: "uploaded",
  sentBytes,
  resentBytes: Math.max(0, sentBytes - neededBytes)
})

/** Where a kept upload is; a new one when the registry has forgotten it. */
const continued = Effect.fnUntraced(function* (place: Session.Place, kept: UploadSession, descriptor: Descriptor.Descriptor) {
  const asked = yield* Effect.option(Session.status(place, { ...kept, minChunkBytes: 0 }))
  if (Option.isSome(asked) && asked.value.offset <= descriptor.size) return asked.value
  const started = yield* Session.start(place, Digest.algorithm(descriptor.digest))
  return started._tag === "Opened" ? started.session : yield* Session.failed(place, "the registry opened no upload", 0)
})

const provide = <E, R>(source: Source<E, R>, context: Context.Context<R>): Source<E> => {
  if (source instanceof Uint8Array) return source
  if ("once" in source) return { once: Stream.provideContext(source.once, context) }
  if ("from" in source) return { from: (offset) => Stream.provideContext(source.from(offset), context) }
  return Stream.provideContext(source, context)
}
