/**
 * Uploads of blobs: found, mounted, or sent by the plan the registry likes, and gone on with where they broke off.
 *
 * After a failure the registry is asked how far it got and only the rest is sent. An upload that is interrupted or fails cancels its
 * session. What is stored is decided by the digest of the closing request alone.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import type * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import * as PullStream from "../http/internal/pullStream.ts"
import type * as Descriptor from "../model/Descriptor.ts"
import * as Digest from "../model/Digest.ts"
import * as MediaType from "../model/MediaType.ts"
import type * as Reference from "../model/Reference.ts"
import { DigestMismatch, isResponseError, SizeMismatch } from "../model/RegistryError.ts"
import type { HostSettings, UploadPlan } from "../transport/RegistryHosts.ts"
import type * as RegistryTransport from "../transport/RegistryTransport.ts"
import { existsForUpload } from "./internal/blobExists.ts"
import type { MountBlobError, PutBlobError } from "./internal/errors.ts"
import { originOf } from "./internal/repositoryRequest.ts"
import * as Begin from "./internal/uploadBegin.ts"
import * as Content from "./internal/uploadContent.ts"
import * as Once from "./internal/uploadOnce.ts"
import * as UploadPlans from "./internal/uploadPlan.ts"
import * as Slot from "./internal/uploadSlot.ts"
import * as UploadSource from "./internal/uploadSource.ts"
import * as Transfer from "./internal/uploadTransfer.ts"

export type {
  /** @since 0.1.0 */
  CheckExists
} from "./internal/uploadBegin.ts"

/**
 * The content of a blob.
 *
 * - bytes in memory
 * - a stream that gives the same bytes each time it is run; it is run again only when a registry has lost more than was kept, half a MiB to 4 MiB
 * - `{ from }`: a stream from an offset on, so that even then only what is missing is read (files)
 * - `{ once }`: a stream that can be run once; it leaves in chunks that are kept until the registry has them, at most two at a time. Where the
 *   plan is `single` or `streamed`, or the registry takes no chunks, or only some of more than 64 MiB, it leaves in one request, and a connection
 *   that breaks is `UploadFailed`
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
 * - `mountFrom`: repositories of the same registry that may hold the blob; one after the other is tried until the registry mounts it or opens
 *   an ordinary upload
 * - `checkExists`: whether the registry is asked for the blob first, default yes. `mount`: the request that opens the upload asks by the way, as
 *   a mount from the repository itself, once the registry has mounted so what it was seen to hold; this costs one request for each client and
 *   registry, and saves one for each blob after it
 * - `plan`, `chunkBytes`: instead of the host's settings
 * - `maxResumes`: how often in a row sending may fail without one more byte being stored; as the retry policy has it when absent
 * - `onBytes`: told how many bytes leave, those that are sent again included, and up to which position of the blob (`reached`)
 * - `session`: an upload to go on with; `onSession`: told where the upload is, to keep it; `keepSession`: an upload that fails or is
 *   interrupted is not cancelled
 *
 * @since 0.1.0
 */
export interface Options {
  readonly mountFrom?: ReadonlyArray<string> | undefined
  readonly checkExists?: Begin.CheckExists | undefined
  readonly plan?: UploadPlan | undefined
  readonly chunkBytes?: number | undefined
  readonly maxResumes?: number | undefined
  readonly onBytes?: ((count: number, reached: number) => void) | undefined
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

/** Counts the bytes that leave. */
const counter = (onBytes: Options["onBytes"]) => {
  let sentBytes = 0
  return {
    sentBytes: () => sentBytes,
    count: (count: number, reached: number) => {
      sentBytes += count
      onBytes?.(count, reached)
    }
  }
}

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

const provide = <E, R>(source: Source<E, R>, context: Context.Context<R>): Source<E> => {
  if (source instanceof Uint8Array) return source
  if ("once" in source) return { once: PullStream.provideContext(source.once, context) }
  if ("from" in source) return { from: (offset) => PullStream.provideContext(source.from(offset), context) }
  return PullStream.provideContext(source, context)
}

/** A chunk has whole bytes. Content would never end in chunks of none, or end before it began: what is no length counts as not said. */
const chunkBytesOf = ({ chunkBytes = 0 }: Pick<Options, "chunkBytes">, settings: HostSettings): number =>
  chunkBytes >= 1 ? Math.floor(chunkBytes) : settings.chunkBytes

const transferOptions = (transport: Transport, settings: HostSettings, options: Options): Transfer.Options => ({
  chunkBytes: chunkBytesOf(options, settings),
  maxResumes: options.maxResumes ?? transport.retryPolicy.maxResumes,
  policy: transport.retryPolicy,
  onSession: options.onSession
})

/** A source as it is read. */
type Readable<E> = Uint8Array | { readonly once: Stream.Stream<Uint8Array, E> } | { readonly again: UploadSource.UploadSource<E> }

const readable = <E, R>(source: Source<E, R>, runtime: Runtime.Runtime<R>, company: UploadSource.Company): Readable<E> => {
  const provided = provide(source, runtime.context)
  if (provided instanceof Uint8Array || "once" in provided) return provided
  const seeks = "from" in provided
  return { again: UploadSource.make(runtime, seeks ? provided.from : () => provided, seeks, company) }
}

/** Content of known digest and size on its way. */
interface Task<E> {
  readonly transfer: Transfer.Transfer
  readonly learned: UploadPlans.Memory
  readonly settings: HostSettings
  readonly repository: Reference.Repository
  readonly descriptor: Descriptor.Descriptor
  readonly source: Readable<E>
  readonly options: Options
}

const sizeMismatch = ({ repository, descriptor }: Pick<Task<never>, "repository" | "descriptor">, actual: number) =>
  new SizeMismatch({ ...originOf({ repository, operation: "putBlob" }), expected: descriptor.size, actual })

/** Content that is not to leave in chunks of its own, as it can be sent. */
const partOf = <E>({ source, ...task }: Task<E>, onBytes: Content.OnBytes): Transfer.Part<E> => {
  const { digest, size } = task.descriptor
  if (source instanceof Uint8Array) return { content: Content.fromBytes(source, onBytes), digest }
  const common = { sizeBytes: size, onBytes, mismatch: (actual: number) => sizeMismatch(task, actual) }
  if ("once" in source) return { content: Content.fromStream({ ...common, open: () => source.once, replayable: false }), digest }
  const { from, reached, ready } = source.again
  // A source that ends before the offset it was asked for has not reached it.
  const mismatch = (actual: number) => common.mismatch(Math.min(actual, reached()))
  return { content: Content.fromStream({ ...common, open: from, replayable: true, mismatch }), digest, ready }
}

const sendChunksOnce = <E>(task: Task<E>, once: Stream.Stream<Uint8Array, E>, onBytes: Content.OnBytes) =>
  Effect.gen(function* () {
    const { descriptor, repository, learned, transfer } = task
    const { registry } = repository
    const { digest, size } = descriptor
    const hasher = yield* Digest.hasher(Digest.algorithm(digest))
    const checkSize = (sizeBytes: number) => (sizeBytes > size ? sizeMismatch(task, sizeBytes) : Effect.void)
    const check = (sent: Once.Sent) => {
      if (sent.sizeBytes !== size) return sizeMismatch(task, sent.sizeBytes)
      return sent.digest === digest
        ? Effect.void
        : new DigestMismatch({ ...originOf({ repository, operation: "putBlob" }), expected: digest, actual: sent.digest })
    }
    const plansForSmall = () => UploadPlans.plansFor("auto", learned, registry, size)
    yield* Once.upload(transfer, once, { hasher, onBytes, checkSize, check, plansForSmall })
  })

/** Sends what the task asks for over the open session. */
const sendAll = <E>(task: Task<E>, onBytes: Content.OnBytes): Effect.Effect<void, PutBlobError | E> => {
  const { transfer, learned, settings, descriptor, source, options } = task
  const { registry } = task.repository
  const wanted = options.plan ?? settings.uploadPlan
  if (!(source instanceof Uint8Array) && "once" in source) {
    const [plan, ...others] = UploadPlans.plansForOnce(wanted, learned, registry)
    if (plan === "chunked") {
      transfer.choose([plan, ...others])
      return sendChunksOnce(task, source.once, onBytes)
    }
    transfer.choose([wanted === "single" ? "single" : "streamed"])
  } else {
    transfer.choose(UploadPlans.plansFor(wanted, learned, registry, descriptor.size))
  }
  return transfer.send(partOf(task, onBytes))
}

/** Goes on with a kept session, wherever the registry says it is. */
const goOn = Effect.fnUntraced(function* <E>({ transfer, descriptor, options }: Task<E>, kept: UploadSession) {
  const { slot } = transfer
  slot.set({ ...kept, minChunkBytes: 0 })
  const there =
    (options.checkExists !== false && (yield* existsForUpload(slot.place(), descriptor.digest))) ||
    (yield* transfer.resume(descriptor.size, descriptor.digest))
  return { _tag: there ? ("Existed" as const) : ("Opened" as const) }
})

/**
 * Tries with a blob that is there whether the registry mounts it from its own repository: then it will tell of others as well. Those wait
 * for it. What says nothing about the next trial is forgotten.
 */
const learnOwnMounts = ({ descriptor, learned, repository, transfer }: Task<unknown>): Effect.Effect<void> =>
  Effect.uninterruptibleMask((restore) => {
    const { registry } = repository
    if (learned.ownMounts.has(registry)) return Effect.void
    const tells = Deferred.unsafeMake<boolean>(FiberId.none)
    learned.ownMounts.set(registry, tells)
    const { transport } = transfer.slot.place()
    const trial = tryMount(transport, repository, descriptor.digest, repository.name, false)
    return Effect.flatMap(Effect.exit(restore(trial)), (exit) => {
      const isLasting = Exit.isSuccess(exit) || Option.exists(Cause.failureOption(exit.cause), Begin.isLasting)
      if (!isLasting) learned.ownMounts.delete(registry)
      return Deferred.succeed(tells, Exit.isSuccess(exit) && exit.value)
    })
  })

const run = <E>(task: Task<E>): Effect.Effect<Result, PutBlobError | E> =>
  Effect.gen(function* () {
    const { transfer, learned, settings, descriptor, source, options } = task
    // While the registry opens the upload, the source gives its first bytes.
    const readAhead = "again" in source ? source.again.begin : Effect.void
    const begun: Begin.Begun =
      options.session === undefined
        ? yield* Begin.begin(transfer.slot, settings, learned, descriptor.digest, options.checkExists ?? true, readAhead)
        : yield* goOn(task, options.session)
    if (begun._tag === "Existed") return found(descriptor, "existed")
    if (begun._tag === "Mounted") return found(descriptor, "mounted", begun.from)
    const neededBytes = descriptor.size - transfer.offset()
    const bytes = counter(options.onBytes)
    yield* sendAll(task, bytes.count)
    if (options.checkExists === "mount") yield* learnOwnMounts(task)
    return uploaded(descriptor, bytes.sentBytes(), neededBytes)
  })

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
  Effect.flatMap(Effect.runtime<R>(), (runtime): Effect.Effect<Result, PutBlobError | E> => {
    if (source instanceof Uint8Array && source.byteLength !== descriptor.size) {
      return sizeMismatch({ repository, descriptor }, source.byteLength)
    }
    const settings = transport.settings(repository.registry)
    const mountFrom = Begin.mountable(learned, repository, options.mountFrom ?? [])
    const place = { transport, repository, operation: "putBlob", mountFrom }
    const transfer = Transfer.make(place, Digest.algorithm(descriptor.digest), learned, transferOptions(transport, settings, options))
    const content = readable(source, runtime, learned.sources)
    const task = { transfer, learned, settings, repository, descriptor, source: content, options }
    return Effect.onExit(run(task), (exit) => {
      const ended = transfer.slot.end(options.keepSession === true && Exit.isFailure(exit))
      return "again" in content ? Effect.ensuring(content.again.close, ended) : ended
    })
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
    const { registry } = repository
    const settings = transport.settings(registry)
    const algorithm = options.algorithm ?? "sha256"
    const hasher = yield* Digest.hasher(algorithm)
    const place = { transport, repository, operation: "putBlobStream", mountFrom: [] }
    const transfer = Transfer.make(place, algorithm, learned, transferOptions(transport, settings, options))
    const bytes = counter(options.onBytes)
    const sending = Effect.gen(function* () {
      yield* transfer.start
      transfer.choose(UploadPlans.plansForOnce(options.plan ?? settings.uploadPlan, learned, registry))
      return yield* Once.upload(transfer, Stream.provideContext(stream, context), {
        hasher,
        onBytes: bytes.count,
        checkSize: () => Effect.void,
        check: () => Effect.void,
        plansForSmall: (sizeBytes) => UploadPlans.plansFor("auto", learned, registry, sizeBytes)
      })
    })
    const sent = yield* Effect.ensuring(sending, transfer.slot.end(false))
    const descriptor = { mediaType: options.mediaType ?? MediaType.octetStream, digest: sent.digest, size: sent.sizeBytes }
    return uploaded(descriptor, bytes.sentBytes(), sent.sizeBytes)
  })

/** The registry's own no, whatever its status (field: 401 and 403 of Harbor, 400 of Quay): not that of its token service, nor one for now. */
const refusesMount = (error: MountBlobError): boolean =>
  isResponseError(error) && error.operation === "mountBlob" && error.status < 500 && !error.retryable

/** Asks once, or as the retry policy has it; false when the registry does not or will not. */
const tryMount = (
  transport: Transport,
  repository: Reference.Repository,
  digest: Digest.Digest,
  from: string | undefined,
  retry: boolean
): Effect.Effect<boolean, MountBlobError> =>
  Effect.suspend(() => {
    const place = { transport, repository, operation: "mountBlob", mountFrom: from === undefined ? [] : [from] }
    const slot = Slot.make(place, Digest.algorithm(digest), () => {})
    const origin = transport.settings(repository.registry).mountOrigin ? repository.registry : undefined
    return slot.mount(digest, { from, origin, retry }).pipe(
      Effect.map((outcome) => outcome === "Created"),
      Effect.catchIf(refusesMount, () => Effect.succeed(false)),
      Effect.ensuring(slot.end(false))
    )
  })

/**
 * Makes a blob of another repository of the same registry available in this one, without moving it; from any repository when `from` is
 * absent. False when the registry does not or will not, which is no error (distribution-spec «Mounting a blob from another repository»):
 * should more be wrong than the mount, the upload that follows tells.
 *
 * @since 0.1.0
 */
export const mount = (
  transport: Transport,
  repository: Reference.Repository,
  digest: Digest.Digest,
  from?: string | undefined
): Effect.Effect<boolean, MountBlobError> => tryMount(transport, repository, digest, from, true)
