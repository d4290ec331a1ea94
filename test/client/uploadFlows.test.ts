import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as BlobUpload from "../../src/client/BlobUpload.ts"
import { memory as makeMemory } from "../../src/client/internal/uploadPlan.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as Registries from "../support/Registries.ts"
import { whileTimePasses } from "../support/ScriptedHttp.ts"
import { bytesOf, descriptorOf, onceOnly } from "../support/Uploads.ts"
import { type Deviation, type Flow, type Recorded, flows as recordedFlows } from "./recordedFlows.ts"

const registry = "registry.test"

const pathOf = (url: string) => url.replace(/\?.*$/, "")
const isManifest = ({ url }: Recorded) => url.includes("/manifests/")
const isSession = (url: string) => /\/blobs\/uploads\/./.test(pathOf(url))
const isContent = ({ method, url }: Recorded) => method === "PATCH" && isSession(url)
const isClosing = ({ method, url }: Recorded) => method === "PUT" && isSession(url)

/** What a flow tells about its first blob: all of it for layers, and up to the end of the first upload for images. */
const uploadOf = (flow: Flow): ReadonlyArray<Recorded> => {
  const requests = flow.expectedRequests.filter((one) => !isManifest(one))
  const end = requests.findIndex((one) => isClosing(one) && one.responseStatus === 201)
  return end === -1 ? requests : requests.slice(0, end + 1)
}

const isStreaming = ({ operation }: Flow) => operation.includes("stream.Layer")

/** Flows that write one layer, alone or as the first blob of an image. */
const writesLayer = (flow: Flow) =>
  /^remote\.WriteLayer\b/.test(flow.operation) ||
  (/^remote\.Write\(image\{1 layer\}\)/.test(flow.operation) &&
    flow.expectedRequests.some(({ method, url }) => method === "POST" && url.includes("/blobs/uploads/")))

/** A request without what depends on the content and without the scopes of tokens, which are a subject of their own. */
const line = (method: string, target: string) =>
  target.startsWith("/token") ? `${method} /token` : `${method} ${target.replace(/sha256(?::|%3A)[0-9a-f]{64}/g, "DIGEST")}`

interface Expected {
  readonly requests: ReadonlyArray<string>
  readonly error: RegExp | undefined
}

const linesOf = (requests: ReadonlyArray<Recorded>) => requests.map(({ method, url }) => line(method, url))

const upTo = (flow: Flow, is: (one: Recorded) => boolean) => {
  const requests = uploadOf(flow)
  return requests.slice(0, requests.findIndex(is) + 1)
}

const refused = (status: number) => (one: Recorded) => isContent(one) && one.responseStatus === status
const failsTemporarily = (one: Recorded) => isContent(one) && one.responseStatus >= 500

const location = (flow: Flow) => pathOf(uploadOf(flow).find(({ url }) => isSession(url))?.url ?? "")

/** Go's words and ours for the same. */
const errorOf = (text: string): RegExp => {
  if (text.includes("DENIED")) return /^Denied$/
  return /unexpected status code 2/.test(text) ? /^UnknownRegistryError$/ : /./
}

const deviations: ReadonlyArray<Deviation<Expected>> = [
  {
    name: "the body of a stream is not sent again, and certainly not empty",
    reason: "Go sends an empty body and the digest saves the day (seeds-map B11, E1)",
    applies: (flow) => isStreaming(flow) && uploadOf(flow).some(refused(401)),
    expected: (flow) => ({
      requests: [...linesOf(upTo(flow, refused(401))), "GET /token", `DELETE ${location(flow)}`],
      error: /^Unauthorized$/
    })
  },
  {
    name: "a stream that cannot be sent again fails with what went wrong, at once",
    reason: "Go begins anew, finds that it cannot, and loses the first error (seeds-map B33)",
    applies: (flow) => isStreaming(flow) && uploadOf(flow).some(failsTemporarily),
    expected: (flow) => ({ requests: [...linesOf(upTo(flow, failsTemporarily)), `DELETE ${location(flow)}`], error: /^Unavailable$/ })
  },
  {
    name: "after a failure the registry is asked how far it got",
    reason: "only what is missing is sent again (distribution-spec «Pushing a blob in chunks»); Go begins anew without asking",
    applies: (flow) => !isStreaming(flow) && uploadOf(flow).some(failsTemporarily),
    expected: (flow) => {
      const first = upTo(flow, failsTemporarily)
      return { requests: [...linesOf(first), `GET ${location(flow)}`, ...linesOf(uploadOf(flow).slice(first.length))], error: undefined }
    }
  },
  {
    name: "an upload that fails cancels its session",
    reason: "the spec asks for it (D30); Go leaves it to the registry",
    applies: (flow) => flow.expectedError !== undefined && uploadOf(flow).some(isContent),
    expected: (flow) => ({
      requests: [...linesOf(uploadOf(flow)), `DELETE ${location(flow)}`],
      error: errorOf(flow.expectedError ?? "")
    })
  }
]

const recorded = (flow: Flow): Expected => ({
  requests: linesOf(uploadOf(flow)),
  error: flow.expectedError === undefined ? undefined : errorOf(flow.expectedError)
})

const withoutBody: ReadonlySet<number> = new Set([101, 204, 205, 304])

/** Answers each request with the next recorded answer to one like it; a registry that has forgotten otherwise. */
const serve = (answers: ReadonlyArray<Recorded>) => {
  const left = [...answers]
  const received: Array<string> = []
  const bodies: Array<number> = []
  const sizeOf = (request: HttpClientRequest.HttpClientRequest) => {
    if (request.body._tag === "Uint8Array") return Effect.succeed(request.body.body.byteLength)
    return request.body._tag === "Stream"
      ? Stream.runFold(request.body.stream, 0, (size, bytes) => size + bytes.byteLength)
      : Effect.succeed(0)
  }
  const answer = (request: HttpClientRequest.HttpClientRequest, url: URL) => {
    const index = left.findIndex(
      (one) => one.method === request.method && pathOf(one.url).replace(/sha256:\w+/, "") === url.pathname.replace(/sha256:\w+/, "")
    )
    const [found] = index === -1 ? [] : left.splice(index, 1)
    if (found === undefined) return new Response(null, { status: request.method === "DELETE" ? 204 : 404 })
    const headers = Object.entries(found.responseHeaders ?? {}).map(([name, value]): [string, string] => [
      name,
      value.replaceAll("REGISTRY", registry)
    ])
    const none = withoutBody.has(found.responseStatus) || request.method === "HEAD"
    return new Response(none ? null : (found.responseBody ?? ""), { status: found.responseStatus, headers })
  }
  const client = HttpClient.make((request, url) =>
    Effect.map(
      Effect.mapError(sizeOf(request), (cause) => new HttpClientError.RequestError({ request, reason: "Transport", cause })),
      (size) => {
        received.push(line(request.method, `${url.pathname}${url.search}`))
        if (request.method === "PATCH") bodies.push(size)
        return HttpClientResponse.fromWeb(request, answer(request, url))
      }
    )
  )
  return { received, bodies, layer: Layer.succeed(HttpClient.HttpClient, client) }
}

const replay = (flow: Flow) => {
  const requests = uploadOf(flow)
  const sent = requests.find(isContent)
  const content = sent?.body === undefined ? bytesOf(sent?.bodyLength ?? 1) : new TextEncoder().encode(sent.body)
  const [, name = ""] = /^\/v2\/(.+?)\/blobs\//.exec(requests.find(({ url }) => url.includes("/blobs/"))?.url ?? "") ?? []
  const { layer, received, bodies } = serve(requests)
  const upload = Effect.gen(function* () {
    const transport = yield* RegistryTransport.RegistryTransport
    const repository = yield* Reference.parseRepository(`${registry}/${name}`)
    // Go's way: one PATCH, then a PUT.
    return yield* isStreaming(flow)
      ? BlobUpload.putStream(transport, makeMemory(), repository, onceOnly(content), { plan: "streamed" })
      : BlobUpload.put(transport, makeMemory(), repository, descriptorOf(content), content, { plan: "streamed" })
  })
  return upload.pipe(
    Effect.either,
    Effect.map((outcome) => ({ outcome, received, bodies, size: content.byteLength })),
    Effect.provide(Registries.layerOver(layer, { settings: { [registry]: { scheme: "http" } } })),
    whileTimePasses
  )
}

const flows = recordedFlows.filter(writesLayer)

describe("http-flows.json: layers", () => {
  it("has some", () => {
    expect(flows.length).toBeGreaterThan(0)
  })

  for (const flow of flows) {
    const deviation = deviations.find(({ applies }) => applies(flow))
    it.effect(`${flow.name}${deviation === undefined ? "" : ` (${deviation.name})`}`, () =>
      Effect.gen(function* () {
        const expected = deviation?.expected(flow) ?? recorded(flow)
        const { outcome, received, bodies, size } = yield* replay(flow)
        expect(received).toEqual(expected.requests)
        // No PATCH with anything but all of the content.
        expect(bodies.filter((length) => length !== size)).toEqual([])
        if (expected.error === undefined) expect(Either.isRight(outcome)).toBe(true)
        else expect(Either.isLeft(outcome) ? outcome.left._tag : "").toMatch(expected.error)
      })
    )
  }
})
