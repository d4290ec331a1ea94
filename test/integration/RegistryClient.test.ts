/** Our client against the distribution project's registry: open, with a password, with tokens. */
import { randomBytes } from "node:crypto"
import { assert, describe, layer } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as NodeRegistry from "../../src/node/NodeRegistry.ts"
import * as Content from "../support/Content.ts"
import * as DirImage from "../support/DirImage.ts"
import * as DockerRegistry from "../support/DockerRegistry.ts"
import { eventually } from "../support/Eventually.ts"
import * as Program from "../support/Program.ts"
import * as TokenServer from "../support/TokenServer.ts"
import * as Images from "./Images.ts"

const login = { username: "alice", password: "wonder:land" }
const users = { [login.username]: login.password }

const keychain = (host: string, password = login.password) => Keychain.layer({ [host]: Credentials.basic(login.username, password) })

/** Our client, as a program on Node has it, with the credentials that are right or others. */
const clientOf = (toKeychain: (host: string) => Layer.Layer<Keychain.Keychain>) =>
  Layer.unwrapEffect(Effect.map(DockerRegistry.DockerRegistry, ({ host }) => NodeRegistry.layerWith({ keychain: toKeychain(host) })))

const parse = (path: string) =>
  Effect.flatMap(DockerRegistry.DockerRegistry, ({ host }) => Reference.parse(`${host}/${path}`)).pipe(Effect.orDie)

const text = (value: string) => new TextEncoder().encode(value)

const digestOf = (value: string) => Digest.fromBytes(text(value))

const collect = <A, E, R>(stream: Stream.Stream<A, E, R>) => Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

const tagOf = <E extends { readonly _tag: string }, A, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

/** A manifest without content of its own, so that it can be pushed at once. */
const artifact = (title: string, subject?: Descriptor.Descriptor) =>
  Manifest.artifact({ artifactType: "application/vnd.example.note", annotations: { title }, ...(subject === undefined ? {} : { subject }) })

const pushArtifact = Effect.fnUntraced(function* (
  repository: Reference.Repository,
  manifest: Manifest.Manifest,
  options?: RegistryClient.PutManifestOptions
) {
  const client = yield* RegistryClient.RegistryClient
  for (const content of Manifest.successors(manifest)) yield* client.putBlob(repository, content, Descriptor.emptyBytes())
  return yield* client.putManifest(repository, manifest, options)
})

const readOnly: TokenServer.Settings["grants"] = (_, access) => access.actions.filter((action) => action === "pull")

const refused = Effect.gen(function* () {
  const { host } = yield* DockerRegistry.DockerRegistry
  const client = yield* RegistryClient.RegistryClient
  const { repository } = yield* parse("team/app")
  const tag = yield* Reference.parseTag("1.0")
  const digest = digestOf("anything")
  const outcomes = yield* Effect.all({
    ping: tagOf(client.ping(host)),
    getManifest: tagOf(client.getManifest(Reference.withTag(repository, tag))),
    resolve: tagOf(client.resolve(Reference.withTag(repository, tag))),
    headBlob: tagOf(client.headBlob(repository, digest)),
    getBlob: tagOf(collect(client.getBlob(repository, digest))),
    putBlob: tagOf(client.putBlob(repository, Content.describeBytes(text("x")), text("x"))),
    putManifest: tagOf(client.putManifest(repository, artifact("x"))),
    tags: tagOf(collect(client.tags(repository))),
    repositories: tagOf(collect(client.repositories(host))),
    checkPush: tagOf(client.checkPush(repository))
  })
  for (const [operation, tag] of Object.entries(outcomes)) assert.strictEqual(tag, "Unauthorized", operation)
})

const sizes = { empty: 0, "one byte": 1, "64 KiB": 65_536, "17 MiB, more than a chunk": 17 * Content.MiB + 1 }

/** What holds however one signs in. */
const suite = <E>(
  registry: Layer.Layer<DockerRegistry.DockerRegistry, E>,
  signedIn: (host: string) => Layer.Layer<Keychain.Keychain>
): void => {
  layer(Layer.provideMerge(clientOf(signedIn), registry), { excludeTestServices: true, timeout: 20_000 })((it) => {
    it.effect("ping", () =>
      Effect.gen(function* () {
        const { host } = yield* DockerRegistry.DockerRegistry
        const client = yield* RegistryClient.RegistryClient
        const { apiVersion, scheme } = yield* client.ping(host)
        assert.strictEqual(scheme, "http")
        assert.strictEqual(apiVersion, "registry/2.0")
      })
    )

    it.effect("an image goes there and back, byte for byte", () =>
      Effect.gen(function* () {
        const image = DirImage.fromLayers([randomBytes(300_000), randomBytes(0), randomBytes(5)])
        const reference = yield* parse("team/app:1.0")
        const pushed = yield* Images.push(reference, image)
        assert.strictEqual(pushed.descriptor.digest, image.digest)
        assert.strictEqual(pushed.referrers, "none")
        const byTag = yield* Images.pull(reference)
        const byDigest = yield* Images.pull(Reference.withDigest(reference.repository, pushed.descriptor.digest))
        for (const pulled of [byTag, byDigest]) {
          assert.deepStrictEqual(Buffer.from(pulled.manifest), Buffer.from(image.manifest))
          assert.deepStrictEqual([...pulled.blobs].sort(), [...image.blobs].sort())
        }
      })
    )

    for (const [name, size] of Object.entries(sizes)) {
      for (const plan of ["auto", "single", "streamed", "chunked"] as const) {
        it.effect(`a blob of ${name}, ${plan}`, () =>
          Effect.gen(function* () {
            const { repository } = yield* parse(`blobs/${plan}`)
            const client = yield* RegistryClient.RegistryClient
            const bytes = randomBytes(size)
            const descriptor = Content.describeBytes(bytes)
            // A mebibyte would be 17 requests and shows no more than these.
            const result = yield* client.putBlob(repository, descriptor, bytes, { plan, chunkBytes: 4 * Content.MiB })
            // The registry knows the empty blob from an earlier push.
            assert.deepInclude(
              result,
              size === 0 && result.outcome === "existed" ? { sentBytes: 0 } : { outcome: "uploaded", sentBytes: size }
            )
            assert.deepInclude(yield* client.putBlob(repository, descriptor, bytes), { outcome: "existed", sentBytes: 0 })
            assert.strictEqual((yield* client.headBlob(repository, descriptor.digest)).size, size)
            assert.isTrue((yield* Images.readBlob(repository, descriptor)).equals(bytes))
          })
        )
      }

      it.effect(`a stream of ${name} whose digest is not known`, () =>
        Effect.gen(function* () {
          const { repository } = yield* parse("blobs/stream")
          const client = yield* RegistryClient.RegistryClient
          const bytes = randomBytes(size)
          const pieces = Array.from({ length: Math.ceil(size / 1_000_000) }, (_, index) =>
            bytes.subarray(index * 1_000_000, (index + 1) * 1_000_000)
          )
          const result = yield* client.putBlobStream(repository, Stream.fromIterable(pieces), { mediaType: MediaType.ociLayerTar })
          assert.deepStrictEqual(result.descriptor, Content.describeBytes(bytes, MediaType.ociLayerTar))
          assert.isTrue((yield* Images.readBlob(repository, result.descriptor)).equals(bytes))
        })
      )
    }

    it.effect("parts of a blob", () =>
      Effect.gen(function* () {
        const { repository } = yield* parse("blobs/parts")
        const client = yield* RegistryClient.RegistryClient
        const { digest, size } = (yield* client.putBlobStream(repository, Stream.make(text("0123456789")))).descriptor
        const part = (offset: number, length?: number) =>
          Effect.map(collect(client.getBlobRange(repository, digest, { offset, length })), (parts) => Buffer.concat(parts).toString())
        assert.strictEqual(size, 10)
        assert.strictEqual(yield* part(3, 4), "3456")
        assert.strictEqual(yield* part(8), "89")
        assert.strictEqual(yield* part(0, 100), "0123456789")
        assert.strictEqual(yield* tagOf(collect(client.getBlobRange(repository, digest, { offset: 11 }))), "RangeInvalid")
      })
    )

    it.effect("a blob is mounted from another repository, uploaded where it is not there, and deleted", () =>
      Effect.gen(function* () {
        const { repository: from } = yield* parse("mount/from")
        const { repository: to } = yield* parse("mount/to")
        const client = yield* RegistryClient.RegistryClient
        const bytes = randomBytes(1000)
        const descriptor = Content.describeBytes(bytes)
        assert.isFalse(yield* client.mountBlob(to, descriptor.digest, from.name))
        yield* client.putBlob(from, descriptor, bytes)
        const mounted = yield* client.putBlob(to, descriptor, bytes, { mountFrom: [from.name] })
        assert.deepInclude(mounted, { outcome: "mounted", from: from.name, sentBytes: 0 })
        assert.isTrue((yield* Images.readBlob(to, descriptor)).equals(bytes))
        yield* client.deleteBlob(to, descriptor.digest)
        assert.isFalse(yield* client.blobExists(to, descriptor.digest))
        assert.isTrue(yield* client.mountBlob(to, descriptor.digest, from.name))
        assert.isTrue(yield* client.blobExists(to, descriptor.digest))
        const other = randomBytes(1000)
        const sent = yield* client.putBlob(to, Content.describeBytes(other), other, { mountFrom: [from.name] })
        assert.deepInclude(sent, { outcome: "uploaded", sentBytes: 1000 })
      })
    )

    it.effect("a manifest has several tags, is found by each, and goes with all of them", () =>
      Effect.gen(function* () {
        const { repository } = yield* parse("manifests/tags")
        const client = yield* RegistryClient.RegistryClient
        const manifest = artifact("tagged")
        const names = ["1", "1.2", "1.2.3", "latest"]
        const tags = yield* Effect.forEach(names, (name) => Reference.parseTag(name))
        yield* pushArtifact(repository, manifest, { tags })
        assert.deepStrictEqual([...(yield* collect(client.tags(repository)))].sort(), names)
        for (const tag of tags) {
          assert.deepStrictEqual(yield* client.resolve(Reference.withTag(repository, tag)), {
            mediaType: manifest.mediaType,
            digest: manifest.digest,
            size: manifest.size
          })
        }
        assert.deepStrictEqual(yield* collect(client.tags(repository, { pageSize: 2 })), yield* collect(client.tags(repository)))
        const tag = tags[0] ?? assert.fail("there are tags")
        assert.strictEqual(yield* tagOf(client.deleteTag(repository, tag)), "Unsupported")
        assert.isTrue(yield* client.manifestExists(Reference.withTag(repository, tag)), "the manifest was not deleted in its place")
        yield* client.deleteManifest(repository, manifest.digest)
        assert.isFalse(yield* client.manifestExists(Reference.withDigest(repository, manifest.digest)))
        assert.isFalse(yield* client.manifestExists(Reference.withTag(repository, tag)))
      })
    )

    it.effect("the registry's repositories, in pages", () =>
      Effect.gen(function* () {
        const { host } = yield* DockerRegistry.DockerRegistry
        const client = yield* RegistryClient.RegistryClient
        const names = ["catalog/a", "catalog/b", "catalog/c"]
        for (const name of names) yield* pushArtifact((yield* parse(name)).repository, artifact(name))
        const all = yield* collect(client.repositories(host, { pageSize: 2 }))
        assert.includeMembers([...all], names)
        assert.deepStrictEqual([...all].sort(), [...new Set(all)].sort())
        const page = yield* client.repositoriesPage(host, { n: 1 })
        assert.strictEqual(page.items.length, 1)
        assert.isDefined(page.next)
      })
    )

    it.effect("what refers to a manifest is kept under the fall-back tag", () =>
      Effect.gen(function* () {
        const { repository } = yield* parse("referrers/app")
        const client = yield* RegistryClient.RegistryClient
        const subject = artifact("subject")
        yield* pushArtifact(repository, subject)
        assert.deepStrictEqual(yield* collect(client.referrers(repository, subject.digest)), [])
        const notes = [artifact("one", subject.descriptor), artifact("two", subject.descriptor)]
        for (const note of notes) assert.strictEqual((yield* pushArtifact(repository, note)).referrers, "fallback")
        const listed = yield* collect(client.referrers(repository, subject.digest, { artifactType: "application/vnd.example.note" }))
        assert.deepStrictEqual(listed.map(({ digest }) => digest).sort(), notes.map(({ digest }) => digest).sort())
        assert.deepStrictEqual(yield* collect(client.referrers(repository, subject.digest, { artifactType: "application/other" })), [])
        const [first, second] = notes
        if (first === undefined || second === undefined) return assert.fail("there are two")
        yield* client.deleteManifest(repository, first.digest)
        assert.deepStrictEqual(
          (yield* collect(client.referrers(repository, subject.digest))).map(({ digest }) => digest),
          [second.digest]
        )
      })
    )

    it.effect("what does not exist is told apart", () =>
      Effect.gen(function* () {
        const client = yield* RegistryClient.RegistryClient
        const { repository } = yield* parse("errors/known")
        yield* pushArtifact(repository, artifact("known"))
        const { repository: nowhere } = yield* parse("errors/nowhere")
        const absent = digestOf("nothing anybody pushed")
        const tag = yield* Reference.parseTag("absent")
        assert.strictEqual(yield* tagOf(client.getManifest(Reference.withTag(repository, tag))), "ManifestUnknown")
        assert.strictEqual(yield* tagOf(client.getManifest(Reference.withDigest(nowhere, absent))), "ManifestUnknown")
        assert.strictEqual(yield* tagOf(client.resolve(Reference.withTag(nowhere, tag))), "ManifestUnknown")
        assert.strictEqual(yield* tagOf(client.deleteManifest(repository, absent)), "ManifestUnknown")
        assert.strictEqual(yield* tagOf(client.headBlob(repository, absent)), "BlobUnknown")
        assert.strictEqual(yield* tagOf(collect(client.getBlob(repository, absent))), "BlobUnknown")
        assert.strictEqual(yield* tagOf(client.deleteBlob(repository, absent)), "BlobUnknown")
        assert.strictEqual(yield* tagOf(collect(client.tags(nowhere))), "NameUnknown")
        assert.deepStrictEqual(yield* collect(client.referrers(nowhere, absent)), [])
      })
    )

    it.effect("content that is not what it is said to be is refused", () =>
      Effect.gen(function* () {
        const client = yield* RegistryClient.RegistryClient
        const { repository } = yield* parse("errors/content")
        const bytes = randomBytes(100)
        const wrongDigest = { ...Content.describeBytes(bytes), digest: digestOf("something else") }
        assert.strictEqual(yield* tagOf(client.putBlob(repository, wrongDigest, bytes)), "DigestInvalid")
        const wrongSize = { ...Content.describeBytes(bytes), size: 99 }
        assert.strictEqual(yield* tagOf(client.putBlob(repository, wrongSize, Stream.make(bytes))), "SizeMismatch")
        const missing = Manifest.imageManifest({
          config: { mediaType: MediaType.ociImageConfig, digest: digestOf("no config"), size: 9 },
          layers: []
        })
        assert.strictEqual(yield* tagOf(client.putManifest(repository, missing)), "ManifestBlobUnknown")
      })
    )

    it.effect("a blob by sha512", () =>
      Effect.gen(function* () {
        const client = yield* RegistryClient.RegistryClient
        const { repository } = yield* parse("blobs/sha512")
        const bytes = randomBytes(1000)
        const descriptor = Descriptor.fromBytes(bytes, MediaType.octetStream, "sha512")
        assert.strictEqual((yield* client.putBlob(repository, descriptor, bytes)).outcome, "uploaded")
        assert.isTrue((yield* Images.readBlob(repository, descriptor)).equals(bytes))
        const made = yield* client.putBlobStream(repository, Stream.make(bytes), { algorithm: "sha512" })
        assert.deepStrictEqual(made.descriptor, descriptor)
      })
    )

    it.effect("a manifest that is known comes without a body", () =>
      Effect.gen(function* () {
        const client = yield* RegistryClient.RegistryClient
        const { repository } = yield* parse("known/app")
        const tag = yield* Reference.parseTag("v1")
        const byTag = Reference.withTag(repository, tag)
        yield* pushArtifact(repository, artifact("first"), { tag })
        const known = yield* client.getManifest(byTag)
        assert.strictEqual(yield* client.getManifest(byTag, { known }), known)
        const second = artifact("second")
        yield* pushArtifact(repository, second, { tag })
        assert.strictEqual((yield* client.getManifest(byTag, { known })).digest, second.digest)
        const registry = yield* DockerRegistry.DockerRegistry
        const seen = Effect.map(registry.log, (log) =>
          [...log.matchAll(/"GET \/v2\/known\/app\/manifests\/v1 HTTP\/1\.1" (\d+)/g)].map(([, status]) => status).join(" ")
        )
        yield* eventually(Effect.map(seen, (statuses) => statuses === "200 304 200"))
      })
    )

    it.effect("a push may be made, and the check leaves nothing behind; deleting may be done", () =>
      Effect.gen(function* () {
        const { repository } = yield* parse("checks/push")
        const client = yield* RegistryClient.RegistryClient
        const registry = yield* DockerRegistry.DockerRegistry
        yield* client.checkPush(repository)
        assert.strictEqual(yield* tagOf(collect(client.tags(repository))), "NameUnknown")
        assert.match(yield* registry.log, /"?DELETE[^\n]*\/v2\/checks\/push\/blobs\/uploads\/|method=DELETE[^\n]*checks\/push/)
        const manifest = artifact("checked")
        yield* pushArtifact(repository, manifest)
        yield* client.checkDelete(repository)
        assert.isTrue(yield* client.manifestExists(Reference.withDigest(repository, manifest.digest)))
      })
    )
  })
}

describe.skipIf(!Program.available(DockerRegistry.program))("RegistryClient and docker-registry", () => {
  describe("open to everyone", () => suite(DockerRegistry.layer(), () => Keychain.layerAnonymous))

  describe("open to everyone, with relative locations", () =>
    suite(DockerRegistry.layer({ relativeUrls: true }), () => Keychain.layerAnonymous))

  describe("with a password", () => {
    const registry = DockerRegistry.layer({ users })
    suite(registry, keychain)
    for (const [name, toKeychain] of [
      ["a wrong password", (host: string) => keychain(host, "guess")],
      ["no password", () => Keychain.layerAnonymous]
    ] as const) {
      layer(Layer.provideMerge(clientOf(toKeychain), registry), { excludeTestServices: true })((it) => {
        it.effect(`${name} is refused by every call`, () => refused)
      })
    }
  })

  describe("with tokens", () => {
    const registry = DockerRegistry.layerTokens({ users })
    suite(registry, keychain)
    layer(
      Layer.provideMerge(
        clientOf((host) => keychain(host, "guess")),
        registry
      ),
      { excludeTestServices: true }
    )((it) => {
      it.effect("a wrong password is refused by every call", () => refused)
    })
    layer(Layer.provideMerge(clientOf(keychain), DockerRegistry.layerTokens({ users, grants: readOnly })), { excludeTestServices: true })(
      (it) => {
        it.effect("a user who may only read cannot push", () =>
          Effect.gen(function* () {
            const client = yield* RegistryClient.RegistryClient
            const { repository } = yield* parse("team/app")
            assert.include(["Unauthorized", "Denied"], yield* tagOf(client.checkPush(repository)))
            assert.include(["Unauthorized", "Denied"], yield* tagOf(client.putManifest(repository, artifact("no"))))
            assert.strictEqual(yield* tagOf(collect(client.tags(repository))), "NameUnknown", "reading is allowed; there is nothing")
          })
        )
      }
    )
    layer(Layer.provideMerge(clientOf(keychain), registry), { excludeTestServices: true })((it) => {
      it.effect("tokens are asked for once, whatever is done with them", () =>
        Effect.gen(function* () {
          const tokens = yield* TokenServer.TokenServer
          const reference = yield* parse("tokens/app:1.0")
          yield* tokens.reset
          yield* Images.push(reference, DirImage.fromLayers([randomBytes(100), randomBytes(200), randomBytes(300)]))
          const scopes = (yield* tokens.requests).map(({ scopes }) => [...scopes].join(" "))
          assert.deepStrictEqual(scopes, [...new Set(scopes)], "no scope twice")
          yield* tokens.reset
          yield* Images.push(reference, DirImage.fromLayers([randomBytes(100)]))
          assert.deepStrictEqual(yield* tokens.requests, [])
        })
      )

      it.effect("a thousand questions at once need one token", () =>
        Effect.gen(function* () {
          const tokens = yield* TokenServer.TokenServer
          const client = yield* RegistryClient.RegistryClient
          const { repository } = yield* parse("tokens/thousand")
          const { digest } = (yield* client.putBlobStream(repository, Stream.make(text("asked for")))).descriptor
          yield* tokens.reset
          const fresh = yield* Layer.build(clientOf(keychain))
          const heads = Effect.flatMap(RegistryClient.RegistryClient, (client) =>
            Effect.all(
              Array.from({ length: 1000 }, () => client.headBlob(repository, digest)),
              { concurrency: "unbounded" }
            )
          )
          assert.strictEqual((yield* Effect.provide(heads, fresh)).length, 1000)
          assert.strictEqual((yield* tokens.requests).length, 1)
        }).pipe(Effect.scoped)
      )

      it.effect("a token that ends during an upload is replaced, and the upload goes on", () =>
        Effect.gen(function* () {
          const tokens = yield* TokenServer.TokenServer
          const client = yield* RegistryClient.RegistryClient
          const registry = yield* DockerRegistry.DockerRegistry
          const { repository } = yield* parse("tokens/expiry")
          const bytes = randomBytes(4 * Content.MiB)
          // Good for two seconds at most, whatever is announced: the registry adds a minute of its own. The next one lasts.
          yield* tokens.configure({ announcedSeconds: 300, validSeconds: -58 })
          yield* tokens.reset
          const slow = (offset: number) =>
            Stream.range(Math.floor(offset / Content.MiB), 3).pipe(
              Stream.tap(() => Effect.zipRight(Effect.sleep("900 millis"), tokens.configure({ validSeconds: 300 }))),
              Stream.map((index) => bytes.subarray(Math.max(offset, index * Content.MiB), (index + 1) * Content.MiB))
            )
          const result = yield* client.putBlob(
            repository,
            Content.describeBytes(bytes),
            { from: slow },
            { plan: "chunked", chunkBytes: Content.MiB }
          )
          assert.strictEqual(result.outcome, "uploaded")
          assert.isAtMost(result.resentBytes, Content.MiB, "the chunk that was refused, and nothing else")
          assert.strictEqual((yield* tokens.requests).length, 2)
          const log = (yield* registry.log)
            .split("\n")
            .filter((line) => line.includes("v2/tokens/expiry") && line.includes("response completed"))
          assert.strictEqual(log.filter((line) => line.includes("method=POST")).length, 1)
          assert.isTrue((yield* Images.readBlob(repository, result.descriptor)).equals(bytes))
        })
      )
    })
  })
})
