import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as TokenScope from "../../auth/TokenScope.ts"
import * as Location from "../../http/internal/location.ts"
import * as Digest from "../../model/Digest.ts"
import type * as Reference from "../../model/Reference.ts"
import type * as RegistryTransport from "../../transport/RegistryTransport.ts"
import { type CheckDeleteError, type CheckPushError, manifestTags, uploadTags } from "./errors.ts"
import { asUnsupported, manifestPath, type Place, send, uploadsPath } from "./repositoryRequest.ts"
import * as Session from "./uploadSession.ts"

const openUpload = Effect.fnUntraced(function* (place: Place): Effect.fn.Return<string | undefined, CheckPushError, Scope.Scope> {
  const response = yield* send(place, {
    endpoint: "upload",
    method: "POST",
    path: uploadsPath(place),
    headers: { "content-length": "0" },
    scopes: [TokenScope.push(place.repository.name)]
  })
  if (response.status !== 201 && response.status !== 202) return yield* response.fail(uploadTags)
  yield* response.discard
  const location = response.headers["location"]
  return location === undefined ? undefined : Either.getOrUndefined(Location.resolve(location, response.url))
}, Effect.scoped)

/** How long an interrupted check waits for the upload it asked for, to cancel it. */
const patience = Duration.seconds(10)

/**
 * Whether the credentials allow a push: opens an upload and cancels it at once, also when interrupted in between. That the registry cannot
 * cancel is no failure; it forgets the upload in time.
 *
 * @internal
 */
export const checkPush = (transport: RegistryTransport.Service, repository: Reference.Repository): Effect.Effect<void, CheckPushError> => {
  const place = { transport, repository, operation: "checkPush", mountFrom: [] }
  const cancel = (location: string | undefined) =>
    location === undefined ? Effect.void : Session.cancel(place, { location, offset: 0, minChunkBytes: 0 })
  return Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      // A child would be interrupted with us, and the answer that tells what to cancel lost.
      const opening = yield* Effect.forkDaemon(Effect.interruptible(openUpload(place)))
      const opened = Fiber.join(opening)
      const late = opened.pipe(Effect.timeout(patience), Effect.flatMap(cancel), Effect.ignore, Effect.ensuring(Fiber.interrupt(opening)))
      yield* cancel(yield* Effect.onInterrupt(restore(opened), () => late))
    })
  )
}

/** The digest of nothing anybody could find. */
const impossible = Either.getOrThrow(Digest.make("sha256", "0".repeat(64)))

/**
 * Whether the credentials allow deleting manifests, as far as that shows without deleting one: a manifest that cannot exist is deleted. A
 * registry that looks for the manifest before it looks at the permission answers the same to everyone who may read.
 *
 * @internal
 */
export const checkDelete: (
  transport: RegistryTransport.Service,
  repository: Reference.Repository
) => Effect.Effect<void, CheckDeleteError> = Effect.fnUntraced(function* (transport, repository) {
  const place: Place = { transport, repository, operation: "checkDelete" }
  const response = yield* send(place, {
    endpoint: "manifest",
    method: "DELETE",
    path: manifestPath(place, impossible),
    scopes: [TokenScope.remove(repository.name)]
  })
  if (response.status === 200 || response.status === 202) return yield* response.discard
  const refusal = yield* Effect.flip(response.fail(manifestTags))
  if (refusal._tag === "ManifestUnknown") return
  return yield* response.status === 400 || response.status === 405 ? asUnsupported(refusal) : refusal
}, Effect.scoped)
