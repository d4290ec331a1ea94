/** Every operation of the client at every registry of `Quirks`: what works, and what fails by which name. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as RegistryClient from "../../src/client/RegistryClient.ts"
import type * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as Quirks from "../../src/testing/Quirks.ts"
import type { SeededImage } from "../../src/testing/RegistryControl.ts"
import type * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as Content from "../support/Content.ts"
import * as World from "../support/World.ts"

const repository = Effect.runSync(Reference.parseRepository(`${World.host}/acme/app`))
const tag = (name: string) => Reference.Tag.make(name)
const tagged = (name: string) => Reference.withTag(repository, tag(name))
const byDigest = (digest: Digest.Digest) => Reference.withDigest(repository, digest)

const bytes = (length: number, seed: number) => Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8) * 7 + seed) % 251)
const fresh = bytes(50_000, 1)
const chunky = bytes(5 * Content.MiB, 2)
const heavy = bytes(21_000_000, 3)
const nothing = Digest.fromBytes(new Uint8Array([1, 2, 3]))
const signatureType = "application/vnd.test.signature"

/** What a registry holds before the one operation of a cell. */
interface Site extends World.World {
  readonly image: SeededImage
  readonly other: SeededImage
  readonly signature: Descriptor.Descriptor
  /** Blobs of `acme/base` and of `elsewhere/base`. */
  readonly near: Descriptor.Descriptor
  readonly far: Descriptor.Descriptor
}

const json = (value: object) => new TextEncoder().encode(JSON.stringify(value))

const settle = Effect.fn("settle")(function* (profile: RegistryOptions.Options) {
  const world = yield* World.make({ hosts: { [World.host]: profile }, credentials: { [World.host]: Quirks.credentials(profile) } })
  const { registry } = world
  const image = yield* registry.seedImage("acme/app", { tag: "v1", layerBytes: 2000 })
  const other = yield* registry.seedImage("acme/app", { tag: "v2", seed: 1 })
  yield* registry.seedBlob("acme/app", "{}")
  const artifact = Manifest.artifact({ artifactType: signatureType, subject: image.manifest })
  const signature = { ...(yield* registry.seedManifest("acme/app", artifact.bytes)), artifactType: signatureType }
  if (profile.capabilities?.referrers === false) {
    const index = json({ schemaVersion: 2, mediaType: MediaType.ociImageIndex, manifests: [signature] })
    yield* registry.seedManifest("acme/app", index, { tags: [Reference.referrersTag(image.manifest.digest)] })
  }
  /** A blob that a manifest of its repository names. */
  const committed = Effect.fnUntraced(function* (name: string, content: string) {
    const blob = yield* registry.seedBlob(name, content)
    const config = yield* registry.seedBlob(name, "{}", { mediaType: MediaType.ociImageConfig })
    yield* registry.seedManifest(name, Manifest.imageManifest({ config, layers: [blob] }).bytes)
    return blob
  })
  const near = yield* committed("acme/base", "near by")
  const far = yield* committed("elsewhere/base", "far away")
  const site: Site = { ...world, image, other, signature, near, far }
  return site
})

type Run = (site: Site) => Effect.Effect<string, { readonly _tag: string }>

interface Operation {
  readonly method: keyof RegistryClient.Service
  readonly run: Run
  /** The outcome at a registry that does all the specification says. */
  readonly outcome: string
  /** Other outcomes, by registry. */
  readonly at?: Readonly<Record<string, string>>
}

const same = (a: Uint8Array, b: Uint8Array) => (Buffer.compare(a, b) === 0 ? "right bytes" : "wrong bytes")

const read = <E>(stream: Stream.Stream<Uint8Array, E>) =>
  Effect.map(
    Stream.runFold(stream, Buffer.alloc(0), (all, part) => Buffer.concat([all, part])),
    (all) => new Uint8Array(all)
  )

const count = <A, E>(stream: Stream.Stream<A, E>) => Effect.map(Stream.runCount(stream), String)

const contentOf = ({ registry, image }: Site) => {
  const [layer] = image.layers
  return Effect.map(registry.blob("acme/app", (layer ?? image.config).digest), Option.getOrThrow)
}

const layerOf = ({ image }: Site) => image.layers[0] ?? image.config

/** Says so when a blob that should be there is not. */
const stored = (site: Site, content: Uint8Array) =>
  Effect.map(site.registry.blob("acme/app", Digest.fromBytes(content)), (found) => (Option.isSome(found) ? "" : ", not stored"))

const put = (site: Site, content: Uint8Array, options?: Parameters<RegistryClient.Service["putBlob"]>[3]) =>
  Effect.gen(function* () {
    const { outcome } = yield* site.client.putBlob(repository, Content.describeBytes(content), content, options)
    return outcome + (yield* stored(site, content))
  })

const putStream = (site: Site, content: Uint8Array, chunkBytes: number) =>
  Effect.gen(function* () {
    const pieces = Array.from({ length: Math.ceil(content.length / 7000) }, (_, index) =>
      content.subarray(index * 7000, (index + 1) * 7000)
    )
    const { outcome, descriptor } = yield* site.client.putBlobStream(repository, Stream.fromIterable(pieces), { chunkBytes })
    assert.strictEqual(descriptor.digest, Digest.fromBytes(content))
    return outcome + (yield* stored(site, content))
  })

const newManifest = ({ image }: Site, fields: { readonly subject?: Descriptor.Descriptor } = {}) =>
  Manifest.imageManifest({ config: image.config, layers: image.layers, annotations: { made: "by the matrix" }, ...fields })

const putManifest = (site: Site, manifest: Manifest.Manifest, tags: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { referrers } = yield* site.client.putManifest(repository, manifest, { tags: tags.map(tag) })
    for (const name of tags) {
      const found = Option.getOrUndefined(yield* site.registry.manifest("acme/app", name))
      if (found?.digest !== manifest.digest) return `tag ${name} not set`
    }
    return referrers
  })

const described = (wanted: Descriptor.Descriptor) => (told: Descriptor.Descriptor) =>
  told.digest !== wanted.digest ? "wrong digest" : told.size !== wanted.size ? "right digest, other size" : "right"

const usedUp = { dockerHubUsedUp: "!TooManyRequests" }
const deniedIfMissing = { artifactory: "!Denied" }
/** `HEAD` is believed: a length that it tells is all a client can know without reading. */
const otherSize = { gar: "right digest, other size", harbor: "right digest, other size" }
/** What was compressed without having been asked for is not the content. */
const compressed = { "pulp.gzipAlways": "!DigestMismatch" }
const readOnly = { distribution: "!Unsupported" }
const withoutReferrers = {
  distribution: "fallback",
  "ecr.rangeStuck": "fallback",
  "ecr.rangeStuckDiscarded": "fallback",
  "ecr.immutableTags": "!TagInvalid",
  "ecr.headRefused": "fallback",
  "ecr.blobMounting": "fallback",
  ecrPublic: "fallback",
  "ghcr.chunksWork": "fallback",
  "ghcr.chunksCorrupt": "fallback",
  nexus: "fallback",
  gitea: "fallback"
}
const withoutMount = {
  "ecr.rangeStuck": "uploaded",
  "ecr.rangeStuckDiscarded": "uploaded",
  "ecr.immutableTags": "uploaded",
  "ecr.headRefused": "uploaded",
  ecrPublic: "uploaded",
  // A token for the last of several scopes can do one half of a mount only.
  gitlab: "uploaded"
}
const asFalse = (outcomes: Readonly<Record<string, string>>) => Object.fromEntries(Object.keys(outcomes).map((name) => [name, "false"]))
/** The content is lost on the way, the digest tells, and what was being made cannot be read again. */
const losesChunks = { "ecr.rangeStuckDiscarded": "!DigestInvalid", "ghcr.chunksCorrupt": "!DigestInvalid" }

const operations: Readonly<Record<string, Operation>> = {
  ping: { method: "ping", run: ({ client }) => Effect.map(client.ping(World.host), ({ scheme }) => scheme), outcome: "https" },
  prepare: { method: "prepare", run: ({ client }) => Effect.as(client.prepare(repository), "done"), outcome: "done" },
  repositories: { method: "repositories", run: ({ client }) => count(client.repositories(World.host)), outcome: "3" },
  "repositoriesPage of 2": {
    method: "repositoriesPage",
    run: ({ client }) =>
      Effect.map(client.repositoriesPage(World.host, { n: 2 }), ({ items, next }) => `${items.length} ${next !== undefined}`),
    outcome: "2 true"
  },
  "resolve a tag": {
    method: "resolve",
    run: ({ client, image }) => Effect.map(client.resolve(tagged("v1")), described(image.manifest)),
    outcome: "right",
    at: otherSize
  },
  "resolve a digest": {
    method: "resolve",
    run: ({ client, image }) => Effect.map(client.resolve(byDigest(image.manifest.digest)), described(image.manifest)),
    outcome: "right",
    at: otherSize
  },
  "resolve, missing": {
    method: "resolve",
    run: ({ client }) => Effect.map(client.resolve(tagged("none")), ({ digest }) => digest),
    outcome: "!ManifestUnknown",
    at: deniedIfMissing
  },
  "manifestExists, yes": {
    method: "manifestExists",
    run: ({ client }) => Effect.map(client.manifestExists(tagged("v1")), String),
    outcome: "true"
  },
  "manifestExists, no": {
    method: "manifestExists",
    run: ({ client }) => Effect.map(client.manifestExists(tagged("none")), String),
    outcome: "false"
  },
  "getManifest by tag": {
    method: "getManifest",
    run: ({ client, image }) => Effect.map(client.getManifest(tagged("v1")), (manifest) => same(manifest.bytes, image.bytes)),
    outcome: "right bytes",
    at: usedUp
  },
  "getManifest by digest": {
    method: "getManifest",
    run: ({ client, image }) =>
      Effect.map(client.getManifest(byDigest(image.manifest.digest)), (manifest) => same(manifest.bytes, image.bytes)),
    outcome: "right bytes",
    at: usedUp
  },
  "getManifest, missing": {
    method: "getManifest",
    run: ({ client }) => Effect.map(client.getManifest(tagged("none")), ({ digest }) => digest),
    outcome: "!ManifestUnknown",
    at: { ...deniedIfMissing, ...usedUp }
  },
  "putManifest, one tag": {
    method: "putManifest",
    run: (site) => putManifest(site, newManifest(site), ["new"]),
    outcome: "none"
  },
  "putManifest, no tag": {
    method: "putManifest",
    run: (site) => putManifest(site, newManifest(site), []),
    outcome: "none"
  },
  "putManifest, three tags": {
    method: "putManifest",
    run: (site) => putManifest(site, newManifest(site), ["one", "two", "three"]),
    outcome: "none"
  },
  "putManifest, again": {
    method: "putManifest",
    run: (site) =>
      Effect.flatMap(Manifest.decode(site.image.bytes, { contentType: MediaType.ociImageManifest }), (manifest) =>
        putManifest(site, manifest, ["v1"])
      ),
    outcome: "none"
  },
  "putManifest, moving a tag": {
    method: "putManifest",
    run: (site) => putManifest(site, newManifest(site), ["v1"]),
    outcome: "none",
    at: { "ecr.immutableTags": "!TagInvalid" }
  },
  "putManifest, an index": {
    method: "putManifest",
    run: (site) => putManifest(site, Manifest.imageIndex({ manifests: [site.image.manifest, site.other.manifest] }), ["all"]),
    outcome: "none"
  },
  "putManifest, an artifact": {
    method: "putManifest",
    run: (site) => putManifest(site, Manifest.artifact({ artifactType: signatureType }), ["note"]),
    outcome: "none",
    at: { "quay.imagesOnly": "!ManifestInvalid" }
  },
  "putManifest, a first referrer": {
    method: "putManifest",
    run: (site) => putManifest(site, newManifest(site, { subject: site.other.manifest }), []),
    outcome: "registry",
    at: { ...withoutReferrers, "ecr.immutableTags": "fallback" }
  },
  "putManifest, a second referrer": {
    method: "putManifest",
    run: (site) => putManifest(site, newManifest(site, { subject: site.image.manifest }), []),
    outcome: "registry",
    // The index under the fall-back tag cannot be replaced where no tag can.
    at: withoutReferrers
  },
  "putManifest, parts missing": {
    method: "putManifest",
    run: (site) => putManifest(site, Manifest.imageManifest({ config: Content.describeBytes(fresh), layers: [] }), ["broken"]),
    outcome: "!ManifestBlobUnknown",
    at: { "quay.imagesOnly": "!ManifestInvalid" }
  },
  deleteManifest: {
    method: "deleteManifest",
    run: ({ client, other, registry }) =>
      Effect.gen(function* () {
        yield* client.deleteManifest(repository, other.manifest.digest)
        return (yield* registry.tags("acme/app")).includes("v2") ? "tag left" : "gone"
      }),
    outcome: "gone",
    at: readOnly
  },
  "deleteManifest of a referrer": {
    method: "deleteManifest",
    run: ({ client, image, registry, signature }) =>
      Effect.gen(function* () {
        yield* client.deleteManifest(repository, signature.digest)
        const left = yield* registry.manifest("acme/app", Reference.referrersTag(image.manifest.digest))
        return Option.isSome(left) ? "still listed" : "gone"
      }),
    outcome: "gone",
    at: readOnly
  },
  deleteTag: {
    method: "deleteTag",
    run: ({ client, other, registry }) =>
      Effect.gen(function* () {
        yield* client.deleteTag(repository, tag("v2"))
        return (yield* registry.manifests("acme/app")).includes(other.manifest.digest) ? "manifest left" : "manifest gone"
      }),
    outcome: "manifest left",
    at: readOnly
  },
  headBlob: {
    method: "headBlob",
    run: (site) => Effect.map(site.client.headBlob(repository, layerOf(site).digest), described(layerOf(site))),
    outcome: "right"
  },
  "headBlob, missing": {
    method: "headBlob",
    run: ({ client }) => Effect.map(client.headBlob(repository, nothing), ({ digest }) => digest),
    outcome: "!BlobUnknown",
    at: deniedIfMissing
  },
  "blobExists, yes": {
    method: "blobExists",
    run: (site) => Effect.map(site.client.blobExists(repository, layerOf(site).digest), String),
    outcome: "true"
  },
  "blobExists, no": {
    method: "blobExists",
    run: ({ client }) => Effect.map(client.blobExists(repository, nothing), String),
    outcome: "false"
  },
  getBlob: {
    method: "getBlob",
    run: (site) =>
      Effect.flatMap(contentOf(site), (content) =>
        Effect.map(read(site.client.getBlob(repository, layerOf(site))), (got) => same(got, content))
      ),
    outcome: "right bytes",
    at: compressed
  },
  "getBlob, cut in the middle": {
    method: "getBlob",
    run: (site) =>
      Effect.gen(function* () {
        yield* site.faults.setRules([{ match: { method: "GET", path: /\/blobs\//, count: 1 }, fault: Fault.cutResponseAt(700) }])
        return same(yield* read(site.client.getBlob(repository, layerOf(site))), yield* contentOf(site))
      }),
    outcome: "right bytes",
    at: compressed
  },
  "getBlob, missing": {
    method: "getBlob",
    run: ({ client }) => count(client.getBlob(repository, nothing)),
    outcome: "!BlobUnknown",
    at: deniedIfMissing
  },
  getBlobRange: {
    method: "getBlobRange",
    run: (site) =>
      Effect.flatMap(contentOf(site), (content) =>
        Effect.map(read(site.client.getBlobRange(repository, layerOf(site).digest, { offset: 100, length: 50 })), (got) =>
          same(got, content.subarray(100, 150))
        )
      ),
    outcome: "right bytes"
  },
  "putBlob, by the host's plan": { method: "putBlob", run: (site) => put(site, fresh), outcome: "uploaded" },
  "putBlob, there already": {
    method: "putBlob",
    run: (site) => Effect.flatMap(contentOf(site), (content) => put(site, content)),
    outcome: "existed"
  },
  "putBlob, empty": { method: "putBlob", run: (site) => put(site, new Uint8Array(0)), outcome: "uploaded" },
  "putBlob, single": { method: "putBlob", run: (site) => put(site, fresh, { plan: "single" }), outcome: "uploaded" },
  "putBlob, streamed": { method: "putBlob", run: (site) => put(site, fresh, { plan: "streamed" }), outcome: "uploaded" },
  "putBlob, in chunks": {
    method: "putBlob",
    run: (site) => put(site, fresh, { plan: "chunked", chunkBytes: 20_000 }),
    outcome: "uploaded"
  },
  "putBlob, a chunk of 5 MiB": {
    method: "putBlob",
    run: (site) => put(site, chunky, { plan: "chunked" }),
    outcome: "uploaded"
  },
  "putBlob of 21 MB": { method: "putBlob", run: (site) => put(site, heavy), outcome: "uploaded" },
  "putBlob, read once": {
    method: "putBlob",
    run: (site) =>
      Effect.gen(function* () {
        const source = { once: Stream.make(fresh.subarray(0, 9), fresh.subarray(9)) }
        const { outcome } = yield* site.client.putBlob(repository, Content.describeBytes(fresh), source)
        return outcome + (yield* stored(site, fresh))
      }),
    outcome: "uploaded"
  },
  "putBlob, mounted": {
    method: "putBlob",
    run: (site) =>
      Effect.map(
        site.client.putBlob(repository, site.near, new TextEncoder().encode("near by"), { mountFrom: ["acme/base"] }),
        ({ outcome }) => outcome
      ),
    outcome: "mounted",
    at: withoutMount
  },
  "putBlob, mounted from afar": {
    method: "putBlob",
    run: (site) =>
      Effect.map(
        site.client.putBlob(repository, site.far, new TextEncoder().encode("far away"), { mountFrom: ["elsewhere/base"] }),
        ({ outcome }) => outcome
      ),
    outcome: "mounted",
    at: { ...withoutMount, harbor: "uploaded" }
  },
  "putBlobStream, one chunk": { method: "putBlobStream", run: (site) => putStream(site, fresh, 1_000_000), outcome: "uploaded" },
  "putBlobStream, many chunks": {
    method: "putBlobStream",
    run: (site) => putStream(site, fresh, 20_000),
    outcome: "uploaded",
    at: losesChunks
  },
  "mountBlob from near": {
    method: "mountBlob",
    run: ({ client, near }) => Effect.map(client.mountBlob(repository, near.digest, "acme/base"), String),
    outcome: "true",
    at: asFalse(withoutMount)
  },
  "mountBlob from afar": {
    method: "mountBlob",
    run: ({ client, far }) => Effect.map(client.mountBlob(repository, far.digest, "elsewhere/base"), String),
    outcome: "true",
    at: { ...asFalse(withoutMount), harbor: "false" }
  },
  "mountBlob from anywhere": {
    method: "mountBlob",
    run: ({ client, near }) => Effect.map(client.mountBlob(repository, near.digest), String),
    outcome: "true",
    at: {
      ...asFalse(withoutMount),
      gitlab: "true",
      distribution: "false",
      "quay.anyArtifact": "false",
      "quay.imagesOnly": "false",
      harbor: "false"
    }
  },
  deleteBlob: {
    method: "deleteBlob",
    run: (site) => Effect.as(site.client.deleteBlob(repository, layerOf(site).digest), "gone"),
    outcome: "gone",
    at: readOnly
  },
  tags: {
    method: "tags",
    run: ({ client }) => count(Stream.filter(client.tags(repository), (name) => !name.startsWith("sha256-"))),
    outcome: "2"
  },
  "tagsPage of 1": {
    method: "tagsPage",
    run: ({ client }) => Effect.map(client.tagsPage(repository, { n: 1 }), ({ items, next }) => `${items.length} ${next !== undefined}`),
    outcome: "1 true"
  },
  "tagsPage of 5000": {
    method: "tagsPage",
    run: ({ client }) => Effect.map(client.tagsPage(repository, { n: 5000 }), ({ next }) => `${next !== undefined}`),
    outcome: "false",
    at: Object.fromEntries(Object.keys(Quirks.ecr).map((name) => [`ecr.${name}`, "!PaginationNumberInvalid"]))
  },
  referrers: {
    method: "referrers",
    run: ({ client, image }) => count(client.referrers(repository, image.manifest.digest)),
    outcome: "1"
  },
  "referrers of a type": {
    method: "referrers",
    run: ({ client, image }) => count(client.referrers(repository, image.manifest.digest, { artifactType: "application/x.other" })),
    outcome: "0"
  },
  checkPush: { method: "checkPush", run: ({ client }) => Effect.as(client.checkPush(repository), "allowed"), outcome: "allowed" },
  checkDelete: {
    method: "checkDelete",
    run: ({ client }) => Effect.as(client.checkDelete(repository), "allowed"),
    outcome: "allowed",
    at: readOnly
  }
}

/** Runs one cell, and looks at what it left behind. */
const cell = (operation: Operation, profile: RegistryOptions.Options): Effect.Effect<string> =>
  Effect.gen(function* () {
    const site = yield* settle(profile)
    const outcome = World.outcomeOf(yield* Effect.exit(World.throughTime(operation.run(site))))
    const places = yield* site.taken
    return [
      outcome,
      ...(places.read + places.write > 0 ? [`places taken: ${places.read} ${places.write}`] : []),
      ...((yield* site.registry.openUploads).length > 0 ? ["upload left open"] : []),
      ...(yield* World.corruptContent(site.registry)).map((name) => `corrupt: ${name}`)
    ].join(", ")
  }).pipe(Effect.scoped)

const profiles = Object.entries(Quirks.all)
const cells = new Map<string, ReadonlyArray<string>>()

describe("every operation at every registry", () => {
  for (const [name, operation] of Object.entries(operations)) {
    it.effect(
      name,
      () =>
        Effect.gen(function* () {
          const outcomes: Record<string, string> = {}
          for (const [profile, options] of profiles) outcomes[profile] = yield* cell(operation, options)
          cells.set(name, Object.values(outcomes))
          const expected = (profile: string) => operation.at?.[profile] ?? operation.outcome
          const surprises = Object.entries(outcomes).filter(([profile, outcome]) => outcome !== expected(profile))
          assert.deepStrictEqual(
            surprises.map(([profile, outcome]) => `${profile}: ${outcome} instead of ${expected(profile)}`),
            []
          )
        }),
      60_000
    )
  }

  it("no method of the client is left out", () => {
    const methods: ReadonlyArray<string> = Object.keys(methodsOfTheClient)
    assert.deepStrictEqual([...new Set(Object.values(operations).map(({ method }) => method))].sort(), [...methods].sort())
  })

  it("every exception is about a registry there is", () => {
    const unknown = Object.values(operations).flatMap(({ at }) => Object.keys(at ?? {}).filter((profile) => !(profile in Quirks.all)))
    assert.deepStrictEqual(unknown, [])
  })

  afterAll(() => {
    const rows = [...cells].map(([name, outcomes]) => [
      name,
      ...outcomes.map((outcome) => (outcome === operations[name]?.outcome ? "·" : outcome))
    ])
    const width = Math.max(...rows.map(([name = ""]) => name.length))
    const legend = profiles.map(([profile], index) => `${String(index + 1).padStart(3)} ${profile}`).join("\n")
    const head = ["", ...profiles.map((_, index) => String(index + 1).padStart(3))].join(" ")
    const marks = new Map<string, string>()
    const mark = (outcome: string) => {
      if (outcome === "·") return "  ·"
      if (!marks.has(outcome)) marks.set(outcome, `  ${String.fromCharCode(97 + marks.size)}`)
      return marks.get(outcome) ?? ""
    }
    const body = rows.map(
      ([name = "", ...outcomes]) => `${name.padEnd(width)} ${outcomes.map(mark).join(" ")}  ${operations[name]?.outcome}`
    )
    const meaning = [...marks].map(([outcome, letter]) => `${letter} ${outcome}`).join("\n")
    console.log(`${legend}\n\n${"".padEnd(width)}${head}\n${body.join("\n")}\n\n  · as at the right\n${meaning}`)
    console.log(`matrix: ${rows.length} operations x ${profiles.length} registries = ${rows.length * profiles.length} cells`)
  })
})

const methodsOfTheClient: Readonly<Record<keyof RegistryClient.Service, true>> = {
  ping: true,
  prepare: true,
  repositories: true,
  repositoriesPage: true,
  resolve: true,
  manifestExists: true,
  getManifest: true,
  putManifest: true,
  deleteManifest: true,
  deleteTag: true,
  headBlob: true,
  blobExists: true,
  getBlob: true,
  getBlobRange: true,
  putBlob: true,
  putBlobStream: true,
  mountBlob: true,
  deleteBlob: true,
  tags: true,
  tagsPage: true,
  referrers: true,
  checkPush: true,
  checkDelete: true
}
