import { inspect } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Equal from "effect/Equal"
import * as fc from "effect/FastCheck"
import * as Hash from "effect/Hash"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Vectors from "../vectors/Vectors.ts"

const utf8 = (text: string) => new TextEncoder().encode(text)
const textOf = (manifest: Manifest.Manifest) => new TextDecoder().decode(manifest.bytes)
const jsonBytes = (json: unknown) => utf8(JSON.stringify(json))

const right = (bytes: Uint8Array, options?: Manifest.DecodeOptions) => Either.getOrThrow(Manifest.decode(bytes, { ...options }))
const left = (bytes: Uint8Array, options?: Manifest.DecodeOptions) => Either.getOrThrow(Either.flip(Manifest.decode(bytes, { ...options })))

const blob = (text: string, mediaType: string = MediaType.ociLayerTarGzip) => Descriptor.fromBytes(utf8(text), mediaType)
const config = blob("config", MediaType.ociImageConfig)
const layers = [blob("one"), blob("two")]

const image = { schemaVersion: 2, mediaType: MediaType.ociImageManifest, config, layers }
const index = { schemaVersion: 2, mediaType: MediaType.ociImageIndex, manifests: [blob("child", MediaType.ociImageManifest)] }
const artifactManifest = { mediaType: MediaType.ociArtifactManifest, artifactType: "a/b", blobs: [blob("blob")] }
const without = <A extends { mediaType: string }>({ mediaType: _, ...rest }: A) => rest

// Schema 1 as libtrust signs it: the payload is the body without the signatures.
const signedSchema1 = (payload: string) => {
  const formatLength = payload.lastIndexOf("\n}")
  const tail = payload.slice(formatLength)
  const header = Encoding.encodeBase64Url(JSON.stringify({ formatLength, formatTail: Encoding.encodeBase64Url(tail) }))
  const signature = { header: { alg: "ES256" }, signature: "c2ln", protected: header }
  return utf8(`${payload.slice(0, formatLength)},\n   "signatures": ${JSON.stringify([signature])}\n}`)
}
const schema1Payload = JSON.stringify(
  {
    schemaVersion: 1,
    name: "a/b",
    tag: "latest",
    fsLayers: [{ blobSum: Digest.fromBytes(utf8("top")) }, { blobSum: Digest.fromBytes(utf8("base")) }],
    history: []
  },
  null,
  3
)

describe("kinds", () => {
  it.each([
    [MediaType.ociImageManifest, image, "ImageManifest"],
    [MediaType.dockerManifest, { ...image, mediaType: MediaType.dockerManifest }, "ImageManifest"],
    [MediaType.ociImageIndex, index, "ImageIndex"],
    [MediaType.dockerManifestList, { ...index, mediaType: MediaType.dockerManifestList }, "ImageIndex"],
    [MediaType.ociArtifactManifest, artifactManifest, "ArtifactManifest"],
    [MediaType.dockerManifestSchema1, JSON.parse(schema1Payload), "Schema1Manifest"],
    ["application/vnd.example.future.v7+json", { mediaType: "application/vnd.example.future.v7+json", new: true }, "UnknownManifest"]
  ])("%s", (mediaType, json, tag) => {
    const bytes = jsonBytes(json)
    const manifest = right(bytes, { contentType: mediaType })
    expect(manifest._tag).toBe(tag)
    expect(manifest.bytes).toBe(bytes)
    expect(manifest).toMatchObject({ mediaType, digest: Digest.fromBytes(bytes), size: bytes.length })
    expect(manifest.descriptor).toEqual({ mediaType, digest: Digest.fromBytes(bytes), size: bytes.length })
    expect(Manifest.isManifest(manifest)).toBe(true)
    expect(Manifest.isImageManifest(manifest)).toBe(tag === "ImageManifest")
    expect(Manifest.isImageIndex(manifest)).toBe(tag === "ImageIndex")
  })

  it("reads the members", () => {
    const more = { subject: blob("subject"), artifactType: "a/b", annotations: { a: "1" } }
    expect(right(jsonBytes({ ...image, ...more }))).toMatchObject({ config, layers, ...more })
    expect(right(jsonBytes({ ...index, ...more }))).toMatchObject({ manifests: index.manifests, ...more })
    expect(right(jsonBytes({ ...artifactManifest, ...more }))).toMatchObject({ blobs: artifactManifest.blobs, ...more })
  })

  it("keeps what it does not know in descriptors and lists", () => {
    const entry = { ...blob("child"), "com.example": { deep: [1] } }
    expect(right(jsonBytes({ ...index, manifests: [entry], "com.example": 1 }))).toMatchObject({ manifests: [entry] })
  })

  it("reads null as Go does", () => {
    expect(right(jsonBytes({ ...image, layers: null, annotations: null, subject: null }))).toMatchObject({ layers: [] })
    expect(right(jsonBytes({ ...index, manifests: null }))).toMatchObject({ manifests: [] })
    expect(Manifest.subject(right(jsonBytes({ ...image, subject: null })))).toEqual(Option.none())
  })

  it("keeps a body of an unknown type that is not JSON", () => {
    const manifest = right(utf8("\u0000binary"), { contentType: "application/vnd.example.binary" })
    expect(manifest).toMatchObject({ _tag: "UnknownManifest", mediaType: "application/vnd.example.binary", size: 7 })
    expect(Manifest.successors(manifest)).toEqual([])
  })
})

describe("media type", () => {
  it("ignores the parameters and the case of a Content-Type", () => {
    const manifest = right(jsonBytes(image), { contentType: "Application/VND.oci.image.manifest.v1+JSON; charset=utf-8" })
    expect(manifest.mediaType).toBe(MediaType.ociImageManifest)
  })

  it("knows a kind by a mediaType in capitals, as MediaType does", () => {
    const mediaType = "Application/VND.oci.image.manifest.v1+JSON"
    expect(right(jsonBytes({ ...image, mediaType }))).toMatchObject({ _tag: "ImageManifest", mediaType, layers })
    expect(left(jsonBytes({ ...image, mediaType, manifests: [] }))._tag).toBe("MalformedContent")
  })

  it("repeats a part of a long mediaType only", () => {
    const error = left(jsonBytes({ mediaType: "a".repeat(100_000) }), { contentType: MediaType.ociImageManifest })
    expect(error.message.length).toBeLessThan(1000)
  })

  it.each([
    [MediaType.ociImageIndex, image],
    [MediaType.ociImageManifest, index],
    [MediaType.dockerManifest, image],
    ["application/vnd.example.unknown+json", image]
  ])("refuses %s for a body of another", (contentType, json) => {
    expect(left(jsonBytes(json), { contentType })).toMatchObject({
      _tag: "MediaTypeMismatch",
      expected: contentType,
      actual: json.mediaType
    })
  })

  it("takes the Content-Type when the body is silent", () => {
    expect(right(jsonBytes(without(image)), { contentType: MediaType.dockerManifest })).toMatchObject({
      _tag: "ImageManifest",
      mediaType: MediaType.dockerManifest
    })
  })

  it("takes the body when the Content-Type says nothing", () => {
    for (const contentType of [undefined, "", "application/json", "text/plain; charset=utf-8", "application/octet-stream"]) {
      expect(right(jsonBytes(image), { contentType }).mediaType).toBe(MediaType.ociImageManifest)
    }
  })

  it.each([
    [without(image), MediaType.ociImageManifest],
    [without(index), MediaType.ociImageIndex],
    [without(artifactManifest), MediaType.ociArtifactManifest],
    [JSON.parse(schema1Payload), MediaType.dockerManifestSchema1],
    [JSON.parse(new TextDecoder().decode(signedSchema1(schema1Payload))), MediaType.dockerManifestSchema1Signed]
  ])("goes by the members when nobody says, %#", (json, mediaType) => {
    expect(right(jsonBytes(json)).mediaType).toBe(mediaType)
  })

  it.each([
    ["an image manifest with manifests", { ...image, manifests: [] }],
    ["an index with a config", { ...index, config }],
    ["an index with layers", { ...index, layers }],
    ["an image manifest with schema 1 layers", { ...image, fsLayers: [] }]
  ])("refuses %s: it would be two things at once", (_, json) => {
    expect(left(jsonBytes(json))._tag).toBe("MalformedContent")
    expect(left(jsonBytes(without(json)), { contentType: json.mediaType })._tag).toBe("MalformedContent")
  })
})

describe("malformed", () => {
  it.each([
    ["not JSON", utf8("<html>"), MediaType.ociImageManifest],
    ["a web page", utf8("<html>Log in</html>"), "text/html"],
    ["empty", new Uint8Array(), MediaType.ociImageIndex],
    ["empty, without type", new Uint8Array(), undefined],
    ["a list", utf8("[]"), MediaType.ociImageManifest],
    ["null", utf8("null"), undefined],
    ["not UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), MediaType.ociImageManifest],
    ["a byte order mark", utf8(`\ufeff${JSON.stringify(image)}`), MediaType.ociImageManifest],
    ["nothing to go by", utf8("{}"), undefined],
    ["an index without manifests", utf8("{}"), MediaType.ociImageIndex],
    ["a manifest without config", utf8("{}"), MediaType.ociImageManifest],
    ["another schema version", jsonBytes({ ...image, schemaVersion: 3 }), undefined],
    ["a media type that is not text", jsonBytes({ ...image, mediaType: 1 }), undefined],
    ["a negative size", jsonBytes({ ...image, layers: [{ ...config, size: -1 }] }), undefined],
    ["a bad digest", jsonBytes({ ...image, config: { ...config, digest: "sha256:xyz" } }), undefined]
  ])("%s", (_, bytes, contentType) => {
    const error = left(bytes, { contentType })
    expect(error._tag).toBe("MalformedContent")
    expect(error.message.length).toBeLessThan(400)
  })

  it("says where", () => {
    expect(left(jsonBytes({ ...image, layers: [config, { ...config, size: "1" }] })).message).toContain("layers.1.size")
  })

  it("does not take a prototype from the body", () => {
    const body = JSON.stringify({ ...index, manifests: ["HERE"] })
    for (const name of ["__proto__", "\\u005f_proto__"]) {
      const entry = `{"${name}":{"annotations":{"a":"b"},"data":"e30="},${JSON.stringify(config).slice(1)}`
      const manifest = right(utf8(body.replace('"HERE"', entry)))
      expect(Manifest.successors(manifest)).toEqual([config])
      expect(Manifest.successors(manifest)[0]?.data).toBe(undefined)
    }
  })

  it.each(["[", '{"a":'])("survives deep nesting of %s", (open) => {
    const deep = open.repeat(100_000)
    expect(left(utf8(deep), { contentType: MediaType.ociImageManifest })._tag).toBe("MalformedContent")
    const nested = `{"mediaType":"${MediaType.ociImageManifest}","config":${"[".repeat(50_000)}${"]".repeat(50_000)}}`
    expect(left(utf8(nested))._tag).toBe("MalformedContent")
    expect(left(utf8(nested.replace("config", "\\u0063onfig")))._tag).toBe("MalformedContent")
  })

  it.prop(
    "any text gives a manifest or an error",
    [fc.oneof(fc.json(), fc.string()), fc.constantFrom(undefined, ...MediaType.acceptManifest)],
    ([text, contentType]) => {
      expect(Either.isEither(Manifest.decode(utf8(text), { contentType }))).toBe(true)
    }
  )
})

describe("digest", () => {
  const bytes = jsonBytes(image)

  it("is kept in the algorithm it was asked for by", () => {
    const digest = Digest.fromBytes(bytes, "sha512")
    expect(right(bytes, { digest })).toMatchObject({ digest, descriptor: { digest } })
  })

  it.each(["sha256", "sha512"] as const)("of other content is refused, %s", (algorithm) => {
    const digest = Digest.fromBytes(utf8("other"), algorithm)
    expect(left(bytes, { digest })).toMatchObject({
      _tag: "DigestMismatch",
      expected: digest,
      actual: Digest.fromBytes(bytes, algorithm)
    })
  })

  it("is checked before the body is believed", () => {
    expect(left(utf8("not json"), { digest: Digest.fromBytes(bytes) })._tag).toBe("DigestMismatch")
  })

  it("depends on every byte, not on the JSON", () => {
    expect(right(utf8(JSON.stringify(image, null, 2))).digest).not.toBe(right(bytes).digest)
  })

  const other = Either.getOrThrow(Digest.make("first4", Encoding.encodeHex(bytes.subarray(0, 4))))
  const first4 = () => {
    const state = {
      bytes: new Uint8Array(),
      update: (chunk: Uint8Array) => {
        state.bytes = chunk.slice(0, 4)
      },
      digest: () => state.bytes
    }
    return state
  }

  it.effect("of another algorithm needs its hash function", () =>
    Effect.gen(function* () {
      expect(left(bytes, { digest: other })._tag).toBe("InvalidDigest")
      expect((yield* Effect.flip(Manifest.decodeVerified(bytes, { digest: other })))._tag).toBe("InvalidDigest")
    })
  )

  it.effect("of another algorithm is verified with it", () =>
    Effect.gen(function* () {
      expect((yield* Manifest.decodeVerified(bytes, { digest: other })).digest).toBe(other)
      const error = yield* Effect.flip(Manifest.decodeVerified(utf8("xxxx"), { digest: other }))
      expect(error._tag).toBe("DigestMismatch")
    }).pipe(Effect.provide(Digest.layerHashers({ first4 })))
  )

  it.effect("of a known algorithm is verified too", () =>
    Effect.gen(function* () {
      const digest = Digest.fromBytes(bytes, "sha512")
      expect((yield* Manifest.decodeVerified(bytes, { digest })).digest).toBe(digest)
    })
  )
})

describe("schema 1", () => {
  const signed = signedSchema1(schema1Payload)
  const payloadDigest = Digest.fromBytes(utf8(schema1Payload))
  const contentType = MediaType.dockerManifestSchema1Signed

  it("has the digest of its bytes, and that of what was signed", () => {
    const manifest = right(signed, { contentType })
    expect(manifest).toMatchObject({ _tag: "Schema1Manifest", digest: Digest.fromBytes(signed), payloadDigest })
    expect(manifest).toMatchObject({ layerDigests: [Digest.fromBytes(utf8("base")), Digest.fromBytes(utf8("top"))] })
  })

  it("may be asked for by either", () => {
    expect(right(signed, { contentType, digest: payloadDigest })).toMatchObject({ digest: Digest.fromBytes(signed), payloadDigest })
    expect(right(signed, { contentType, digest: Digest.fromBytes(signed) })).toMatchObject({ payloadDigest })
    expect(left(signed, { contentType, digest: Digest.fromBytes(utf8("other")) })._tag).toBe("DigestMismatch")
  })

  it("does not believe layers outside of the payload", () => {
    const forged = utf8(new TextDecoder().decode(signed).replace(/\}$/, `,"fsLayers":[{"blobSum":"${config.digest}"}]}`))
    expect(right(forged, { contentType, digest: payloadDigest })).toMatchObject({ layerDigests: [expect.anything(), expect.anything()] })
  })

  it("unsigned is named by its bytes", () => {
    const manifest = right(utf8(schema1Payload), { contentType: MediaType.dockerManifestSchema1 })
    expect(manifest).toMatchObject({ digest: payloadDigest, payloadDigest })
  })

  it("is opaque", () => {
    const manifest = right(utf8("x"), { contentType })
    expect(Manifest.successors(manifest)).toEqual([])
    expect(Manifest.subject(manifest)).toEqual(Option.none())
    expect(Manifest.artifactType(manifest)).toEqual(Option.none())
    expect(manifest).toMatchObject({ layerDigests: [] })
  })

  it.each([
    ["a length past the end", { formatLength: 1e9, formatTail: "Cn0" }],
    ["a negative length", { formatLength: -1, formatTail: "Cn0" }],
    ["a length that is not whole", { formatLength: 1.5, formatTail: "Cn0" }],
    ["a tail that is not base64", { formatLength: 1, formatTail: "*" }],
    ["no tail", { formatLength: 1 }]
  ])("has no payload with %s", (_, header) => {
    const bytes = jsonBytes({ schemaVersion: 1, signatures: [{ protected: Encoding.encodeBase64Url(JSON.stringify(header)) }] })
    expect(right(bytes, { contentType })).toMatchObject({ payloadDigest: Digest.fromBytes(bytes) })
  })
})

describe("asking", () => {
  it("successors come in document order, the subject is not one", () => {
    const subject = blob("subject")
    expect(Manifest.successors(right(jsonBytes({ ...image, subject })))).toEqual([config, ...layers])
    expect(Manifest.successors(right(jsonBytes({ ...index, subject })))).toEqual(index.manifests)
    expect(Manifest.successors(right(jsonBytes({ ...artifactManifest, subject })))).toEqual(artifactManifest.blobs)
    expect(Manifest.subject(right(jsonBytes({ ...index, subject })))).toEqual(Option.some(subject))
  })

  it("the artifact type is what is named, else the config's; an index has only what is named", () => {
    expect(Manifest.artifactType(right(jsonBytes(image)))).toEqual(Option.some(MediaType.ociImageConfig))
    expect(Manifest.artifactType(right(jsonBytes({ ...image, artifactType: "a/b" })))).toEqual(Option.some("a/b"))
    expect(Manifest.artifactType(right(jsonBytes({ ...image, artifactType: "" })))).toEqual(Option.some(MediaType.ociImageConfig))
    expect(Manifest.artifactType(right(jsonBytes(index)))).toEqual(Option.none())
    expect(Manifest.artifactType(right(jsonBytes(artifactManifest)))).toEqual(Option.some("a/b"))
  })

  it("a referrer carries its artifact type and annotations", () => {
    const manifest = right(jsonBytes({ ...image, annotations: { b: "2", a: "1" } }))
    expect(Manifest.referrer(manifest)).toEqual({
      ...manifest.descriptor,
      artifactType: MediaType.ociImageConfig,
      annotations: { a: "1", b: "2" }
    })
    expect(Manifest.referrer(right(jsonBytes(index)))).toEqual(right(jsonBytes(index)).descriptor)
  })

  it("equals by digest and media type", () => {
    const [one, same, other] = [right(jsonBytes(image)), right(jsonBytes(image)), right(jsonBytes(index))]
    expect(Equal.equals(one, same)).toBe(true)
    expect(Hash.hash(one)).toBe(Hash.hash(same))
    expect(Equal.equals(one, other)).toBe(false)
  })

  it("shows what it is, not its bytes", () => {
    const manifest = right(jsonBytes(image))
    for (const shown of [inspect(manifest), String(manifest), JSON.stringify(manifest)]) {
      expect(shown).toContain(manifest.digest)
      expect(shown.length).toBeLessThan(400)
    }
  })
})

describe("building", () => {
  it("an image manifest", () => {
    const manifest = Manifest.imageManifest({ config, layers, annotations: { b: "2", a: "1" }, subject: blob("s") })
    expect(Object.keys(JSON.parse(textOf(manifest)))).toEqual(["schemaVersion", "mediaType", "config", "layers", "subject", "annotations"])
    expect(textOf(manifest)).toContain('"annotations":{"a":"1","b":"2"}')
    expect(right(manifest.bytes, { contentType: MediaType.ociImageManifest })).toEqual(manifest)
  })

  it("a Docker manifest and list", () => {
    expect(Manifest.imageManifest({ config, layers, mediaType: MediaType.dockerManifest }).mediaType).toBe(MediaType.dockerManifest)
    const list = Manifest.imageIndex({ manifests: index.manifests, mediaType: MediaType.dockerManifestList })
    expect(right(list.bytes)).toEqual(list)
  })

  it("an index", () => {
    const manifest = Manifest.imageIndex({ manifests: index.manifests, artifactType: "a/b", annotations: {} })
    expect(Object.keys(JSON.parse(textOf(manifest)))).toEqual(["schemaVersion", "mediaType", "artifactType", "manifests", "annotations"])
    expect(right(manifest.bytes)).toEqual(manifest)
  })

  it("an artifact has the empty config, and the empty layer when it has none", () => {
    const bare = Manifest.artifact({ artifactType: "application/vnd.example+json" })
    expect(bare).toMatchObject({ config: Descriptor.empty, layers: [Descriptor.empty], artifactType: "application/vnd.example+json" })
    expect(right(bare.bytes)).toEqual(bare)
    expect(Manifest.artifact({ artifactType: "a/b", layers, config })).toMatchObject({ config, layers })
  })

  it("an image may have no layers", () => {
    expect(Manifest.imageManifest({ config, layers: [] }).layers).toEqual([])
  })

  it("refuses the empty config without an artifact type", () => {
    expect(() => Manifest.imageManifest({ config: Descriptor.empty, layers })).toThrow("needs an artifactType")
  })

  it.each(["", "text", "a b/c", "a/b; c=d", "a/b/c"])("refuses the artifact type %j", (artifactType) => {
    expect(() => Manifest.artifact({ artifactType })).toThrow("not a media type")
    expect(() => Manifest.imageIndex({ manifests: [], artifactType })).toThrow("not a media type")
  })

  it("hashes with the algorithm asked for", () => {
    const manifest = Manifest.imageManifest({ config, layers, algorithm: "sha512" })
    expect(manifest.digest).toBe(Digest.fromBytes(manifest.bytes, "sha512"))
    expect(textOf(manifest)).not.toContain("algorithm")
  })

  const descriptor = fc
    .record({ data: fc.uint8Array({ maxLength: 8 }), annotations: fc.option(fc.dictionary(fc.string(), fc.string()), { nil: undefined }) })
    .map(({ data, annotations }) => Descriptor.make({ ...Descriptor.fromBytes(data, "text/plain"), annotations }))

  it.prop(
    "what is built decodes to itself, and again to the same bytes",
    [fc.array(descriptor), fc.dictionary(fc.string(), fc.string())],
    ([layers, annotations]) => {
      const built = Manifest.imageManifest({ config, layers, annotations })
      const decoded = right(built.bytes)
      expect(Equal.equals(decoded, built)).toBe(true)
      expect(Manifest.successors(decoded)).toEqual([config, ...layers])
      expect(Manifest.imageManifest({ config, layers, annotations: Manifest.annotations(decoded) }).bytes).toEqual(built.bytes)
    }
  )
})

describe("vectors", () => {
  const ArtifactRow = Schema.Struct({
    name: Schema.String,
    input: Schema.Struct({ contentType: Schema.String, body: Schema.String }),
    expected: Schema.Struct({
      artifactType: Schema.String,
      annotations: Schema.NullOr(Schema.Record({ key: Schema.String, value: Schema.String }))
    })
  })
  type ArtifactRow = typeof ArtifactRow.Type

  const bodyMediaType = (body: string): string | undefined =>
    Schema.decodeUnknownOption(Schema.parseJson(Schema.Struct({ mediaType: Schema.String })))(body).pipe(
      Option.map((_) => _.mediaType),
      Option.getOrUndefined
    )

  const mismatch: Vectors.Deviation<ArtifactRow> = {
    name: "media types disagree",
    reason: "distribution-spec «Pulling manifests»: a body whose mediaType is not the Content-Type should be rejected; Go takes the latter",
    applies: ({ input }) => ![undefined, MediaType.essence(input.contentType)].includes(bodyMediaType(input.body))
  }

  it.each(Vectors.load("artifact-type", ArtifactRow))("artifact-type $name", (row) => {
    const { body, contentType } = row.input
    if (mismatch.applies(row)) {
      expect(left(utf8(body), { contentType })._tag).toBe("MediaTypeMismatch")
      return
    }
    const manifest = right(utf8(body), { contentType })
    expect(Option.getOrElse(Manifest.artifactType(manifest), () => "")).toBe(row.expected.artifactType)
    expect(Manifest.annotations(manifest)).toEqual(row.expected.annotations ?? {})
  })

  const DigestRow = Schema.Struct({
    name: Schema.String,
    input: Schema.Struct({
      reference: Schema.String,
      body: Schema.String,
      dockerContentDigest: Schema.NullOr(Schema.String),
      contentType: Schema.NullOr(Schema.String)
    }),
    expectedDigest: Schema.optional(Schema.String),
    expectedError: Schema.optional(Schema.Boolean)
  })
  type DigestRow = typeof DigestRow.Type

  const bodyOf = ({ body }: DigestRow["input"]) => (body === "valid" ? jsonBytes(image) : utf8(body))
  const askedFor = ({ reference }: DigestRow["input"]) => {
    if (reference === "tag") return undefined
    return reference === "digest of the valid body" ? Digest.fromBytes(jsonBytes(image)) : Either.getOrThrow(Digest.parse(reference))
  }

  const isSigned = ({ input }: DigestRow) => input.contentType === MediaType.dockerManifestSchema1Signed
  const isHeader = ({ input }: DigestRow) => Option.isSome(Either.getRight(Digest.parse(input.dockerContentDigest ?? "")))
  const reason = "Go believes Docker-Content-Digest for signed schema 1 and verifies nothing; we compute both digests from the body"

  const believedByTag: Vectors.Deviation<DigestRow> = {
    name: "header of signed schema 1, by tag",
    reason,
    applies: (row) => isSigned(row) && isHeader(row) && row.input.reference === "tag"
  }
  const believedByDigest: Vectors.Deviation<DigestRow> = {
    name: "header of signed schema 1, by digest",
    reason,
    applies: (row) => isSigned(row) && isHeader(row) && row.input.reference !== "tag" && row.expectedError !== true
  }

  it.each(Vectors.load("manifest-digest", DigestRow))("manifest-digest $name", (row) => {
    const bytes = bodyOf(row.input)
    const decoded = Manifest.decode(bytes, { contentType: row.input.contentType ?? undefined, digest: askedFor(row.input) })
    switch (Vectors.deviation([believedByTag, believedByDigest], row)) {
      case believedByTag:
        return expect(Either.getOrThrow(decoded).digest).toBe(Digest.fromBytes(bytes))
      case believedByDigest:
        return expect(Either.getOrThrow(Either.flip(decoded))._tag).toBe("DigestMismatch")
    }
    expect(Either.isLeft(decoded)).toBe(row.expectedError ?? false)
    if (row.expectedDigest !== undefined) expect(Either.getOrThrow(decoded).digest).toBe(row.expectedDigest)
  })
})
