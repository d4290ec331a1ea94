import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Platform from "../../src/model/Platform.ts"
import * as Vectors from "../vectors/Vectors.ts"

const parsed = (text: string) => Either.getOrThrow(Platform.parse(text))

describe("vectors", () => {
  const ParseRow = Schema.Struct({
    input: Schema.String,
    expected: Schema.Union(
      Schema.Struct({ ok: Schema.Literal(true), platform: Platform.Platform, string: Schema.String }),
      Schema.Struct({ ok: Schema.Literal(false), error: Schema.String })
    )
  })
  const FormatRow = Schema.Struct({ platform: Platform.Platform, expectedString: Schema.String })

  it.each(Vectors.load("platform-parse", Schema.Union(ParseRow, FormatRow)))("platform-parse %j", (row) => {
    if ("expectedString" in row) {
      expect(Platform.format(row.platform)).toBe(row.expectedString)
    } else if (row.expected.ok) {
      expect(parsed(row.input)).toEqual(row.expected.platform)
      expect(Platform.format(parsed(row.input))).toBe(row.expected.string)
    } else {
      expect(Either.isLeft(Platform.parse(row.input))).toBe(true)
    }
  })

  const CompareRow = Schema.Union(
    Schema.Struct({ op: Schema.Literal("equals"), a: Platform.Platform, b: Platform.Platform, expected: Schema.Boolean }),
    Schema.Struct({ op: Schema.Literal("satisfies"), have: Platform.Platform, spec: Platform.Platform, expected: Schema.Boolean })
  )

  it.each(Vectors.load("platform-compare", CompareRow))("platform-compare %j", (row) => {
    expect(row.op === "equals" ? Platform.equals(row.a, row.b) : Platform.satisfies(row.spec, row.have)).toBe(row.expected)
  })

  const MatchRow = Schema.Struct({ given: Platform.Platform, required: Platform.Platform, expected: Schema.Boolean })

  it.each(Vectors.load("platform-match", MatchRow))("platform-match %j", (row) => {
    expect(Platform.matchesExact(row.required, row.given)).toBe(row.expected)
  })

  const ChildRow = Schema.Struct({
    index: Schema.Struct({
      manifests: Schema.Array(Schema.Struct({ digest: Schema.String, platform: Schema.optional(Platform.Platform) }))
    }),
    platform: Platform.Platform,
    expectedDigest: Schema.NullOr(Schema.String)
  })

  it.each(Vectors.load("index-child-resolution", ChildRow))("index-child-resolution %j", (row) => {
    const chosen = Platform.choose(row.index.manifests, row.platform, "exact")
    expect(Option.getOrNull(Option.map(chosen, (_) => _.digest))).toBe(row.expectedDigest)
  })
})

describe("parse and format", () => {
  it("names the input that has too many slashes", () => {
    const error = Either.getOrThrow(Either.flip(Platform.parse("linux/arm/v7/x")))
    expect(error._tag).toBe("MalformedContent")
    expect(error.message).toContain('"linux/arm/v7/x"')
  })

  it("ignores blanks around", () => {
    expect(parsed(" linux/amd64\n")).toEqual({ os: "linux", architecture: "amd64" })
  })

  const word = fc.stringMatching(/^[a-z0-9_.-]{1,8}$/)
  const platform = fc
    .record({ os: word, architecture: word })
    .chain((base) =>
      fc.record({ variant: word, "os.version": word }, { requiredKeys: [] }).map((more): Platform.Platform => ({ ...base, ...more }))
    )

  it.prop("what is formatted parses back", [platform], ([platform]) => {
    expect(parsed(Platform.format(platform))).toEqual(platform)
  })

  it.prop("any text parses or fails, and never throws", [fc.string()], ([text]) => {
    expect(Either.isEither(Platform.parse(text))).toBe(true)
  })

  it.each([
    [{ os: "linux", architecture: "" }, true],
    [{ os: "", architecture: "arm" }, true],
    [{ os: "", architecture: "" }, true],
    [{ os: "", architecture: "amd64" }, false],
    [{ os: "", architecture: "", variant: "v7", "os.features": [] }, true],
    [{ os: "", architecture: "", variant: "v6" }, false]
  ])("%j says nothing by what it leaves empty", (wanted, expected) => {
    const given = { os: "linux", architecture: "arm", variant: "v7" }
    expect(Platform.satisfies(wanted, given)).toBe(expected)
    expect(Platform.matchesExact(wanted, given)).toBe(false)
  })

  it.prop("a platform equals and satisfies itself", [platform], ([platform]) => {
    expect(Platform.equals(platform, { ...platform })).toBe(true)
    expect(Platform.satisfies(platform, platform)).toBe(true)
    expect(Platform.matchesExact(platform, platform)).toBe(true)
    expect(Platform.matches(platform, platform)).toBe(true)
  })

  it.prop("normalizing twice changes nothing more", [platform], ([platform]) => {
    expect(Platform.normalize(Platform.normalize(platform))).toEqual(Platform.normalize(platform))
  })
})

it("keeps members it does not know and reads null as absent", () => {
  const decoded = Schema.decodeUnknownSync(Platform.Platform)({ os: null, architecture: "amd64", variant: null, future: { a: 1 } })
  expect(decoded).toEqual({ os: "", architecture: "amd64", future: { a: 1 } })
})

describe("normalize", () => {
  it.each([
    ["linux/x86_64", "linux/amd64"],
    ["linux/x86-64", "linux/amd64"],
    ["linux/amd64/v1", "linux/amd64"],
    ["linux/amd64/v2", "linux/amd64/v2"],
    ["linux/aarch64", "linux/arm64"],
    ["linux/arm64/v8", "linux/arm64"],
    ["linux/arm64/8", "linux/arm64"],
    ["linux/arm64/v9.0", "linux/arm64/v9"],
    ["linux/arm64/v8.2", "linux/arm64/v8.2"],
    ["linux/arm", "linux/arm/v7"],
    ["linux/arm/6", "linux/arm/v6"],
    ["linux/armhf", "linux/arm/v7"],
    ["linux/armel", "linux/arm/v6"],
    ["linux/i386", "linux/386"],
    ["macos/arm64", "darwin/arm64"],
    ["Linux/AMD64", "linux/amd64"],
    ["linux/riscv64/rva20u64", "linux/riscv64/rva20u64"]
  ])("%s is %s", (given, normalized) => {
    expect(Platform.format(Platform.normalize(parsed(given)))).toBe(normalized)
  })

  it("keeps the OS version and features", () => {
    const platform = { os: "Windows", architecture: "x86_64", "os.version": "10.0.1", "os.features": ["win32k"] }
    expect(Platform.normalize(platform)).toEqual({ ...platform, os: "windows", architecture: "amd64" })
  })
})

// The tables of containerd/platforms `TestOnly`.
describe("matches", () => {
  const table: ReadonlyArray<{ wanted: string; yes: ReadonlyArray<string>; no: ReadonlyArray<string> }> = [
    {
      wanted: "linux/amd64",
      yes: ["linux/amd64", "linux/386", "linux/x86_64"],
      no: ["linux/amd64/v2", "linux/arm/v7", "linux/arm64", "windows/amd64", "windows/arm"]
    },
    {
      wanted: "linux/amd64/v2",
      yes: ["linux/amd64", "linux/amd64/v1", "linux/amd64/v2", "linux/386"],
      no: ["linux/amd64/v3", "linux/amd64/v4", "linux/arm/v7", "linux/arm64", "windows/amd64"]
    },
    { wanted: "linux/amd64/v3", yes: ["linux/amd64/v3", "linux/amd64/v2", "linux/amd64/v1", "linux/amd64"], no: ["linux/amd64/v4"] },
    { wanted: "linux/386", yes: ["linux/386", "linux/i386"], no: ["linux/amd64", "linux/arm/v7", "linux/arm64", "windows/amd64"] },
    {
      wanted: "linux/arm/v8",
      yes: ["linux/arm", "linux/arm/v5", "linux/arm/v6", "linux/arm/v7", "linux/arm/v8"],
      no: ["linux/amd64", "linux/arm/v4", "linux/arm64", "windows/arm"]
    },
    {
      wanted: "linux/arm/v7",
      yes: ["linux/arm", "linux/arm/v5", "linux/arm/v6", "linux/arm/v7"],
      no: ["linux/amd64", "linux/arm/v4", "linux/arm/v8", "linux/arm64"]
    },
    { wanted: "linux/arm/v6", yes: ["linux/arm/v5", "linux/arm/v6"], no: ["linux/arm", "linux/arm/v4", "linux/arm/v7", "linux/arm64"] },
    { wanted: "linux/arm/v5", yes: ["linux/arm/v5"], no: ["linux/arm", "linux/arm/v4", "linux/arm/v6"] },
    { wanted: "linux/arm/v4", yes: ["linux/arm/v4"], no: ["linux/arm", "linux/arm/v5"] },
    {
      wanted: "linux/arm64",
      yes: ["linux/arm64", "linux/arm64/v8", "linux/arm", "linux/arm/v5", "linux/arm/v8"],
      no: ["linux/amd64", "linux/arm/v4", "linux/arm/v9", "linux/arm64/v9", "windows/arm"]
    },
    {
      wanted: "linux/arm64/v8.1",
      yes: ["linux/arm64", "linux/arm64/v8", "linux/arm64/v8.1", "linux/arm/v8", "linux/arm"],
      no: ["linux/arm64/v8.2", "linux/arm64/v9", "linux/arm/v4", "linux/arm/v9"]
    },
    {
      wanted: "linux/arm64/v9",
      yes: ["linux/arm64", "linux/arm64/v8.1", "linux/arm64/v8.5", "linux/arm64/v9", "linux/arm64/v9.0", "linux/arm/v7"],
      no: ["linux/arm64/v8.6", "linux/arm64/v9.1", "linux/arm/v4", "linux/amd64"]
    },
    { wanted: "linux/arm64/v9.1", yes: ["linux/arm64/v9", "linux/arm64/v8.6"], no: ["linux/arm64/v8.7", "linux/arm64/v9.2"] },
    { wanted: "linux/ppc64le/power9", yes: ["linux/ppc64le/power9"], no: ["linux/ppc64le/power8", "linux/ppc64le"] },
    { wanted: "windows/amd64", yes: ["windows/amd64", "windows/amd64:10.0.17763"], no: ["linux/amd64", "windows/arm"] },
    {
      wanted: "windows/amd64:10.0.17763",
      yes: ["windows/amd64", "windows/amd64:10.0.17763", "windows/amd64:10.0.17763.1817"],
      no: ["windows/amd64:10.0.17764", "windows/amd64:10.0.20348", "windows/amd64:10.1.17763"]
    },
    {
      wanted: "windows/amd64:10.0.22621",
      yes: ["windows/amd64:10.0.20348.1", "windows/amd64:10.0.22621"],
      no: ["windows/amd64:10.0.17763", "windows/amd64:10.0.22622"]
    },
    { wanted: "windows/amd64:10.0", yes: ["windows/amd64:10.0.17763"], no: ["windows/amd64:10.1.1"] },
    { wanted: "linux/amd64:1.0", yes: ["linux/amd64:2.0"], no: [] }
  ]

  const cases = table.flatMap(({ wanted, yes, no }) => [
    ...yes.map((given) => ({ wanted, given, expected: true })),
    ...no.map((given) => ({ wanted, given, expected: false }))
  ])

  it.each(cases)("$wanted, $given: $expected", ({ wanted, given, expected }) => {
    expect(Platform.matches(parsed(wanted), parsed(given))).toBe(expected)
  })

  it("an entry may not ask for OS features that are not wanted", () => {
    const windows = parsed("windows/amd64")
    const withFeature = { ...windows, "os.features": ["win32k"] }
    expect(Platform.matches(windows, withFeature)).toBe(false)
    expect(Platform.matches(withFeature, withFeature)).toBe(true)
    expect(Platform.matches(withFeature, windows)).toBe(true)
  })
})

describe("choose", () => {
  const entry = (text: string) => ({ name: text, platform: parsed(text) })
  const chosen = (entries: ReadonlyArray<{ name: string } & Platform.Entry>, wanted: string, policy: Platform.Policy) =>
    Option.getOrNull(Option.map(Platform.choose(entries, parsed(wanted), policy), (_) => _.name))

  const unnamed = { name: "unnamed" }
  const attestation = entry("unknown/unknown")

  it("takes the best variant when normalized, the first when exact", () => {
    const entries = ["linux/arm/v5", "linux/arm/v6", "linux/arm/v7", "linux/arm64"].map(entry)
    expect(chosen(entries, "linux/arm/v7", "normalized")).toBe("linux/arm/v7")
    expect(chosen(entries, "linux/arm", "exact")).toBe("linux/arm/v5")
    expect(chosen(entries.slice(0, 2), "linux/arm/v7", "normalized")).toBe("linux/arm/v6")
    expect(chosen(entries.slice(0, 2), "linux/arm/v7", "exact")).toBe(null)
  })

  it("knows other names only when normalized", () => {
    const entries = [entry("linux/arm64/v8")]
    expect(chosen(entries, "linux/aarch64", "normalized")).toBe("linux/arm64/v8")
    expect(chosen(entries, "linux/aarch64", "exact")).toBe(null)
  })

  it("prefers the document order among equals", () => {
    const entries = [
      { ...entry("linux/amd64"), name: "first" },
      { ...entry("linux/amd64"), name: "second" }
    ]
    expect(chosen(entries, "linux/amd64", "normalized")).toBe("first")
    expect(chosen(entries, "linux/amd64", "exact")).toBe("first")
  })

  it("takes an entry without platform for linux/amd64, when normalized after all that name theirs", () => {
    expect(chosen([unnamed, entry("linux/amd64")], "linux/amd64", "exact")).toBe("unnamed")
    expect(chosen([unnamed, entry("linux/amd64")], "linux/amd64", "normalized")).toBe("linux/amd64")
    expect(chosen([unnamed, entry("linux/386")], "linux/amd64", "normalized")).toBe("linux/386")
    expect(chosen([unnamed], "linux/amd64", "normalized")).toBe("unnamed")
    expect(chosen([unnamed], "linux/arm64", "normalized")).toBe(null)
  })

  it("takes what is no manifest only when nothing else fits, when normalized", () => {
    const page = { ...entry("linux/amd64"), name: "page", mediaType: "application/xml" }
    const image = { name: "image", mediaType: "application/vnd.oci.image.manifest.v1+json" }
    expect(chosen([page, image], "linux/amd64", "normalized")).toBe("image")
    expect(chosen([page, entry("linux/386")], "linux/amd64", "normalized")).toBe("linux/386")
    expect(chosen([page, image], "linux/amd64", "exact")).toBe("page")
    expect(chosen([page], "linux/amd64", "normalized")).toBe("page")
  })

  it("never takes an attestation when normalized", () => {
    const annotated = { ...entry("linux/amd64"), annotations: { "vnd.docker.reference.type": "attestation-manifest" } }
    expect(chosen([attestation], "unknown/unknown", "normalized")).toBe(null)
    expect(chosen([annotated], "linux/amd64", "normalized")).toBe(null)
    expect(chosen([attestation, annotated, { ...entry("linux/amd64"), name: "image" }], "linux/amd64", "normalized")).toBe("image")
  })

  it("takes the newest Windows build that runs", () => {
    const entries = ["windows/amd64:10.0.20348.1", "windows/amd64:10.0.22621.1", "windows/amd64:10.0.26100.1"].map(entry)
    expect(chosen(entries, "windows/amd64:10.0.25000", "normalized")).toBe("windows/amd64:10.0.22621.1")
  })

  const arbitrary = fc.constantFrom(
    "linux/amd64",
    "linux/arm/v7",
    "linux/arm64",
    "windows/amd64:10.0.17763",
    "unknown/unknown",
    "linux/386"
  )

  it.prop("what is chosen matches, and something is whenever one matches", [fc.array(arbitrary), arbitrary], ([texts, wanted]) => {
    const entries = texts.map(entry)
    const isImage = (text: string) => text !== "unknown/unknown"
    const choice = chosen(entries, wanted, "normalized")
    const fitting = texts.filter((text) => isImage(text) && Platform.matches(parsed(wanted), parsed(text)))
    if (choice === null) expect(fitting).toEqual([])
    else expect(fitting).toContain(choice)
  })
})
