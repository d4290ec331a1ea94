import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { getManifest, resolve } from "../../src/client/internal/manifests.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"
import * as Vectors from "../vectors/Vectors.ts"
import { byDigest, byTag, fails, image, manifestHeaders, text, zeros } from "./manifestSamples.ts"

const HeadRow = Schema.Struct({
  name: Schema.String,
  input: Schema.Struct({
    status: Schema.Number,
    reference: Schema.optional(Schema.String),
    headers: Schema.Record({ key: Schema.String, value: Schema.String })
  }),
  expected: Schema.optional(Schema.Struct({ mediaType: Schema.String, size: Schema.Number, digest: Schema.String })),
  expectedError: Schema.optional(Schema.String)
})
type HeadRow = typeof HeadRow.Type

const headerOf = ({ input }: HeadRow, name: string) =>
  Object.entries(input.headers).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1]
const lacks = (row: HeadRow, name: string) => (headerOf(row, name) ?? "") === ""
const digestless = (row: HeadRow) => !Digest.isDigest(headerOf(row, "Docker-Content-Digest"))
const saysNothing = (row: HeadRow) =>
  /^(?:|text\/.*|application\/json|.*\/octet-stream)$/.test(MediaType.essence(headerOf(row, "Content-Type") ?? ""))

const headDeviations: ReadonlyArray<Vectors.Deviation<HeadRow>> = [
  {
    name: "a digest need not be told to who asks by it",
    reason: "asked for by digest, type and length are all that is left to learn (field C11)",
    applies: (row) =>
      row.input.status === 200 &&
      row.input.reference !== undefined &&
      digestless(row) &&
      !saysNothing(row) &&
      Number(headerOf(row, "Content-Length")) > 0
  },
  {
    name: "a HEAD that tells too little is followed by a GET",
    reason: "registries omit or garble the headers of a HEAD (field C10, C11)",
    applies: (row) =>
      row.input.status === 200 &&
      row.input.reference === undefined &&
      (digestless(row) || saysNothing(row) || lacks(row, "Content-Length") || !(Number(headerOf(row, "Content-Length")) > 0))
  },
  {
    name: "a HEAD that is refused is followed by a GET",
    reason: "some registries do not allow the method (field C11)",
    applies: (row) => [400, 403, 405, 501].includes(row.input.status)
  },
  {
    name: "a media type has no parameters",
    reason: "they are to be ignored (distribution-spec, seeds-map E13)",
    applies: (row) => row.expected?.mediaType.includes(";") === true
  }
]

describe("head-manifest.json", () => {
  for (const row of Vectors.load("head-manifest", HeadRow)) {
    const deviation = Vectors.deviation(headDeviations, row)?.name
    it.effect(`${row.name}${deviation === undefined ? "" : ` (${deviation})`}`, () =>
      Effect.gen(function* () {
        const digest = row.input.reference
        const reference = digest === undefined ? byTag : byDigest(Schema.decodeSync(Digest.Digest)(digest))
        const get = { status: 200, headers: manifestHeaders, body: text }
        const script = ScriptedHttp.byMethod({ HEAD: { status: row.input.status, headers: row.input.headers }, GET: get })
        const { asked, outcome } = yield* ScriptedHttp.against(script, (_) => resolve(_, reference))
        switch (deviation) {
          case "a digest need not be told to who asks by it":
            expect(outcome).toEqual(Either.right(expect.objectContaining({ digest, size: Number(headerOf(row, "Content-Length")) })))
            expect(asked.length).toBe(1)
            break
          case "a HEAD that tells too little is followed by a GET":
          case "a HEAD that is refused is followed by a GET":
            expect(outcome).toEqual(digest === undefined ? Either.right(image.descriptor) : fails("DigestMismatch"))
            expect(asked.length).toBe(2)
            break
          case "a media type has no parameters":
            expect(outcome).toEqual(Either.right({ ...row.expected, mediaType: MediaType.essence(row.expected?.mediaType ?? "") }))
            break
          default:
            expect(row.expectedError === undefined ? outcome : Either.isLeft(outcome)).toEqual(
              row.expectedError === undefined ? Either.right(row.expected) : true
            )
        }
      })
    )
  }
})

const DigestRow = Schema.Struct({
  name: Schema.String,
  input: Schema.Struct({
    reference: Schema.String,
    body: Schema.String,
    dockerContentDigest: Schema.NullOr(Schema.String),
    contentType: Schema.NullOr(Schema.String)
  }),
  expectedError: Schema.optional(Schema.Boolean),
  expectedDigest: Schema.optional(Schema.String)
})
type DigestRow = typeof DigestRow.Type

const symbols: Readonly<Record<string, string>> = { "digest of the valid body": image.digest, "other digest": zeros }
const bodyOf = ({ input }: DigestRow) => (input.body === "valid" ? text : input.body)
const announcedIn = ({ input }: DigestRow) => symbols[input.dockerContentDigest ?? ""] ?? input.dockerContentDigest ?? undefined
const askedIn = ({ input }: DigestRow) =>
  input.reference === "tag" ? undefined : Schema.decodeSync(Digest.Digest)(symbols[input.reference] ?? input.reference)
const ownDigest = (row: DigestRow) => Digest.fromBytes(new TextEncoder().encode(bodyOf(row)))
const isSigned = ({ input }: DigestRow) => MediaType.essence(input.contentType ?? "") === MediaType.dockerManifestSchema1Signed

const digestDeviations: ReadonlyArray<Vectors.Deviation<DigestRow>> = [
  {
    name: "an announced digest is verified",
    reason: "a Docker-Content-Digest that is used must be verified (distribution-spec «Pulling manifests»); Go never uses it",
    applies: (row) =>
      askedIn(row) === undefined &&
      !MediaType.isSchema1(row.input.contentType ?? "") &&
      Digest.isDigest(announcedIn(row)) &&
      announcedIn(row) !== ownDigest(row)
  },
  {
    name: "a signed schema 1 manifest is named by what can be computed",
    reason: "its announced digest cannot be verified when the body has no readable signature (seeds-map E8)",
    applies: (row) =>
      isSigned(row) && askedIn(row) === undefined && row.expectedDigest !== undefined && row.expectedDigest !== ownDigest(row)
  },
  {
    name: "a signed schema 1 manifest asked for by digest is verified",
    reason: "Go compares the header with the reference and believes the body (seeds-map E8)",
    applies: (row) => isSigned(row) && askedIn(row) !== undefined && askedIn(row) !== ownDigest(row) && row.expectedError !== true
  }
]

describe("manifest-digest.json", () => {
  for (const row of Vectors.load("manifest-digest", DigestRow)) {
    const deviation = Vectors.deviation(digestDeviations, row)?.name
    it.effect(`${row.name}${deviation === undefined ? "" : ` (${deviation})`}`, () =>
      Effect.gen(function* () {
        const asked = askedIn(row)
        const announced = announcedIn(row)
        const headers = {
          ...(announced === undefined ? {} : { "docker-content-digest": announced }),
          ...(row.input.contentType === null ? {} : { "content-type": row.input.contentType })
        }
        const script = ScriptedHttp.byMethod({ GET: { status: 200, headers, body: bodyOf(row) } })
        const { outcome } = yield* ScriptedHttp.against(script, (_) => getManifest(_, asked === undefined ? byTag : byDigest(asked)))
        const name = Either.map(outcome, (manifest) => (manifest._tag === "Schema1Manifest" ? manifest.payloadDigest : manifest.digest))
        switch (deviation) {
          case "an announced digest is verified":
          case "a signed schema 1 manifest asked for by digest is verified":
            expect(outcome).toEqual(fails("DigestMismatch"))
            break
          case "a signed schema 1 manifest is named by what can be computed":
            expect(name).toEqual(Either.right(ownDigest(row)))
            break
          default:
            expect(Either.isLeft(outcome)).toBe(row.expectedError === true)
            if (row.expectedDigest !== undefined) expect(name).toEqual(Either.right(row.expectedDigest))
        }
      })
    )
  }
})
