import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Digest from "../../model/Digest.ts"
import { blobTags } from "./errors.ts"
import { blobPath, originOf } from "./repositoryRequest.ts"
import { type Place, scopesOf } from "./uploadSession.ts"

/**
 * Whether the repository holds the blob. 403 and 405 count as no: some registries answer so for what is missing, and the upload will tell.
 *
 * @internal
 */
export const existsForUpload = (place: Place, digest: Digest.Digest) => Effect.scopedWith((scope) => ask(scope, place, digest))

const ask = Effect.fnUntraced(function* (scope: Scope.Scope, place: Place, digest: Digest.Digest) {
  const response = yield* place.transport.executeIn(scope, {
    ...originOf(place),
    endpoint: "blob",
    method: "HEAD",
    path: blobPath(place, digest),
    scopes: scopesOf(place)
  })
  if (response.status === 200) return true
  if (response.status === 404 || response.status === 403 || response.status === 405) return false
  return yield* response.fail(blobTags)
})
