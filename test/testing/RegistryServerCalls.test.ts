/** The calls that go-containerregistry makes to its own in-memory registry, made to ours. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { parseChunkRange } from "../../src/testing/internal/byteRange.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import { type Deviation, deviation, load } from "../vectors/Vectors.ts"

const Strings = Schema.Record({ key: Schema.String, value: Schema.String })

const Row = Schema.Struct({
  name: Schema.String,
  input: Schema.Struct({
    method: Schema.String,
    url: Schema.String,
    headers: Schema.optionalWith(Strings, { default: () => ({}) }),
    body: Schema.optional(Schema.String),
    blobsBefore: Schema.optionalWith(Strings, { default: () => ({}) }),
    manifestsBefore: Schema.optionalWith(Strings, { default: () => ({}) }),
    uploadsBefore: Schema.optionalWith(Strings, { default: () => ({}) })
  }),
  expected: Schema.Struct({
    status: Schema.Number,
    headers: Schema.optionalWith(Strings, { default: () => ({}) }),
    body: Schema.optional(Schema.String)
  })
})

type Row = typeof Row.Type

const rows = load("registry-server-calls", Row)

const uploadId = (row: Row) => /\/blobs\/uploads\/([^/?]+)/.exec(row.input.url)?.[1]

const chunk = (row: Row) => parseChunkRange(row.input.headers["Content-Range"] ?? "")

const isOpen = (row: Row) => (uploadId(row) ?? "") in row.input.uploadsBefore

/** Where we follow the specification and Go's test registry does not, with the answer we give instead. */
const deviations: ReadonlyArray<Deviation<Row> & { readonly status: number }> = [
  {
    name: "a session must have been opened",
    reason: "spec «Pushing a blob monolithically»: a session begins with POST; Go's registry takes any id",
    applies: (row) =>
      ["PATCH", "PUT"].includes(row.input.method) && uploadId(row) !== undefined && !isOpen(row) && row.expected.status < 300,
    status: 404
  },
  {
    name: "the end of a chunk is inclusive",
    reason: "spec «Pushing a blob in chunks»: <end-of-range> is inclusive; Go's registry reads it as exclusive",
    applies: (row) => isOpen(row) && row.expected.status < 300 && chunk(row)?.length === (row.input.body ?? "").length + 1,
    status: 400
  },
  {
    name: "a range that ends behind the content is cut",
    reason: "RFC 9110 section 14.1.2: such a range means the rest of the content; Go's registry refuses it",
    applies: (row) => {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(row.input.headers["Range"] ?? "") ?? []
      const size = Object.values(row.input.blobsBefore)[0]?.length ?? 0
      return row.expected.status === 416 && Number(first) < size && Number(last) >= size
    },
    status: 206
  },
  {
    name: "a manifest is JSON",
    reason: "image-spec: manifests are JSON objects; Go's registry stores anything",
    applies: (row) =>
      row.input.method === "PUT" &&
      /\/manifests\//.test(row.input.url) &&
      !/^\s*\{/.test(row.input.body ?? "") &&
      row.expected.status === 201,
    status: 400
  },
  {
    name: "no repository is no reason for 404 on referrers",
    reason: "spec «Listing Referrers»: where the API is supported the answer MUST NOT be 404",
    applies: (row) => /\/referrers\//.test(row.input.url) && row.expected.status === 404,
    status: 200
  }
]

const host = "registry.test"

const run = Effect.fnUntraced(function* (row: Row) {
  const registry = yield* MemoryRegistry.MemoryRegistry
  const client = yield* HttpClient.HttpClient
  for (const content of Object.values(row.input.blobsBefore)) yield* registry.seedBlob("foo", content)
  for (const [path, content] of Object.entries(row.input.manifestsBefore)) {
    const [, name = "", tag = ""] = /^(.*)\/manifests\/(.*)$/.exec(path) ?? []
    yield* registry.seedManifest(name, content, { tags: [tag] })
  }
  for (const [id, content] of Object.entries(row.input.uploadsBefore)) yield* registry.seedUpload("foo", id, content)
  // The platform's type of methods is closed; an unknown one is part of the test.
  const method = row.input.method as "GET"
  const request = HttpClientRequest.make(method)(`https://${host}${row.input.url}`, { headers: row.input.headers })
  const response = yield* client.execute(
    row.input.body === undefined
      ? request
      : HttpClientRequest.bodyText(request, row.input.body, row.input.headers["Content-Type"] ?? "application/octet-stream")
  )
  return { status: response.status, headers: response.headers, body: yield* response.text }
})

describe("registry-server-calls", () => {
  for (const [index, row] of rows.entries()) {
    const applied = deviation(deviations, row)
    const known = deviations.find((_) => _ === applied)
    it.effect(`${index} ${row.name}${known === undefined ? "" : ` (deviates: ${known.name})`}`, () =>
      Effect.gen(function* () {
        const answer = yield* run(row)
        assert.strictEqual(answer.status, known?.status ?? row.expected.status)
        if (known !== undefined) return
        for (const [name, value] of Object.entries(row.expected.headers))
          assert.strictEqual(answer.headers[name.toLowerCase()], value, name)
        if (row.expected.body !== undefined) assert.strictEqual(answer.body, row.expected.body)
      }).pipe(Effect.provide(MemoryRegistry.layer({ hosts: { [host]: {} } })))
    )
  }
})
