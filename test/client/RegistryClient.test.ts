/** Each method once, with what it costs in requests; what they do in detail is tested beside their parts. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as RegistryHosts from "../../src/transport/RegistryHosts.ts"
import * as Registries from "../support/Registries.ts"
import { throughTime } from "../support/World.ts"

const host = "registry.test"

const client = (options: Registries.Options = {}) => Layer.provideMerge(RegistryClient.layer, Registries.layer(options))

const text = (value: string) => new TextEncoder().encode(value)

const collect = <A, E, R>(stream: Stream.Stream<A, E, R>) => Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

/** An image and what one needs to ask for it, in a registry that was spoken to before: only the first request to a registry pings it. */
const arranged = Effect.gen(function* () {
  const registry = yield* MemoryRegistry.MemoryRegistry
  const client = yield* RegistryClient.RegistryClient
  const image = yield* registry.seedImage("acme/app", { tag: "1.0", layers: 2 })
  const reference = yield* Reference.parse(`${host}/acme/app:1.0`)
  const { repository } = reference
  const layer = image.layers[0] ?? Descriptor.empty
  yield* client.blobExists(repository, layer.digest)
  yield* registry.clearRequests
  return { registry, client, image, reference, repository, layer, other: (yield* Reference.parse(`${host}/acme/other`)).repository }
})

type Arranged = Effect.Effect.Success<typeof arranged>

/** What an operation gives, and its requests as `GET blob`, in order. */
const spent = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const registry = yield* MemoryRegistry.MemoryRegistry
    yield* registry.clearRequests
    const value = yield* effect
    const requests = (yield* registry.requests).map(({ endpoint, method }) => `${method} ${endpoint}`)
    return { value, requests }
  })

const parseTags = (...tags: ReadonlyArray<string>) => Effect.forEach(tags, (tag) => Reference.parseTag(tag))

const note = (subject?: Descriptor.Descriptor) =>
  Manifest.artifact({ artifactType: "text/x-note", ...(subject === undefined ? {} : { subject }) })

interface Case {
  readonly call: (arranged: Arranged) => Effect.Effect<unknown, unknown, MemoryRegistry.MemoryRegistry>
  readonly requests: ReadonlyArray<string>
  /** What the call gives, where that can be written down. */
  readonly gives?: (arranged: Arranged) => unknown
}

/** `prepare` asks for nothing here, where the registry is known. */
const cases: { readonly [Method in Exclude<keyof RegistryClient.Service, "prepare">]: Case } = {
  ping: {
    call: ({ client }) => Effect.map(client.ping(host), ({ scheme, status }) => ({ scheme, status })),
    requests: ["GET base"],
    gives: () => ({ scheme: "https", status: 200 })
  },
  repositories: {
    call: ({ client }) => collect(client.repositories(host)),
    requests: ["GET catalog"],
    gives: () => ["acme/app"]
  },
  repositoriesPage: {
    call: ({ client }) => client.repositoriesPage(host, { n: 10 }),
    requests: ["GET catalog"],
    gives: () => ({ items: ["acme/app"] })
  },
  resolve: {
    call: ({ client, reference }) => client.resolve(reference),
    requests: ["HEAD manifest"],
    gives: ({ image }) => image.manifest
  },
  manifestExists: {
    call: ({ client, reference }) => client.manifestExists(reference),
    requests: ["HEAD manifest"],
    gives: () => true
  },
  getManifest: {
    call: ({ client, reference }) => Effect.map(client.getManifest(reference), ({ bytes }) => Buffer.from(bytes).toString()),
    requests: ["GET manifest"],
    gives: ({ image }) => Buffer.from(image.bytes).toString()
  },
  putManifest: {
    call: ({ client, image, repository, registry }) =>
      Effect.gen(function* () {
        const tags = yield* parseTags("a", "b", "c")
        const manifest = yield* Manifest.decode(image.bytes)
        const put = yield* client.putManifest(repository, manifest, { tags })
        return [put.referrers, yield* registry.tags("acme/app")]
      }),
    requests: ["PUT manifest"],
    gives: () => ["none", ["1.0", "a", "b", "c"]]
  },
  deleteManifest: {
    call: ({ client, image, repository, registry }) =>
      Effect.zipRight(client.deleteManifest(repository, image.manifest.digest), registry.manifests("acme/app")),
    // Whether the registry keeps the list of referrers itself is asked once in a client's life.
    requests: ["GET referrers", "DELETE manifest"],
    gives: () => []
  },
  deleteTag: {
    call: ({ client, registry, repository }) =>
      Effect.gen(function* () {
        for (const tag of yield* parseTags("1.0")) yield* client.deleteTag(repository, tag)
        return [yield* registry.tags("acme/app"), (yield* registry.manifests("acme/app")).length]
      }),
    requests: ["DELETE manifest"],
    gives: () => [[], 1]
  },
  headBlob: {
    call: ({ client, layer, repository }) => client.headBlob(repository, layer.digest),
    requests: ["HEAD blob"],
    gives: ({ layer }) => ({ mediaType: MediaType.octetStream, digest: layer.digest, size: layer.size })
  },
  blobExists: {
    call: ({ client, layer, other }) => client.blobExists(other, layer.digest),
    requests: ["HEAD blob"],
    gives: () => false
  },
  getBlob: {
    call: ({ client, layer, repository }) => Stream.runFold(client.getBlob(repository, layer), 0, (sum, bytes) => sum + bytes.byteLength),
    requests: ["GET blob"],
    gives: ({ layer }) => layer.size
  },
  getBlobRange: {
    call: ({ client, layer, repository }) =>
      Stream.runFold(client.getBlobRange(repository, layer.digest, { offset: 2, length: 5 }), 0, (sum, bytes) => sum + bytes.byteLength),
    requests: ["GET blob"],
    gives: () => 5
  },
  putBlob: {
    call: ({ client, repository }) =>
      Effect.map(client.putBlob(repository, Descriptor.fromBytes(text("new"), "text/plain"), text("new")), ({ outcome }) => outcome),
    requests: ["HEAD blob", "POST upload", "PUT upload"],
    gives: () => "uploaded"
  },
  putBlobStream: {
    call: ({ client, repository }) =>
      Effect.map(client.putBlobStream(repository, Stream.make(text("a"), text("b"))), ({ descriptor }) => descriptor),
    requests: ["POST upload", "PUT upload"],
    gives: () => Descriptor.fromBytes(text("ab"), MediaType.octetStream)
  },
  mountBlob: {
    call: ({ client, layer, other }) => client.mountBlob(other, layer.digest, "acme/app"),
    requests: ["POST upload"],
    gives: () => true
  },
  deleteBlob: {
    call: ({ client, layer, registry, repository }) =>
      Effect.zipRight(client.deleteBlob(repository, layer.digest), Effect.map(registry.blob("acme/app", layer.digest), Option.isSome)),
    requests: ["DELETE blob"],
    gives: () => false
  },
  tags: {
    call: ({ client, repository }) => collect(client.tags(repository)),
    requests: ["GET tags"],
    gives: () => ["1.0"]
  },
  tagsPage: {
    call: ({ client, repository }) => client.tagsPage(repository),
    requests: ["GET tags"],
    gives: () => ({ items: ["1.0"] })
  },
  referrers: {
    call: ({ client, image, repository }) => collect(client.referrers(repository, image.manifest.digest)),
    requests: ["GET referrers"],
    gives: () => []
  },
  checkPush: {
    call: ({ client, registry, repository }) => Effect.zipRight(client.checkPush(repository), registry.openUploads),
    requests: ["POST upload", "DELETE upload"],
    gives: () => []
  },
  checkDelete: {
    call: ({ client, registry, repository }) =>
      Effect.zipRight(
        client.checkDelete(repository),
        Effect.map(registry.manifests("acme/app"), ({ length }) => length)
      ),
    requests: ["DELETE manifest"],
    gives: () => 1
  }
}

describe("RegistryClient", () => {
  for (const [method, { call, gives, requests }] of Object.entries(cases)) {
    it.effect(`${method}: ${requests.join(", ")}`, () =>
      Effect.gen(function* () {
        const place = yield* arranged
        const outcome = yield* spent(call(place))
        assert.deepStrictEqual(outcome.requests, requests)
        if (gives !== undefined) assert.deepEqual(outcome.value, gives(place))
      }).pipe(Effect.provide(client()))
    )
  }

  describe("a refusal", () => {
    const said = { code: "X_CLOSED", message: "closed on Sundays", detail: { until: "Monday" } }
    const refusing = Fault.respond(418, { "content-type": "application/json" }, JSON.stringify({ errors: [said] }))

    const headed = new Set(["resolve", "manifestExists", "headBlob", "blobExists"])

    // A mount that is refused is none, and no failure.
    for (const [method, { call }] of Object.entries(cases).filter(([method]) => method !== "mountBlob")) {
      it.effect(`of ${method} carries what the registry said`, () =>
        Effect.gen(function* () {
          const place = yield* arranged
          const faults = yield* FaultyHttp.FaultyHttp
          yield* faults.setRules([{ match: method === "putBlob" ? { method: ["POST", "PUT", "PATCH"] } : {}, fault: refusing }])
          // The answer to a HEAD has no body to say it in, whatever the fault sends.
          const diagnostics = headed.has(method) ? [] : [said]
          assert.containSubset(yield* Effect.flip(call(place)), { status: 418, diagnostics })
        }).pipe(Effect.provide(client()))
      )
    }
  })

  describe("a deletion", () => {
    const deletions = ["deleteManifest", "deleteTag", "deleteBlob"] as const
    const lost = {
      "its answer is lost": Fault.loseResponse,
      "a gateway gives it up": Fault.custom("give up", (exchange) =>
        Effect.zipRight(exchange.execute(exchange.request), Fault.respond(504).apply(exchange))
      )
    }
    for (const [name, fault] of Object.entries(lost)) {
      it.effect(`is done although ${name}, and not when nothing was there`, () =>
        Effect.gen(function* () {
          const faults = yield* FaultyHttp.FaultyHttp
          for (const method of deletions) {
            const place = yield* arranged
            const { call } = cases[method]
            yield* faults.setRules([{ match: { method: "DELETE", count: 1 }, fault }])
            yield* throughTime(call(place))
            assert.containSubset(yield* Effect.flip(throughTime(call(place))), { status: 404 })
            yield* place.registry.reset
          }
        }).pipe(Effect.provide(client()))
      )
    }
  })

  describe("what it costs where the registry can do less, or more is known", () => {
    it.effect("the first request to a registry is preceded by a ping, once", () =>
      Effect.gen(function* () {
        const client = yield* RegistryClient.RegistryClient
        const registry = yield* MemoryRegistry.MemoryRegistry
        yield* registry.seedImage("acme/app", { tag: "1.0" })
        const reference = yield* Reference.parse(`${host}/acme/app:1.0`)
        assert.deepStrictEqual((yield* spent(client.getManifest(reference))).requests, ["GET base", "GET manifest"])
        assert.deepStrictEqual((yield* spent(client.getManifest(reference))).requests, ["GET manifest"])
      }).pipe(Effect.provide(client()))
    )

    it.effect("one token for everything in a repository", () =>
      Effect.gen(function* () {
        const client = yield* RegistryClient.RegistryClient
        const registry = yield* MemoryRegistry.MemoryRegistry
        const image = yield* registry.seedImage("acme/app", { tag: "1.0", layers: 3 })
        const reference = yield* Reference.parse(`${host}/acme/app:1.0`)
        const pull = Effect.gen(function* () {
          const manifest = yield* client.getManifest(reference)
          yield* Effect.forEach(Manifest.successors(manifest), (content) => Stream.runDrain(client.getBlob(reference.repository, content)))
          return manifest.digest
        })
        const first = yield* spent(pull)
        assert.strictEqual(first.value, image.manifest.digest)
        const blobs = ["GET blob", "GET blob", "GET blob", "GET blob"]
        assert.deepStrictEqual(first.requests, ["GET base", "GET token", "GET manifest", ...blobs])
        assert.deepStrictEqual((yield* spent(pull)).requests, ["GET manifest", ...blobs])
      }).pipe(
        Effect.provide(
          client({
            hosts: { [host]: { auth: RegistryOptions.bearer({ users: { alice: { password: "secret" } } }) } },
            keychain: Keychain.layer({ [host]: Credentials.basic("alice", "secret") })
          })
        )
      )
    )

    it.effect("what is prepared is not waited for later, and not prepared again", () =>
      Effect.gen(function* () {
        const { repository } = yield* Reference.parse(`${host}/acme/app`)
        const { prepare, tags } = yield* RegistryClient.RegistryClient
        assert.deepStrictEqual((yield* spent(prepare(repository))).requests, ["GET base", "GET token"])
        assert.deepStrictEqual((yield* spent(prepare(repository))).requests, [])
        yield* (yield* MemoryRegistry.MemoryRegistry).seedImage("acme/app", { tag: "1.0" })
        assert.deepStrictEqual((yield* spent(collect(tags(repository)))).requests, ["GET tags"])
      }).pipe(
        Effect.provide(client({ hosts: { [host]: { auth: RegistryOptions.bearer({ users: {}, anonymous: ["repository:*:pull"] }) } } }))
      )
    )

    it.effect("nothing is prepared where mirrors come first, and who cannot be reached is left to the next request", () =>
      Effect.gen(function* () {
        const { prepare } = yield* RegistryClient.RegistryClient
        const { repository: mirrored } = yield* Reference.parse(`${host}/acme/app`)
        assert.deepStrictEqual((yield* spent(prepare(mirrored))).requests, [])
        const { repository: away } = yield* Reference.parse("away.test/acme/app")
        yield* throughTime(prepare(away))
      }).pipe(Effect.provide(client({ settings: { [host]: { mirrors: [RegistryHosts.mirror("https://mirror.test")] } } })))
    )

    it.effect("three tags are three requests where they cannot be sent in one", () =>
      Effect.gen(function* () {
        const { client, image, registry, repository } = yield* arranged
        const tags = yield* parseTags("a", "b", "c")
        const manifest = yield* Manifest.decode(image.bytes)
        const first = yield* spent(client.putManifest(repository, manifest, { tags }))
        assert.isAtMost(first.requests.length, 4)
        assert.deepStrictEqual(yield* registry.tags("acme/app"), ["1.0", "a", "b", "c"])
        const second = yield* spent(client.putManifest(repository, manifest, { tags }))
        assert.deepStrictEqual(second.requests, ["PUT manifest", "PUT manifest", "PUT manifest"])
      }).pipe(Effect.provide(client({ hosts: { [host]: { capabilities: { tagParameter: false } } } })))
    )

    it.effect("a blob that is there is one HEAD; one that can be mounted, a POST more; one that is not looked for, no HEAD", () =>
      Effect.gen(function* () {
        const { client, layer, other, repository, registry } = yield* arranged
        const bytes = Option.getOrThrow(yield* registry.blob("acme/app", layer.digest))
        assert.deepStrictEqual((yield* spent(client.putBlob(repository, layer, bytes))).requests, ["HEAD blob"])
        const mounted = yield* spent(client.putBlob(other, layer, bytes, { mountFrom: ["acme/app"] }))
        assert.deepStrictEqual(mounted.requests, ["HEAD blob", "POST upload"])
        const sent = yield* spent(client.putBlob(other, layer, bytes, { checkExists: false }))
        assert.deepStrictEqual(sent.requests, ["POST upload", "PUT upload"])
      }).pipe(Effect.provide(client()))
    )

    it.effect("content in a descriptor needs no request", () =>
      Effect.gen(function* () {
        const { client, repository } = yield* arranged
        const content = Descriptor.withData(Descriptor.fromBytes(text("inside"), "text/plain"), text("inside"))
        const read = yield* spent(collect(client.getBlob(repository, content)))
        assert.deepStrictEqual(Buffer.concat([...read.value]).toString(), "inside")
        assert.deepStrictEqual(read.requests, [])
      }).pipe(Effect.provide(client()))
    )

    it.effect("referrers without the API: asked for once, then the fall-back tag alone", () =>
      Effect.gen(function* () {
        const { client, image, repository } = yield* arranged
        yield* client.putBlob(repository, Descriptor.empty, Descriptor.emptyBytes())
        assert.strictEqual((yield* client.putManifest(repository, note(image.manifest))).referrers, "fallback")
        const listed = yield* spent(collect(client.referrers(repository, image.manifest.digest)))
        assert.strictEqual(listed.value.length, 1)
        assert.deepStrictEqual(listed.requests, ["GET manifest"])
      }).pipe(Effect.provide(client({ hosts: { [host]: { capabilities: { referrers: false } } } })))
    )
  })

  describe("spans", () => {
    /** What the tracer is told, beside what it does with it. */
    const recorded = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.gen(function* () {
        const native = yield* Effect.tracer
        const spans: Array<Tracer.Span> = []
        const tracer = Tracer.make({
          context: native.context,
          span: (...options) => {
            const span = native.span(...options)
            spans.push(span)
            return span
          }
        })
        const exit = yield* Effect.exit(Effect.withTracer(effect, tracer))
        return { exit, spans }
      })

    for (const [method, { call }] of Object.entries(cases)) {
      it.effect(`${method} has a span that names the registry and, where there is one, the image`, () =>
        Effect.gen(function* () {
          const place = yield* arranged
          const { spans } = yield* recorded(call(place))
          const span =
            spans.find(({ name }) => name === `RegistryClient.${method}`) ?? assert.fail(`no span among ${spans.map(({ name }) => name)}`)
          assert.strictEqual(span.kind, "client")
          assert.strictEqual(span.attributes.get("oci.registry"), host)
          const image = span.attributes.get("container.image.name")
          assert.include([undefined, `${host}/acme/app`, `${host}/acme/other`], image)
          assert.strictEqual(image === undefined, ["ping", "repositories", "repositoriesPage"].includes(method))
          assert.strictEqual(span.status._tag, "Ended")
          const below = spans.filter((one) => Option.exists(one.parent, ({ spanId }) => spanId === span.spanId))
          assert.isAbove(below.length, 0, "its requests are its children")
        }).pipe(Effect.provide(client()))
      )
    }

    it.effect("a failure is on the span", () =>
      Effect.gen(function* () {
        const { client, repository } = yield* arranged
        const [tag] = yield* parseTags("absent")
        const { spans } = yield* recorded(client.getManifest(Reference.withTag(repository, tag ?? assert.fail())))
        const status = spans.find(({ name }) => name === "RegistryClient.getManifest")?.status
        assert.isTrue(status?._tag === "Ended" && Exit.isFailure(status.exit))
      }).pipe(Effect.provide(client()))
    )
  })

  describe("a registry whose HEAD does not tell of a blob", () => {
    const silences = {
      "405": Fault.respond(405),
      "501": Fault.respond(501),
      "no Content-Length": Fault.changeHeaders({ "content-length": undefined })
    }
    for (const [name, fault] of Object.entries(silences)) {
      it.effect(`${name}: GET does, and the blob is not read`, () =>
        Effect.gen(function* () {
          const { client, layer, registry, repository } = yield* arranged
          const faults = yield* FaultyHttp.FaultyHttp
          yield* faults.setRules([{ match: { method: "HEAD" }, fault }])
          const { value } = yield* spent(client.headBlob(repository, layer.digest))
          assert.deepStrictEqual([value.digest, value.size], [layer.digest, layer.size])
          assert.isTrue(yield* client.blobExists(repository, layer.digest))
          const other = Digest.fromBytes(text("other"))
          if (name !== "no Content-Length") assert.isFalse(yield* client.blobExists(repository, other))
          assert.strictEqual((yield* Effect.flip(client.headBlob(repository, other)))._tag, "BlobUnknown")
          const asked = (yield* registry.requests).filter(({ method }) => method === "GET").length
          assert.strictEqual(asked, name === "no Content-Length" ? 1 : 4)
        }).pipe(Effect.provide(client()))
      )
    }
  })

  describe("layerTest", () => {
    it.effect("answers with the methods it was given", () =>
      Effect.gen(function* () {
        const client = yield* RegistryClient.RegistryClient
        const reference = yield* Reference.parse("ghcr.io/acme/app:1.0")
        assert.isTrue(yield* client.manifestExists(reference))
        assert.deepStrictEqual(yield* collect(client.tags(reference.repository)), ["1.0"])
      }).pipe(Effect.provide(RegistryClient.layerTest({ manifestExists: () => Effect.succeed(true), tags: () => Stream.make("1.0") })))
    )

    it.effect("has no other, and says which was called", () =>
      Effect.gen(function* () {
        const place = { ...(yield* arranged.pipe(Effect.provide(client()))), client: yield* RegistryClient.RegistryClient }
        for (const [method, { call }] of Object.entries(cases)) {
          const exit = yield* Effect.exit(call(place))
          const defect = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.dieOption(exit.cause)) : undefined
          assert.include(String(defect), `RegistryClient.${method} was called`)
        }
      }).pipe(Effect.provide(Layer.merge(RegistryClient.layerTest({}), Registries.layer())))
    )
  })
})
