import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"

const utf8 = (text: string) => new TextEncoder().encode(text)
const digestOf = (text: string) => Digest.fromBytes(utf8(text))
const decode = Schema.decodeUnknownEither(Descriptor.Descriptor)

const json = { mediaType: "text/plain", digest: digestOf("hello"), size: 5 }

describe("schema", () => {
  it("keeps members it does not know, deep ones too", () => {
    const open = { ...json, "com.example": [1, { a: null }], platform: { os: "linux", architecture: "amd64", future: true } }
    const descriptor = Either.getOrThrow(decode(open))
    expect(descriptor).toEqual(open)
    expect(Schema.encodeSync(Descriptor.Descriptor)(descriptor)).toEqual(open)
  })

  it("keeps them inside other schemas", () => {
    const Holder = Schema.Struct({ list: Schema.optionalWith(Schema.Array(Descriptor.Descriptor), { nullable: true }) })
    const holder = { list: [{ ...json, extra: 1, platform: { os: "a", architecture: "b", extra: 2 } }] }
    expect(Schema.decodeUnknownSync(Holder)(holder)).toEqual(holder)
  })

  it("reads null as absent", () => {
    const nothing = { data: null, urls: null, annotations: null, platform: null, artifactType: null }
    expect(Either.getOrThrow(decode({ ...json, ...nothing }))).toEqual(json)
  })

  it("takes an algorithm nobody here can compute", () => {
    expect(Either.isRight(decode({ ...json, digest: "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8" }))).toBe(true)
  })

  it.each([
    ["a negative size", { ...json, size: -1 }],
    ["half a byte", { ...json, size: 0.5 }],
    ["a size that is not exact", { ...json, size: 2 ** 53 }],
    ["a size as text", { ...json, size: "5" }],
    ["no size", { mediaType: json.mediaType, digest: json.digest }],
    ["no digest", { mediaType: json.mediaType, size: 5 }],
    ["no media type", { digest: json.digest, size: 5 }],
    ["a short digest", { ...json, digest: "sha256:abc" }],
    ["upper-case hex", { ...json, digest: json.digest.toUpperCase().replace("SHA", "sha") }],
    ["an annotation that is not text", { ...json, annotations: { a: 1 } }],
    ["urls that are not a list", { ...json, urls: "https://example.com" }],
    ["a list", [json]],
    ["null", null]
  ])("refuses %s", (_, input) => {
    expect(Either.isLeft(decode(input))).toBe(true)
  })
})

describe("make", () => {
  it("orders members and annotations and leaves out what is undefined", () => {
    const made = Descriptor.make({
      artifactType: undefined,
      platform: { os: "linux", architecture: "arm64" },
      annotations: { b: "2", a: "1" },
      size: 5,
      digest: json.digest,
      mediaType: "text/plain"
    })
    expect(JSON.stringify(made)).toBe(
      `{"mediaType":"text/plain","digest":"${json.digest}","size":5,"annotations":{"a":"1","b":"2"},"platform":{"architecture":"arm64","os":"linux"}}`
    )
  })

  it("keeps members it does not know", () => {
    expect(Descriptor.make({ ...json, ...{ later: 1 } })).toEqual({ ...json, later: 1 })
  })
})

it("the empty descriptor is that of the specification", () => {
  expect(Descriptor.empty).toEqual({
    ...Descriptor.withData(Descriptor.fromBytes(utf8("{}"), "application/vnd.oci.empty.v1+json"), utf8("{}"))
  })
  expect(Descriptor.empty).toEqual({
    mediaType: "application/vnd.oci.empty.v1+json",
    digest: "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    size: 2,
    data: "e30="
  })
  expect(Descriptor.emptyBytes()).toEqual(utf8("{}"))
})

it("is equivalent by digest", () => {
  const one = Descriptor.fromBytes(utf8("a"), "text/plain")
  expect(Descriptor.Equivalence(one, { ...one, mediaType: "text/html" })).toBe(true)
  expect(Descriptor.Equivalence(one, Descriptor.fromBytes(utf8("b"), "text/plain"))).toBe(false)
})

describe("content", () => {
  it.effect("is none without data", () =>
    Effect.gen(function* () {
      expect(yield* Descriptor.content(json)).toEqual(Option.none())
    })
  )

  it.effect.prop(
    "is what was put in",
    [fc.uint8Array({ maxLength: 200 }), fc.constantFrom<"sha256" | "sha512">("sha256", "sha512")],
    ([bytes, algorithm]) =>
      Effect.gen(function* () {
        const descriptor = Descriptor.withData(Descriptor.fromBytes(bytes, "text/plain", algorithm), bytes)
        expect(yield* Descriptor.content(descriptor)).toEqual(Option.some(bytes))
      })
  )

  const failure = (fields: Partial<Descriptor.Fields>) =>
    Effect.flip(Descriptor.content(Descriptor.make({ ...json, data: Encoding.encodeBase64("hello"), ...fields })))

  it.effect.each([
    ["not base64", { data: "aGVsbG8*" }, "MalformedContent"],
    ["the alphabet of URLs", { data: "_-8=" }, "MalformedContent"],
    ["line breaks", { data: "aGVs\nbG8=" }, "MalformedContent"],
    ["no padding", { data: "aGVsbG8" }, "MalformedContent"],
    ["padding in the middle", { data: "aG=sbG8=" }, "MalformedContent"],
    ["another content of the same length", { data: Encoding.encodeBase64("hallo") }, "DigestMismatch"],
    ["too short", { data: Encoding.encodeBase64("hell") }, "SizeMismatch"],
    ["too long", { data: Encoding.encodeBase64("hello, world") }, "SizeMismatch"],
    ["empty", { data: "" }, "SizeMismatch"],
    ["an unknown algorithm", { digest: Either.getOrThrow(Digest.parse("fake256:whatever")) }, "InvalidDigest"]
  ] as const)("refuses %s", ([_, fields, tag]) =>
    Effect.gen(function* () {
      expect((yield* failure(fields))._tag).toBe(tag)
    })
  )

  it.effect("sees a wrong size before it decodes or hashes", () =>
    Effect.gen(function* () {
      const huge = "A".repeat(1_000_000)
      const error = yield* Descriptor.content({ ...json, data: huge }).pipe(Effect.flip)
      expect(error).toMatchObject({ _tag: "SizeMismatch", expected: 5, actual: 750_000 })
      // In time that does not grow with the square of its length.
      const padding = yield* Descriptor.content({ ...json, data: `${"=".repeat(2 ** 20)}A` }).pipe(Effect.flip)
      expect(padding).toMatchObject({ _tag: "SizeMismatch" })
    })
  )

  it.effect("accepts empty content", () =>
    Effect.gen(function* () {
      const descriptor = Descriptor.make({ mediaType: "text/plain", digest: digestOf(""), size: 0, data: "" })
      expect(yield* Descriptor.content(descriptor)).toEqual(Option.some(new Uint8Array()))
    })
  )
})
