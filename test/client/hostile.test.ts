/** Servers that mean harm: whatever they send ends in an error with a name, after so many bytes and requests, and leaves no memory behind. */
import type { Socket } from "node:net"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as NodeRegistry from "../../src/node/NodeRegistry.ts"
import * as Fault from "../../src/testing/Fault.ts"
import type * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import type * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as Content from "../support/Content.ts"
import * as Memory from "../support/Memory.ts"
import * as Tcp from "../support/Tcp.ts"
import * as World from "../support/World.ts"

const MiB = 1024 * 1024

const repository = Effect.runSync(Reference.parseRepository(`${World.host}/acme/app`))
const reference = Reference.withTag(repository, Reference.Tag.make("v1"))
const blob = Content.describeBytes(new Uint8Array(1000).fill(7))

// --- measuring ---

const report: Array<string> = []

// --- bodies ---

/** Counts what the client takes of a body. */
class Meter {
  bytes = 0
  readonly of = (chunks: Stream.Stream<Uint8Array>): Stream.Stream<Uint8Array> =>
    Stream.tap(chunks, (chunk) =>
      Effect.sync(() => {
        this.bytes += chunk.byteLength
      })
    )
}

const forEver = (text: string) => Stream.repeatValue(new TextEncoder().encode(text.repeat(Math.ceil(16_384 / text.length))))

const once = (text: string) => Stream.make(new TextEncoder().encode(text))

const thenForEver = (head: string, text: string) => Stream.concat(once(head), forEver(text))

const manifestType = { "content-type": MediaType.ociImageManifest }
const jsonType = { "content-type": "application/json" }

interface Attack {
  readonly rules: (meter: Meter) => ReadonlyArray<FaultyHttp.Rule>
  readonly registry?: RegistryOptions.Options
  readonly run: (client: RegistryClient.Service) => Effect.Effect<string, { readonly _tag: string }>
  readonly outcome: string
  /** The most of the body that may be read. */
  readonly maxBytes?: number
  readonly maxRequests?: number
}

const get = (client: RegistryClient.Service) => Effect.map(client.getManifest(reference), ({ _tag }) => _tag)
const list = (client: RegistryClient.Service) => Effect.map(Stream.runCount(client.tags(repository)), String)
const read = (client: RegistryClient.Service) => Effect.map(Stream.runCount(client.getBlob(repository, blob)), String)
const put = (client: RegistryClient.Service) =>
  Effect.map(client.putBlob(repository, blob, new Uint8Array(1000).fill(7)), ({ outcome }) => outcome)

const manifests = { path: /\/manifests\// }
const tags = { path: /\/tags\/list/ }
const blobs = { path: /\/blobs\/sha256/, method: "GET" }
const uploads = { path: /\/blobs\/uploads\// }

/** One answer to all requests of a kind. */
const answering =
  (match: FaultyHttp.Match, status: number, headers: Fault.ResponseHeaders, body: Stream.Stream<Uint8Array> = Stream.empty) =>
  (meter: Meter): ReadonlyArray<FaultyHttp.Rule> => [{ match, fault: Fault.respond(status, headers, meter.of(body)) }]

const tokens: RegistryOptions.Options = {
  auth: { _tag: "Bearer", users: {}, anonymous: ["repository:*:*"] }
}

/** Each page leads to the next one, for ever. */
const endlessPages = (path: RegExp, body: object): FaultyHttp.Rule => {
  let page = 0
  return {
    match: { path },
    fault: Fault.custom("endlessPages", (exchange) => {
      page++
      const headers = { ...jsonType, link: `<${exchange.url.pathname}?n=1&last=${page}>; rel="next"` }
      return Fault.respond(200, headers, JSON.stringify(body)).apply(exchange)
    })
  }
}

const endlessRedirects = (match: FaultyHttp.Match): FaultyHttp.Rule => {
  let hop = 0
  return { match, fault: Fault.redirect((url) => `${url.origin}${url.pathname}?hop=${++hop}`) }
}

const flood = Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`x-flood-${index}`, "f".repeat(1000)]))

const wideIndex = JSON.stringify({
  schemaVersion: 2,
  mediaType: MediaType.ociImageIndex,
  manifests: Array.from({ length: 20_000 }, () => ({ mediaType: MediaType.ociImageManifest, digest: blob.digest, size: 1 }))
})

const deep = (open: string, close: string, depth: number) => `{"schemaVersion":2,"config":${open.repeat(depth)}1${close.repeat(depth)}}`

const annotated = JSON.stringify({
  schemaVersion: 2,
  mediaType: MediaType.ociImageManifest,
  config: blob,
  layers: [],
  annotations: Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`a${index}`, "a".repeat(100_000)]))
})

const attacks: Readonly<Record<string, Attack>> = {
  "a manifest without end": {
    rules: answering(manifests, 200, manifestType, forEver(" ")),
    run: get,
    outcome: "!LimitExceeded",
    maxBytes: 5 * MiB
  },
  "a manifest that says it is 1 TB": {
    rules: answering(manifests, 200, { ...manifestType, "content-length": "1000000000000" }, forEver(" ")),
    run: get,
    outcome: "!LimitExceeded",
    maxBytes: MiB
  },
  "an error without end": {
    rules: answering(manifests, 404, jsonType, thenForEver('{"errors":[', '{"code":"MANIFEST_UNKNOWN"},')),
    run: get,
    outcome: "!ManifestUnknown",
    maxBytes: MiB
  },
  "a token without end": {
    registry: tokens,
    rules: answering({ path: /^\/token/ }, 200, jsonType, thenForEver('{"token":"', "t")),
    run: get,
    outcome: "!LimitExceeded",
    maxBytes: MiB
  },
  "a refusal of a token without end": {
    registry: tokens,
    rules: answering({ path: /^\/token/ }, 403, jsonType, forEver("no ")),
    run: get,
    outcome: "!Denied",
    maxBytes: MiB
  },
  "a list of tags without end": {
    rules: answering(tags, 200, jsonType, thenForEver('{"tags":[', '"tag",')),
    run: list,
    outcome: "!LimitExceeded",
    maxBytes: 17 * MiB
  },
  "a catalog without end": {
    rules: answering({ path: /_catalog/ }, 200, jsonType, thenForEver('{"repositories":[', '"a/b",')),
    run: (client) => Effect.map(Stream.runCount(client.repositories(World.host)), String),
    outcome: "!LimitExceeded",
    maxBytes: 17 * MiB
  },
  "referrers without end": {
    rules: answering({ path: /\/referrers\// }, 200, { "content-type": MediaType.ociImageIndex }, forEver(" ")),
    run: (client) => Effect.map(Stream.runCount(client.referrers(repository, blob.digest)), String),
    outcome: "!LimitExceeded",
    maxBytes: 17 * MiB
  },
  "a blob without end": {
    rules: answering(blobs, 200, {}, forEver("b")),
    run: read,
    outcome: "!SizeMismatch",
    maxBytes: MiB
  },
  "a part of a blob where all of it was asked for": {
    rules: answering(blobs, 206, { "content-range": "bytes 0-0/1000", "content-length": "1" }, once("b")),
    run: read,
    outcome: "!TransportError",
    maxRequests: 20
  },
  "answers to an upload without end": {
    rules: (meter) => [
      {
        match: { ...uploads, method: "POST" },
        fault: Fault.respond(202, { location: "/v2/acme/app/blobs/uploads/1" }, meter.of(forEver("u")))
      },
      { match: { ...uploads, method: "PUT" }, fault: Fault.respond(201, { location: "/v2/acme/app/blobs/1" }, meter.of(forEver("u"))) }
    ],
    run: put,
    outcome: "uploaded",
    maxBytes: MiB
  },
  "uploads that are sent round and round": {
    rules: () => [
      { match: { ...uploads, method: "POST" }, fault: Fault.respond(202, { location: "/v2/acme/app/blobs/uploads/1" }) },
      { match: uploads, fault: Fault.respond(416, { location: "/v2/acme/app/blobs/uploads/1", range: "0-5" }) }
    ],
    run: put,
    outcome: "!RangeInvalid",
    maxRequests: 60
  },
  "pages that lead back to themselves": {
    rules: answering(tags, 200, { ...jsonType, link: '</v2/acme/app/tags/list?last=a>; rel="next"' }, once('{"tags":["a"]}')),
    run: list,
    outcome: "!MalformedContent",
    maxRequests: 4
  },
  "pages without end": {
    rules: () => [endlessPages(/\/tags\/list/, { tags: ["a"] })],
    run: (client) => Effect.map(Stream.runCount(client.tags(repository, { maxPages: 500 })), String),
    outcome: "!LimitExceeded",
    maxRequests: 502
  },
  "a next page at another host, downgraded": {
    rules: answering(tags, 200, { ...jsonType, link: '<http://elsewhere.test/v2/>; rel="next"' }, once('{"tags":["a"]}')),
    run: list,
    outcome: "!RedirectRefused",
    maxRequests: 3
  },
  "a redirect to itself": {
    rules: () => [{ match: manifests, fault: Fault.redirect((url) => url.href) }],
    run: get,
    outcome: "!RedirectRefused",
    maxRequests: 15
  },
  "redirects without end": { rules: () => [endlessRedirects(manifests)], run: get, outcome: "!RedirectRefused", maxRequests: 15 },
  "a redirect to an internal address": {
    rules: () => [{ match: blobs, fault: Fault.redirect("https://169.254.169.254/latest/meta-data") }],
    run: read,
    outcome: "!RedirectRefused",
    maxRequests: 4
  },
  "challenges without end": {
    rules: answering({}, 401, { "www-authenticate": 'Bearer realm="https://registry.test/token",service="a"' }, forEver("x")),
    run: get,
    outcome: "!Unauthorized",
    maxBytes: 2 * MiB,
    maxRequests: 8
  },
  "a challenge of 100 000 challenges": {
    rules: answering({}, 401, { "www-authenticate": "a b=c, ".repeat(100_000) }),
    run: get,
    outcome: "!ChallengeError",
    maxRequests: 8
  },
  "a flood of headers": {
    rules: answering(manifests, 200, { ...manifestType, ...flood }, once("{}")),
    run: get,
    outcome: "!MalformedContent"
  },
  "a flood of warnings": {
    rules: answering(tags, 200, { ...jsonType, warning: '299 - "w", '.repeat(100_000) }, once('{"tags":[]}')),
    run: list,
    outcome: "0"
  },
  "a link of 1 MiB": {
    rules: answering(tags, 200, { ...jsonType, link: `<${"<".repeat(MiB)}>; rel="next"` }, once('{"tags":[]}')),
    run: list,
    outcome: "!RedirectRefused"
  },
  "an index of 20 000 entries": {
    rules: answering(manifests, 200, { "content-type": MediaType.ociImageIndex }, once(wideIndex)),
    run: get,
    outcome: "ImageIndex"
  },
  "a manifest 100 000 objects deep": {
    rules: answering(manifests, 200, manifestType, once(deep('{"a":', "}", 100_000))),
    run: get,
    outcome: "!MalformedContent"
  },
  "a manifest 500 000 lists deep": {
    rules: answering(manifests, 200, manifestType, once(deep("[", "]", 500_000))),
    run: get,
    outcome: "!MalformedContent"
  },
  "an error 9 000 objects deep": {
    rules: answering(manifests, 400, jsonType, once(`{"errors":[{"code":"X","detail":${'{"a":'.repeat(9000)}1${"}".repeat(9000)}}]}`)),
    run: get,
    outcome: "!UnknownRegistryError"
  },
  "annotations of 10 MB": {
    rules: answering(manifests, 200, manifestType, once(annotated)),
    run: get,
    outcome: "!LimitExceeded"
  },
  "a manifest that is a compressed bomb": {
    rules: answering(manifests, 200, { ...manifestType, "content-encoding": "gzip" }, forEver("\u0000")),
    run: get,
    outcome: "!TransportError",
    maxBytes: MiB
  },
  "a trickle that stops": {
    rules: (meter) => [{ match: manifests, fault: Fault.respond(200, manifestType, meter.of(Stream.concat(once("{"), Stream.never))) }],
    run: get,
    outcome: "!TransportError"
  },
  "no answer at all": { rules: () => [{ match: manifests, fault: Fault.stall }], run: get, outcome: "!TransportError" },
  "a wait of ten years": {
    rules: () => [{ match: manifests, fault: Fault.tooManyRequests(315_360_000) }],
    run: get,
    outcome: "!TooManyRequests",
    maxRequests: 4
  }
}

const suffer = ({ outcome, maxBytes, maxRequests, registry, rules, run }: Attack, name: string) =>
  Effect.gen(function* () {
    const meter = new Meter()
    const world = yield* World.make({
      hosts: { [World.host]: registry ?? {} },
      rules: rules(meter),
      retry: { maxThrottled: 1 }
    })
    assert.strictEqual(World.outcomeOf(yield* Effect.exit(World.throughTime(run(world.client)))), outcome)
    assert.deepStrictEqual(yield* world.taken, { read: 0, write: 0 })
    const sent = (yield* world.registry.requests).length + (yield* world.faults.injections).length
    if (maxBytes !== undefined) assert.isAtMost(meter.bytes, maxBytes, "bytes read")
    if (maxRequests !== undefined) assert.isAtMost(sent, maxRequests, "requests sent")
    return `${String(meter.bytes).padStart(9)} bytes read ${String(sent).padStart(4)} requests  ${outcome.padEnd(20)} ${name}`
  }).pipe(Effect.scoped)

describe("hostile servers", () => {
  for (const [name, attack] of Object.entries(attacks)) {
    it.effect(name, () =>
      Effect.gen(function* () {
        report.push(yield* suffer(attack, name))
        // What the engine keeps of the last one, such as the last match of an expression, it keeps once.
        for (let round = 0; round < 2; round++) yield* suffer(attack, name)
        const before = yield* Memory.bytesInUse
        for (let round = 0; round < 3; round++) yield* suffer(attack, name)
        assert.isBelow((yield* Memory.bytesInUse) - before, 8 * MiB, "memory that stays in use")
      })
    )
  }

  afterAll(() => console.log(`hostile: ${report.length} attacks\n${report.join("\n")}`))
})

const writeForEver = (socket: Socket, head: string, text: string) => {
  const go = () => {
    while (!socket.destroyed && socket.write(text)) if (socket.writableLength > 64 * MiB) return
  }
  socket.write(head)
  socket.on("drain", go)
  go()
}

const overSockets = (answer: (socket: Socket) => void) =>
  Effect.gen(function* () {
    const host = yield* Tcp.serve((socket) => socket.once("data", () => answer(socket)))
    const place = yield* Reference.parseRepository(`${host}/acme/app`)
    const before = yield* Memory.bytesInUse
    const exit = yield* Effect.exit(
      Effect.flatMap(RegistryClient.RegistryClient, (client) => getAt(client, place)).pipe(
        Effect.provide(NodeRegistry.layerWith({ keychain: Keychain.layerAnonymous, retry: { schedule: Schedule.stop } }))
      )
    )
    assert.isBelow((yield* Memory.bytesInUse) - before, 16 * MiB)
    return World.outcomeOf(exit)
  })

const getAt = (client: RegistryClient.Service, place: Reference.Repository) =>
  Effect.map(client.getManifest(Reference.withTag(place, Reference.Tag.make("v1"))), ({ _tag }) => _tag)

describe("hostile servers on sockets", () => {
  it.scopedLive("headers without end", () =>
    Effect.gen(function* () {
      const outcome = yield* overSockets((socket) => writeForEver(socket, "HTTP/1.1 200 OK\r\n", `x-flood: ${"f".repeat(4000)}\r\n`))
      assert.strictEqual(outcome, "!TransportError")
    })
  )
  it.scopedLive("no HTTP at all", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* overSockets((socket) => writeForEver(socket, "", "nonsense ".repeat(1000))), "!TransportError")
    })
  )
  it.scopedLive("a socket that is closed at once", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* overSockets((socket) => socket.destroy()), "!TransportError")
    })
  )
})
