import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Digest from "../../model/Digest.ts"
import type * as Reference from "../../model/Reference.ts"
import type { HostSettings } from "../../transport/RegistryHosts.ts"
import { existsForUpload } from "./blobExists.ts"
import type { PutBlobError } from "./errors.ts"
import type { Memory } from "./uploadPlan.ts"
import * as Session from "./uploadSession.ts"
import type { Slot } from "./uploadSlot.ts"

/** How an upload of known digest begins: the blob is there, was mounted, or a session is open. @internal */
export type Begun = { readonly _tag: "Existed" | "Opened" } | { readonly _tag: "Mounted"; readonly from: string | undefined }

const refusesToken = (error: PutBlobError): boolean =>
  error._tag === "Denied" || error._tag === "Unauthorized" || error._tag === "TokenExchangeError"

/** A token that is refused for the sake of the sources is asked for without them. */
const withOrWithoutSources = <A>(slot: Slot, request: Effect.Effect<A, PutBlobError>): Effect.Effect<A, PutBlobError> =>
  slot.place().mountFrom.length === 0
    ? request
    : Effect.catchIf(request, refusesToken, () => {
        slot.forgetSources()
        return request
      })

const mountKey = (registry: string, from: string | undefined): string => `${registry} ${from ?? ""}`

/** The repositories a mount from is worth a request. @internal */
export const mountable = (
  learned: Memory,
  { registry, name }: Reference.Repository,
  candidates: ReadonlyArray<string>
): ReadonlyArray<string> => candidates.filter((from) => from !== name && !learned.refusedMounts.has(mountKey(registry, from)))

const maxRefusedMounts = 10_000

/** Failures after which nothing else is worth a try either. */
const passing: ReadonlySet<PutBlobError["_tag"]> = new Set(["TransportError", "TooManyRequests"])

/** What stands before a registry that is away for a while; a 500 is its own answer. */
const away: ReadonlySet<number> = new Set([502, 503, 504])

const isAway = (error: PutBlobError): boolean => "status" in error && error.status !== undefined && away.has(error.status)

/** Whether the next mount is likely to fail so too. @internal */
export const isLasting = (error: PutBlobError): boolean => !passing.has(error._tag) && !isAway(error)

/** Mounts from the first repository that lets it; a mount that fails is no failure, and one that is refused is not tried again. */
function* mount(slot: Slot, settings: HostSettings, learned: Memory, digest: Digest.Digest) {
  const { registry } = slot.place().repository
  const sources = slot.place().mountFrom
  for (const from of sources.length === 0 && settings.anonymousMount ? [undefined] : sources) {
    const key = mountKey(registry, from)
    if (learned.refusedMounts.has(key)) continue
    const origin = settings.mountOrigin ? registry : undefined
    const tried = yield* Effect.either(slot.mount(digest, { from, origin, retry: false }))
    if (Either.isRight(tried)) {
      const begun: Begun = tried.right === "Created" ? { _tag: "Mounted", from } : { _tag: "Opened" }
      return begun
    }
    if (isLasting(tried.left) && learned.refusedMounts.size < maxRefusedMounts) learned.refusedMounts.add(key)
  }
  return undefined
}

/** How it is found out whether the blob is there; see `BlobUpload.Options.checkExists`. */
export type CheckExists = boolean | "mount"

/** Longer than a round trip; asking takes no longer. */
const patience = "2 seconds"

/** What the trial says, or will say soon. */
const answerOf = (tells: Deferred.Deferred<boolean>): Effect.Effect<boolean> =>
  Effect.flatMap(Deferred.isDone(tells), (isDone) =>
    isDone
      ? Deferred.await(tells)
      : Effect.timeoutTo(Deferred.await(tells), { duration: patience, onTimeout: () => false, onSuccess: (told) => told })
  )

const tellsNothing = Effect.tap(Deferred.make<boolean>(), (tells) => Deferred.succeed(tells, false))

/** Opens the upload and learns by it whether the blob is there, if the registry is known to tell; while it is tried, its answer is waited for. */
function* openOrFind(slot: Slot, learned: Memory, digest: Digest.Digest) {
  const { mountFrom, repository } = slot.place()
  const { name, registry } = repository
  const tells = learned.ownMounts.get(registry)
  if (mountFrom.length > 0 || tells === undefined || !(yield* answerOf(tells))) return undefined
  const tried = yield* Effect.either(slot.mount(digest, { from: name, retry: true }))
  if (Either.isRight(tried)) {
    const begun: Begun = { _tag: tried.right === "Created" ? "Existed" : "Opened" }
    return begun
  }
  if (passing.has(tried.left._tag)) return yield* tried.left
  if (isLasting(tried.left)) learned.ownMounts.set(registry, yield* tellsNothing)
  return undefined
}

/**
 * `onMissing` is run once the content will be wanted, as far as one can tell before the upload is open.
 *
 * @internal
 */
export const begin = Effect.fnUntraced(function* (
  slot: Slot,
  settings: HostSettings,
  learned: Memory,
  digest: Digest.Digest,
  checkExists: CheckExists,
  onMissing: Effect.Effect<void>
): Effect.fn.Return<Begun, PutBlobError> {
  const found = checkExists === "mount" ? yield* openOrFind(slot, learned, digest) : undefined
  if (found !== undefined) return found
  const exists = Effect.suspend(() => existsForUpload(slot.place(), digest))
  if (checkExists !== false && (yield* withOrWithoutSources(slot, exists))) return { _tag: "Existed" }
  const mounted = yield* mount(slot, settings, learned, digest)
  if (mounted !== undefined) return mounted
  yield* onMissing
  if ((yield* withOrWithoutSources(slot, slot.start)) === "Opened") return { _tag: "Opened" }
  // Nothing was mounted and nothing is open: the answer is believed only if the blob is there.
  if (yield* exists) return { _tag: "Existed" }
  return yield* Session.failed(slot.place(), "the registry opened no upload", 0)
})
