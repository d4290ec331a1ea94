import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Digest from "../Digest.ts"
import { concat } from "./bytes.ts"
import { isJsonObject, type JsonObject, parseJsonBytes } from "./json.ts"

const asObject = (parsed: Either.Either<unknown, unknown>): Option.Option<JsonObject> =>
  Option.filter(Either.getRight(parsed), isJsonObject)

const firstSignature = (document: JsonObject): Option.Option<JsonObject> =>
  Array.isArray(document["signatures"]) ? Option.filter(Option.fromNullable(document["signatures"][0]), isJsonObject) : Option.none()

const base64Url = (value: unknown): Option.Option<Uint8Array> =>
  typeof value === "string" ? Either.getRight(Encoding.decodeBase64Url(value)) : Option.none()

/**
 * What the signatures of a schema 1 manifest sign and its digest is made of: the body up to `formatLength`, then `formatTail`
 * (libtrust «JSON signature»). None when the body is not signed.
 *
 * @internal
 */
export const signedPayload = (bytes: Uint8Array): Option.Option<Uint8Array> =>
  Option.gen(function* () {
    const signature = yield* Option.flatMap(asObject(parseJsonBytes(bytes)), firstSignature)
    const header = yield* Option.flatMap(base64Url(signature["protected"]), (_) => asObject(parseJsonBytes(_)))
    const tail = yield* base64Url(header["formatTail"])
    const length = header["formatLength"]
    return typeof length === "number" && Number.isInteger(length) && length >= 0 && length <= bytes.length
      ? concat([bytes.subarray(0, length), tail])
      : yield* Option.none()
  })

const layerDigest = (layer: unknown): ReadonlyArray<Digest.Digest> =>
  isJsonObject(layer) && Digest.isDigest(layer["blobSum"]) ? [layer["blobSum"]] : []

/** The layers of a schema 1 manifest, base first; none when it cannot be read. @internal */
export const layerDigests = (payload: Uint8Array): ReadonlyArray<Digest.Digest> =>
  Option.match(asObject(parseJsonBytes(payload)), {
    onNone: () => [],
    onSome: ({ fsLayers }) => (Array.isArray(fsLayers) ? fsLayers.flatMap(layerDigest).reverse() : [])
  })
