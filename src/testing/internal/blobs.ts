import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { StoreError } from "../../model/RegistryError.ts"
import type { Response } from "../RegistryOptions.ts"
import { select } from "./byteRange.ts"
import { empty, noBytes, type Refusal, refuse, unsupported } from "./exchange.ts"
import { etag, notModified } from "./preconditions.ts"
import { checkDigest, type Site } from "./site.ts"

const unknown = (digest: string) => refuse(404, "BLOB_UNKNOWN", "blob unknown to registry", { digest })

/** `GET` and `HEAD` of a blob (spec «Pulling blobs»). @internal */
export const read = Effect.fnUntraced(function* (site: Site, name: string, text: string): Effect.fn.Return<Response, Refusal> {
  const digest = yield* checkDigest(site, text)
  const found = yield* site.storage.blobSize(name, digest)
  if (Option.isNone(found)) return yield* unknown(digest)
  const size = found.value
  const tag = site.can.conditional ? { ETag: etag(digest) } : {}
  const ranges = site.can.ranges ? { "Accept-Ranges": "bytes" } : {}
  const headers = { "Docker-Content-Digest": digest, "Content-Type": "application/octet-stream", ...tag, ...ranges }
  if (site.can.conditional && notModified(site.request, digest)) return empty(304, headers)

  const whole = { ...headers, "Content-Length": String(size) }
  if (site.request.method === "HEAD") return { status: 200, headers: whole, body: noBytes }
  const ifRange = site.request.headers["if-range"]
  const wanted = site.can.ranges && (ifRange === undefined || ifRange === etag(digest)) ? site.request.headers["range"] : undefined
  const selection = select(wanted, size)
  switch (selection._tag) {
    case "All":
      return { status: 200, headers: whole, body: size === 0 ? noBytes : site.storage.read(digest) }
    case "Unsatisfiable":
      return yield* refuse(416, "RANGE_INVALID", "the range cannot be satisfied", undefined, { "Content-Range": `bytes */${size}` })
    case "Part": {
      const { offset, length } = selection
      return {
        status: 206,
        headers: { ...headers, "Content-Length": String(length), "Content-Range": `bytes ${offset}-${offset + length - 1}/${size}` },
        body: site.storage.read(digest, { offset, length })
      }
    }
  }
})

/** `DELETE` of a blob (spec «Deleting blobs»). @internal */
export const remove = Effect.fnUntraced(function* (
  site: Site,
  name: string,
  text: string
): Effect.fn.Return<Response, Refusal | StoreError> {
  const digest = yield* checkDigest(site, text)
  if (!site.can.deleteBlob) return yield* unsupported("deleting blobs")
  return (yield* site.storage.removeBlob(name, digest)) ? empty(202) : yield* unknown(digest)
})
