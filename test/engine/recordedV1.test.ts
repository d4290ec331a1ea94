import { gunzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as V1Endpoint from "../../src/engine/V1Endpoint.ts"
import * as V1Session from "../../src/engine/V1Session.ts"
import { concat } from "../../src/model/internal/bytes.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"
import * as Vectors from "../vectors/Vectors.ts"
import * as ScriptedV1 from "./ScriptedV1.ts"

const Headers = Schema.Record({ key: Schema.String, value: Schema.String })

const Recorded = Schema.Struct({
  method: Schema.String,
  url: Schema.String,
  headers: Schema.optional(Headers),
  body: Schema.optional(Schema.String),
  /** None where the connection broke. */
  responseStatus: Schema.optional(Schema.Int),
  responseHeaders: Schema.optional(Headers),
  responseBody: Schema.optional(Schema.String)
})

const Row = Schema.Struct({
  name: Schema.String,
  operation: Schema.String,
  indexEndpoint: Schema.String,
  authConfig: Schema.NullOr(Schema.Struct({ username: Schema.optional(Schema.String), password: Schema.optional(Schema.String) })),
  expectedRequests: Schema.Array(Recorded),
  expectedResult: Schema.optional(Schema.Unknown),
  expectedError: Schema.optional(Schema.String)
})
type Row = typeof Row.Type

const host = "registry.test"
const id = "77dbf71da1d00e3fbddc480176eac8994025630c6590d11cfc8fe1209c2a1d20"

const isRedirected = ({ expectedRequests }: Row) =>
  expectedRequests.some(({ responseStatus = 0 }) => responseStatus >= 301 && responseStatus <= 308)

const sendsNoPassword = "Basic Og=="

const deviations = {
  halfAPair: {
    name: "nobody is said to be nobody",
    reason: "Basic with an empty password is never sent (E15)",
    applies: ({ expectedRequests }: Row) =>
      expectedRequests.some(
        ({ headers }) => /^Basic \S*$/.test(headers?.["Authorization"] ?? "") && emptyPassword(headers?.["Authorization"])
      )
  },
  redirect: {
    name: "redirects are the library's",
    reason: "a redirect repeats the request but for 303, its headers come once, and credentials stay with their origin",
    applies: isRedirected
  },
  exists: {
    name: "an image that is not there is an answer",
    reason: "`imageExists` gives false for 404",
    applies: ({ operation, expectedError }: Row) => operation.startsWith("LookupRemoteImage") && expectedError === "HTTP code 404"
  }
} satisfies Record<string, Vectors.Deviation<Row>>

const emptyPassword = (header = ""): boolean => {
  const [scheme, value = ""] = header.split(" ")
  return scheme === "Basic" && (header === sendsNoPassword || atob(value).endsWith(":"))
}

const real = (text: string): string => text.replaceAll("REGISTRY", host)

/** `Name(arguments)`, one after another. */
const callsOf = (operation: string) =>
  Array.from(operation.matchAll(/([A-Z]\w+)(?:\(((?:[^()"]|"(?:[^"\\]|\\.)*")*)\))?/g), ([, name = "", args = ""]) => ({ name, args }))

const repositoryOf = ({ expectedRequests }: Row, args: string) => {
  const written = /(?:^|[ ,])([a-z0-9.]+(?:\/[a-z0-9.]+)+)/.exec(args)?.[1]
  const asked = /\/repositories\/(.+?)\/(?:tags|images|$)/.exec(expectedRequests[0]?.url ?? "")?.[1]
  return Either.getOrThrow(Reference.parseRepository(written ?? `example.com/${asked ?? "foo42/bar"}`))
}

const images: ReadonlyArray<V1Session.ImageData> = [{ id, checksum: "tarsum+sha256:aa", tag: "latest" }, { id: "nochecksum" }]
const registries = ["a.example", "b.example"].map((name) => Either.getOrThrow(V1Endpoint.parse(name)))
const emptyTar = new Uint8Array(1024)
const bytes = (text: string) => new TextEncoder().encode(text)
const text = <E>(stream: Stream.Stream<Uint8Array, E>) =>
  Effect.map(Stream.runCollect(stream), (chunks) => ScriptedV1.text(concat(Chunk.toReadonlyArray(chunks))))

const operations: Readonly<
  Record<
    string,
    (session: V1Session.Session, row: Row, args: string) => Effect.Effect<unknown, { readonly _tag: string; readonly message: string }>
  >
> = {
  GetRemoteHistory: (session) => session.ancestry(id),
  LookupRemoteImage: (session) => session.imageExists(id),
  GetRemoteImageJSON: (session) =>
    Effect.map(session.imageJson(id), ({ json, size }) => ({ json: ScriptedV1.text(json), size: size ?? -1 })),
  GetRemoteImageLayer: (session, _, args) => text(session.imageLayer(id, { size: Number(/size (-?\d+)/.exec(args)?.[1] ?? 0) })),
  GetRemoteTag: (session, row, args) =>
    session.tag(repositoryOf(row, args), Reference.Tag.make(/, (\w+)$/.exec(args)?.[1] ?? "test"), endpointsIn(session, args)),
  GetRemoteTags: (session, row, args) => session.tags(repositoryOf(row, args), endpointsIn(session, args)),
  GetRepositoryData: (session, row, args) =>
    Effect.map(session.repositoryData(repositoryOf(row, args)), ({ endpoints, images }) => ({
      endpoints: endpoints.map(({ url }) => url),
      images: Object.fromEntries(images.map((image) => [image.id, Schema.encodeSync(V1Session.ImageData)(image)]))
    })),
  PushImageChecksumRegistry: (session) => session.putChecksum(id, { checksum: "tarsum+sha256:aa", checksumPayload: "sha256:bb" }),
  PushImageJSONRegistry: (session, row) => session.putImageJson(id, bytes(row.expectedRequests[0]?.body ?? "")),
  PushImageLayerRegistry: (session) =>
    Effect.map(session.putImageLayer(id, Stream.make(emptyTar), bytes('{"id":"x"}')), ({ checksum }) => ({ tarsum: checksum })),
  PushRegistryTag: (session, row, args) =>
    session.putTag(repositoryOf(row, args), Reference.Tag.make(/, (\w+)$/.exec(args)?.[1] ?? "latest"), id),
  PushImageJSONIndex: (session, row, args) =>
    /\btrue\b/.test(args)
      ? session.confirmImageIndex(repositoryOf(row, args), images, registries)
      : Effect.map(session.putImageIndex(repositoryOf(row, args), images), (endpoints) => ({ endpoints: endpoints.map(({ url }) => url) })),
  SearchRepositories: (session, _, args) => {
    const [, term = "", limit = ""] = /^("(?:[^"\\]|\\.)*"), (-?\d+)$/.exec(args) ?? []
    return Effect.map(session.search(JSON.parse(term), { limit: Number(limit) }), Schema.encodeSync(V1Session.SearchResults))
  }
}

const endpointsIn = ({ endpoint }: V1Session.Session, args: string) => Array.from(args.matchAll(/\bREG\b/g), () => endpoint)

/** What connections add to a message. */
const ofConnections: ReadonlySet<string> = new Set(["accept-encoding", "content-length", "referer", "transfer-encoding", "user-agent"])

const listed = (name: string, value: string): string =>
  // Ours is one line, with the endpoints as they are asked.
  name === "x-docker-endpoints"
    ? value
        .split(/ \|\| |, /)
        .map((one) => Either.getOrThrow(V1Endpoint.parse(one)).url)
        .join(", ")
    : value

const compared = (headers: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(headers)
      .map(([name, value]): [string, string] => [name.toLowerCase(), value])
      .filter(([name]) => !ofConnections.has(name))
      .map(([name, value]) => [name, listed(name, value)])
  )

const expectedOf = ({ body, headers, method, url }: typeof Recorded.Type, row: Row) => ({
  method,
  url: real(url.startsWith("http") ? url : `${row.indexEndpoint.replace(/^(https?:\/\/[^/]*).*$/, "$1")}${url}`),
  headers: compared(headers ?? {}),
  body: body ?? ""
})

/** The errors of Go are texts; ours have tags, a status and what the server said. */
const isSame = (error: { readonly _tag: string; readonly message: string }, expected: string) => {
  if (error.message === expected) return
  if (/^(?:Get|Put) "/.test(expected)) return assert.strictEqual(error._tag, "TransportError")
  if (/^unauthorized|code 401/.test(expected)) return assert.strictEqual(error._tag, "Unauthorized")
  const [, status] = /\b(?:code:?|error:|status) (\d{3})\b/i.exec(expected) ?? []
  if (status === undefined) {
    assert.match(expected, /^strconv\.|error decoding|invalid character|^json:|EOF$/)
    return assert.strictEqual(error._tag, "MalformedContent")
  }
  const notFound = error._tag === "ImageNotFound" || error._tag === "RepositoryNotFound"
  assert.strictEqual(notFound ? 404 : Predicate.hasProperty(error, "status") ? error.status : undefined, Number(status))
  const quoted = /: ("(?:[^"\\]|\\.)*")$/.exec(expected)?.[1]
  // Of a body that is no JSON Go says why it is none; we keep what it says.
  if (quoted === undefined || /^"(?:invalid character|unexpected end|json:)/.test(quoted)) return
  const said: unknown = JSON.parse(quoted)
  const spoken = /^\{"error":"(.*)"\}$/.exec(String(said))?.[1] ?? String(said)
  assert.include(error.message, spoken)
}

/** How the table writes the body of a layer; that of ours has to be that layer. */
const layerText = "(gzip of the tar stream, re-written by the tarsum reader)"

const shownBody = (body: Uint8Array): string => {
  if (body[0] !== 0x1f) return ScriptedV1.text(body)
  assert.deepStrictEqual(new Uint8Array(gunzipSync(body)), emptyTar)
  return layerText
}

const credentialsOf = ({ authConfig }: Row) =>
  authConfig === null ? undefined : Credentials.basic(authConfig.username ?? "", authConfig.password ?? "")

const run = (row: Row, credentials = credentialsOf(row)) => {
  const { asked, layer } = ScriptedV1.make((_, index) => {
    const { responseBody, responseHeaders, responseStatus } = row.expectedRequests[index] ?? {}
    if (responseStatus === undefined) return undefined
    const headers = Object.fromEntries(Object.entries(responseHeaders ?? {}).map(([name, value]) => [name, real(value)]))
    return { status: responseStatus, headers, body: responseBody }
  })
  const endpoint = Either.getOrThrow(V1Endpoint.parse(real(row.indexEndpoint)))
  const outcome = Effect.gen(function* () {
    const session = yield* V1Session.make({ endpoint, credentials })
    let result: unknown
    for (const { args, name } of callsOf(row.operation)) {
      if (name === "NewSession") continue
      const operation = operations[name]
      assert.isDefined(operation, `${name} is not known`)
      if (operation !== undefined) result = yield* operation(session, row, args)
    }
    return result
  })
  return Effect.map(ScriptedHttp.whileTimePasses(Effect.either(outcome)), (outcome) => ({
    outcome,
    asked: asked.map(({ body, headers, method, url }) => ({
      method,
      url: url.href,
      headers: compared(headers),
      body: shownBody(body)
    }))
  })).pipe(Effect.provide(layer))
}

const urls = (value: unknown): ReadonlyArray<string> =>
  typeof value === "string"
    ? value.startsWith("http")
      ? [value]
      : []
    : Predicate.isObject(value)
      ? Object.values(value).flatMap(urls)
      : []

const isSameResult = (row: Row, result: unknown) => {
  const expected = row.expectedResult ?? null
  if (row.operation.startsWith("PushImageJSONIndex"))
    return assert.deepStrictEqual(urls(result), urls(JSON.parse(real(JSON.stringify(expected)))))
  // What succeeds without a result.
  if (expected === null) return assert.isTrue(result === undefined || result === true)
  const empty = (key: string, value: unknown) => (key === "results" && value === null ? [] : value)
  assert.deepStrictEqual(JSON.parse(JSON.stringify(result)), JSON.parse(real(JSON.stringify(expected)), empty))
}

describe("v1-session", () => {
  for (const row of Vectors.load("v1-session", Row)) {
    const deviation = Vectors.deviation(Object.values(deviations), row)
    it.effect(`${row.name}${deviation === undefined ? "" : ` (${deviation.name})`}`, () =>
      Effect.gen(function* () {
        const { asked, outcome } = yield* run(row)
        const expected = row.expectedRequests.map((request) => expectedOf(request, row))
        if (deviation === deviations.redirect) {
          // The first goes as it does there; where the second goes is for `v1-redirect-headers` and `Redirect.test`.
          assert.deepStrictEqual(asked[0], expected[0])
          return assert.isAtMost(asked.length, expected.length)
        }
        if (deviation === deviations.halfAPair) {
          const withoutPassword = ({ headers, ...rest }: (typeof expected)[number]) => {
            const { authorization, ...others } = headers
            return { ...rest, headers: emptyPassword(authorization) ? others : headers }
          }
          assert.deepStrictEqual(asked, expected.map(withoutPassword))
        } else assert.deepStrictEqual(asked, expected)
        if (deviation === deviations.exists) return assert.deepStrictEqual(outcome, Either.right(false))
        if (row.expectedError === undefined) return isSameResult(row, Either.getOrThrow(outcome))
        isSame(Either.getOrThrow(Either.flip(outcome)), row.expectedError)
      })
    )
  }
})
