/** Images and their layers at the registries of a V1 session. */
import * as HttpBody from "@effect/platform/HttpBody"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { isJsonObject, parseJson } from "../../model/internal/json.ts"
import type { LimitExceeded, MalformedContent } from "../../model/RegistryError.ts"
import type * as TarSum from "../TarSum.ts"
import type * as V1Endpoint from "../V1Endpoint.ts"
import * as ResumableLayer from "./resumableLayer.ts"
import { authorityOf } from "./v1Address.ts"
import { ImageAlreadyExists, ImageNotFound } from "./v1Errors.ts"
import { type Answer, type Exchange, protocol, type Refused, type Request, type Unanswered } from "./v1Exchange.ts"
import { decoded, jsonLimitBytes, malformed } from "./v1Json.ts"
import { type Checksums, upload } from "./v1Layer.ts"
import { decodeIds } from "./v1Results.ts"

/** Why an image could not be read. @since 0.1.0 */
export type ImageError = Unanswered | Refused | MalformedContent | LimitExceeded | ImageNotFound

/** Why an image could not be written. @since 0.1.0 */
export type PutImageError = Unanswered | Refused | ImageAlreadyExists

/** What describes an image, and how many bytes its layer has, if the registry says. @since 0.1.0 */
export interface ImageJson {
  readonly json: Uint8Array
  readonly size: number | undefined
}

/** As one part of a path; half of a surrogate pair has no place in it. */
const segment = (text: string): string => encodeURIComponent(text.replace(/[\ud800-\udfff]/gu, "\ufffd"))

/** A whole number that Go would read; a negative one says nothing. */
const sizeOf = (text: string): number | undefined => {
  const size = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(size) ? size : undefined
}

/** @internal */
export const make = (exchange: Exchange, index: V1Endpoint.V1Endpoint) => {
  const ask = (operation: string, image: string, what: string, registry = index, over: Partial<Request> = {}) =>
    exchange.send({ operation, method: "GET", endpoint: registry, path: `images/${segment(image)}/${what}`, ...over })

  const refused = (answer: Answer, image: string) =>
    answer.status === 404 ? new ImageNotFound({ registry: answer.context.registry, image }) : answer.fail

  const ancestry = Effect.fn("V1Session.ancestry")(function* (
    image: string,
    registry?: V1Endpoint.V1Endpoint
  ): Effect.fn.Return<ReadonlyArray<string>, ImageError> {
    const asked = Effect.gen(function* () {
      const answer = yield* ask("ancestry", image, "ancestry", registry)
      return answer.status === 200 ? yield* decoded(exchange, answer, "list of image ids", decodeIds) : yield* refused(answer, image)
    })
    return yield* Effect.scoped(asked)
  })

  const imageExists = Effect.fn("V1Session.imageExists")(function* (
    image: string,
    registry?: V1Endpoint.V1Endpoint
  ): Effect.fn.Return<boolean, Unanswered | Refused> {
    const asked = Effect.gen(function* () {
      const answer = yield* ask("imageExists", image, "json", registry)
      if (answer.status !== 200 && answer.status !== 404) return yield* answer.fail
      yield* answer.discard
      return answer.status === 200
    })
    return yield* Effect.scoped(asked)
  })

  const imageJson = Effect.fn("V1Session.imageJson")(function* (
    image: string,
    registry?: V1Endpoint.V1Endpoint
  ): Effect.fn.Return<ImageJson, ImageError> {
    const asked = Effect.gen(function* () {
      const answer = yield* ask("imageJson", image, "json", registry)
      if (answer.status !== 200) return yield* refused(answer, image)
      const text = answer.headers["x-docker-size"] ?? ""
      const size = sizeOf(text)
      if (text !== "" && size === undefined)
        return yield* malformed(exchange, answer, "X-Docker-Size", `${JSON.stringify(text)} is no size`)
      const json = yield* answer.bytes(jsonLimitBytes)
      return { json, size: size === undefined || size < 0 ? undefined : size }
    })
    return yield* Effect.scoped(asked)
  })

  const imageLayer = (
    image: string,
    options: { readonly registry?: V1Endpoint.V1Endpoint | undefined; readonly size?: number | undefined } = {}
  ): Stream.Stream<Uint8Array, Unanswered | Refused | ImageNotFound> => {
    const { registry, size = 0 } = options
    const from = (range: string | undefined) =>
      ask("imageLayer", image, "layer", registry, range === undefined ? {} : { headers: { range } })
    const opened = Effect.gen(function* () {
      const answer = yield* from(undefined)
      if (answer.status !== 200) return yield* refused(answer, image)
      const resumes = answer.headers["accept-ranges"] === "bytes" && size > 0
      return resumes ? ResumableLayer.read({ ask: from, answer, totalBytes: size }) : answer.body
    })
    return Stream.withSpan(Stream.unwrapScoped(opened), "V1Session.imageLayer")
  }

  /** A registry says that it has the image in the error of its answer, whatever the status. */
  const put = (operation: string, image: string, what: string, registry: V1Endpoint.V1Endpoint | undefined, over: Partial<Request>) =>
    Effect.scoped(
      Effect.gen(function* () {
        const answer = yield* ask(operation, image, what, registry, { method: "PUT", ...over })
        if (answer.status === 200) return yield* answer.discard
        const said = yield* answer.said
        const json = Either.getOrUndefined(parseJson(said))
        const exists = isJsonObject(json) && json["error"] === "Image already exists"
        if (!exists || answer.status === 401) return yield* answer.refused(said)
        return yield* new ImageAlreadyExists({ registry: authorityOf(answer.context.url), image })
      })
    )

  const putChecksum = Effect.fn("V1Session.putChecksum")(function* (
    image: string,
    checksums: Checksums,
    registry?: V1Endpoint.V1Endpoint
  ): Effect.fn.Return<void, PutImageError> {
    const headers = { "x-docker-checksum": checksums.checksum, "x-docker-checksum-payload": checksums.checksumPayload }
    return yield* put("putChecksum", image, "checksum", registry, { headers })
  })

  const putImageJson = Effect.fn("V1Session.putImageJson")(function* (
    image: string,
    json: Uint8Array,
    registry?: V1Endpoint.V1Endpoint
  ): Effect.fn.Return<void, PutImageError> {
    const headers = { "content-type": "application/json" }
    return yield* put("putImageJson", image, "json", registry, { headers, body: HttpBody.uint8Array(json, "application/json") })
  })

  const putImageLayer = Effect.fn("V1Session.putImageLayer")(function* <E>(
    image: string,
    layer: Stream.Stream<Uint8Array, E>,
    json: Uint8Array,
    registry?: V1Endpoint.V1Endpoint
  ): Effect.fn.Return<Checksums, Unanswered | Refused | TarSum.Failure | E> {
    const { body, broken, checksums } = yield* upload(layer, json)
    const asked = Effect.gen(function* () {
      const answer = yield* Effect.tapError(
        ask("putImageLayer", image, "layer", registry, {
          method: "PUT",
          headers: { "content-type": "application/octet-stream" },
          body,
          replayable: false
        }),
        () => broken
      )
      if (answer.status !== 200) return yield* answer.fail
      const found = yield* checksums
      if (found === undefined) return yield* protocol(answer, "the registry answered before it had the whole layer")
      yield* answer.discard
      return found
    })
    return yield* Effect.scoped(asked)
  })

  return { ancestry, imageExists, imageJson, imageLayer, putChecksum, putImageJson, putImageLayer }
}
