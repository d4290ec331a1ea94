import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as fc from "effect/FastCheck"
import * as Hash from "effect/Hash"
import * as Schema from "effect/Schema"
import * as Digest from "../../src/model/Digest.ts"
import * as Reference from "../../src/model/Reference.ts"
import { InvalidReference } from "../../src/model/RegistryError.ts"
import * as Vectors from "../vectors/Vectors.ts"

const sha256 = `sha256:${"deadb33f".repeat(8)}`

const read = (input: string, options?: Reference.ParseOptions) => Either.getOrThrow(Reference.parse(input, options))

const reasonOf = (input: string, options?: Reference.ParseOptions) => Either.getOrThrow(Either.flip(Reference.parse(input, options))).reason

// --- the vectors of go-containerregistry ---

const Row = Schema.Struct({
  kind: Schema.Literal("registry", "repository", "tag", "digest", "reference"),
  input: Schema.String,
  mode: Schema.Literal("weak", "strict"),
  insecure: Schema.optional(Schema.Boolean),
  defaultRegistry: Schema.optional(Schema.String),
  defaultTag: Schema.optional(Schema.String),
  expected: Schema.Struct({
    ok: Schema.Boolean,
    registry: Schema.optional(Schema.String),
    repository: Schema.optional(Schema.String),
    identifier: Schema.optional(Schema.String),
    name: Schema.optional(Schema.String),
    scheme: Schema.optional(Schema.String)
  })
})

type Row = typeof Row.Type

/** What a row comes to: nothing for an error. */
interface Outcome {
  readonly registry: string
  readonly repository?: string | undefined
  readonly identifier?: string | undefined
  readonly name: string
  readonly http: boolean
}

const isHub = (registry: string) => /^(?:(?:index|registry-1)\.)?docker\.io$/i.test(registry)

// Our documented grammar a second time, as the anchored expressions of docker's reference package, to hold the parser against.
const nameComponent = "[a-z0-9]+(?:(?:[.]|_|__|[-]+)[a-z0-9]+)*"
const namePattern = new RegExp(`^${nameComponent}(?:/${nameComponent})*$`)
const tagPattern = /^[\w][\w.-]{0,127}$/
const domainComponent = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
const domainPattern = new RegExp(`^(?:${domainComponent}(?:\\.${domainComponent})*|\\[[a-fA-F0-9:.]+\\])(?::[0-9]+)?$`)
const digestPattern =
  /^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}|blake3:[a-f0-9]{64}|(?!sha256:|sha512:|blake3:)[a-z0-9]+(?:[+._-][a-z0-9]+)*:[\w=-]+)$/

const looksLikeRegistry = (part: string) => part === "localhost" || /[.:A-Z]/.test(part)

/** A port from 1 to 65535, and a host that a URL does not take for another spelling of an address, such as `127.1`. */
const isPlainAddress = (registry: string): boolean => {
  const port = /:([0-9]+)$/.exec(registry.replace(/^\[.*\]/, ""))?.[1]
  if (port !== undefined && !(/^[1-9]/.test(port) && Number(port) < 65536)) return false
  const host = registry.toLowerCase().replace(/:[0-9]*$/, "")
  return !/(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/.test(host) || /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.|$)){4}$/.test(host)
}

/** go-containerregistry's rule at its head (`Registry.Scheme`), as one expression. */
const localPattern =
  /^(?:localhost:\d+|(?:.*\.localhost|127\.0\.0\.1|\[::1\]|(?:10\.\d+|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d+\.\d+)(?::\d+)?)$/

const oracleRegistry = (text: string, row: Row): string | undefined => {
  const name = text === "" && row.mode === "weak" ? (row.defaultRegistry ?? "docker.io") : text
  if (!domainPattern.test(name) || !looksLikeRegistry(name)) return undefined
  if (!isPlainAddress(name)) return undefined
  return isHub(name) ? "docker.io" : looksLikeRegistry(name.toLowerCase()) ? name.toLowerCase() : name
}

const oracle = (row: Row): Outcome | undefined => {
  const http = (registry: string) => row.insecure === true || localPattern.test(registry)
  if (row.kind === "registry") {
    const registry = oracleRegistry(row.input, row)
    return registry === undefined ? undefined : { registry, name: registry, http: http(registry) }
  }
  const [, path = "", tag, digest] = (row.kind === "repository" ? /^(.*)$/s : /^(.*?)(?::([^:/@]*))?(?:@(.*))?$/s).exec(row.input) ?? []
  const [first = "", ...rest] = path.split("/")
  const explicit = rest.length > 0 && looksLikeRegistry(first)
  const registry = oracleRegistry(explicit ? first : "", row)
  if (registry === undefined) return undefined
  const short = explicit ? rest.join("/") : path
  if (registry === "docker.io" && !short.includes("/") && row.mode === "strict") return undefined
  const repository = registry === "docker.io" && !short.includes("/") ? `library/${short}` : short
  if (!namePattern.test(repository) || registry.length + repository.length > 254) return undefined
  if (row.kind === "repository") return { registry, repository, name: `${registry}/${repository}`, http: http(registry) }

  const usedTag = tag ?? (digest === undefined && row.mode === "weak" ? (row.defaultTag ?? "latest") : undefined)
  if (usedTag === undefined && digest === undefined) return undefined
  if (usedTag !== undefined && !tagPattern.test(usedTag)) return undefined
  if (digest !== undefined && !digestPattern.test(digest)) return undefined
  const name = `${registry}/${repository}${usedTag === undefined ? "" : `:${usedTag}`}${digest === undefined ? "" : `@${digest}`}`
  return { registry, repository, identifier: digest ?? usedTag, name, http: http(registry) }
}

const actual = (row: Row): Outcome | undefined => {
  const { defaultRegistry, defaultTag, insecure, mode } = row
  const options = { mode, defaultRegistry, defaultTag }
  const http = (registry: string) => Reference.mayUsePlainHttp(registry, { insecure })
  switch (row.kind) {
    case "registry":
      return Either.match(Reference.parseRegistry(row.input, options), {
        onLeft: () => undefined,
        onRight: (registry) => ({ registry, name: registry, http: http(registry) })
      })
    case "repository":
      return Either.match(Reference.parseRepository(row.input, options), {
        onLeft: () => undefined,
        onRight: (_) => ({ registry: _.registry, repository: _.name, name: _.toString(), http: http(_.registry) })
      })
    default:
      return Either.match(Reference.parse(row.input, options), {
        onLeft: () => undefined,
        onRight: (_) => ({
          registry: _.registry,
          repository: _.repository.name,
          identifier: _.identifier,
          name: _.toString(),
          http: http(_.registry)
        })
      })
  }
}

const goOutcome = ({ expected, kind }: Row): Outcome | undefined =>
  !expected.ok || expected.registry === undefined || expected.name === undefined
    ? undefined
    : {
        registry: expected.registry,
        ...(kind !== "registry" && { repository: expected.repository }),
        ...(kind !== "registry" && kind !== "repository" && { identifier: expected.identifier }),
        name: expected.name,
        http: expected.scheme === "http"
      }

const registryPart = ({ input, kind }: Row) => (kind === "registry" ? input : input.includes("/") ? (input.split("/")[0] ?? "") : "")

/** Where our grammar and go-containerregistry's differ, and so may the outcome. Anything else that differs is a failure. */
const deviations: ReadonlyArray<Vectors.Deviation<Row>> = [
  {
    name: "Docker Hub is docker.io",
    reason: "its three names are one registry, printed by the name people use",
    applies: ({ expected }) => expected.registry !== undefined && isHub(expected.registry)
  },
  {
    name: "tag and digest stay together",
    reason: "go-containerregistry drops the tag before a digest",
    applies: ({ input }) => /:[^/:@]+@/.test(input)
  },
  {
    name: "names by the OCI grammar",
    reason: "distribution-spec «Pulling manifests»: go-containerregistry takes any sequence of the characters",
    applies: ({ expected }) => expected.repository !== undefined && !namePattern.test(expected.repository)
  },
  {
    name: "tags by the OCI grammar",
    reason: "a tag begins with a letter, a digit or _",
    applies: ({ expected, kind }) =>
      (kind === "tag" || kind === "reference") &&
      expected.identifier !== undefined &&
      !expected.identifier.includes(":") &&
      !tagPattern.test(expected.identifier)
  },
  {
    name: "every digest algorithm",
    reason: "go-containerregistry knows sha256 alone",
    applies: ({ input }) => {
      const digest = input.slice(input.lastIndexOf("@") + 1)
      return input.includes("@") && digestPattern.test(digest) && !digest.startsWith("sha256:")
    }
  },
  {
    name: "registries by docker's grammar",
    reason:
      "host[:port] that a URL takes as it is: no trailing dot, no empty port, IPv6 in brackets, and a dot or port to tell it from a name",
    applies: ({ expected }) =>
      expected.registry !== undefined &&
      !(domainPattern.test(expected.registry) && looksLikeRegistry(expected.registry) && isPlainAddress(expected.registry))
  },
  {
    name: "255 characters with the registry",
    reason: "distribution-spec «Pulling manifests»: the limit is on registry, slash and name together",
    applies: ({ expected }) => (expected.registry?.length ?? 0) + 1 + (expected.repository?.length ?? 0) > 255
  },
  {
    name: "capitals make a registry",
    reason: "docker's rule: no namespace has capitals; hosts are printed in lower case",
    applies: (row) => /[A-Z]/.test(registryPart(row))
  },
  {
    name: "one parser",
    reason: "there is no parser for tags only or for digests only",
    applies: ({ input, kind }) => (kind === "digest" && !input.includes("@")) || (kind === "tag" && input.includes("@"))
  }
]

describe("Reference", () => {
  describe("name-reference-parsing.json", () => {
    for (const row of Vectors.load("name-reference-parsing", Row)) {
      const deviation = Vectors.deviation(deviations, row)
      const title = `${row.kind} ${JSON.stringify(row.input.slice(0, 120))} ${row.mode}${deviation === undefined ? "" : ` (${deviation.name})`}`
      it(title, () => {
        const outcome = actual(row)
        expect(outcome).toEqual(oracle(row))
        if (deviation === undefined) expect(outcome).toEqual(goOutcome(row))
        else if (outcome !== undefined && row.expected.ok) expect(outcome.http).toBe(row.expected.scheme === "http")
      })
    }
  })

  describe("referrers-fallback-tag.json", () => {
    const FallbackRow = Schema.Struct({ digestReference: Schema.String, expectedTag: Schema.String })
    for (const row of Vectors.load("referrers-fallback-tag", FallbackRow)) {
      it(row.digestReference, () => {
        const { digest } = read(row.digestReference)
        expect(digest === undefined ? undefined : Reference.referrersTag(digest)).toBe(row.expectedTag)
      })
    }
  })

  it("cuts and cleans the referrers tag", () => {
    const digest = Either.getOrThrow(Digest.parse(`${"a".repeat(30)}+b58.x:${"=".repeat(3)}${"Q".repeat(90)}`))
    expect(Reference.referrersTag(digest)).toBe(`${"a".repeat(30)}-b----${"Q".repeat(61)}`)
    const sha512 = Digest.fromBytes(new Uint8Array(), "sha512")
    expect(Reference.referrersTag(sha512)).toBe(`sha512-${Digest.encoded(sha512).slice(0, 64)}`)
  })

  describe("parse", () => {
    it.each([
      ["ubuntu", "docker.io/library/ubuntu:latest"],
      ["ubuntu:24.04", "docker.io/library/ubuntu:24.04"],
      ["acme/app", "docker.io/acme/app:latest"],
      ["index.docker.io/ubuntu", "docker.io/library/ubuntu:latest"],
      ["registry-1.docker.io/acme/app", "docker.io/acme/app:latest"],
      ["DOCKER.io/ubuntu", "docker.io/library/ubuntu:latest"],
      ["ghcr.io/acme/app:1.4", "ghcr.io/acme/app:1.4"],
      [`ghcr.io/acme/app@${sha256}`, `ghcr.io/acme/app@${sha256}`],
      [`ghcr.io/acme/app:1.4@${sha256}`, `ghcr.io/acme/app:1.4@${sha256}`],
      ["localhost/app", "localhost/app:latest"],
      ["LOCALHOST/app", "localhost/app:latest"],
      ["localhost:5000", "docker.io/library/localhost:5000"],
      ["localhost:5000/app", "localhost:5000/app:latest"],
      ["[::1]/app", "[::1]/app:latest"],
      ["[0:0:0:0:0:0:0:1]:5000/app:x", "[::1]:5000/app:x"],
      ["[2001:DB8::1]:5000/app", "[2001:db8::1]:5000/app:latest"],
      ["GHCR.io/acme/app", "ghcr.io/acme/app:latest"],
      ["UPPER/case", "UPPER/case:latest"],
      ["a.b/c__d/e-----f/g.h_i", "a.b/c__d/e-----f/g.h_i:latest"]
    ])("%s is %s", (input, printed) => {
      expect(read(input).toString()).toBe(printed)
    })

    it.each([
      ["https://ghcr.io/acme/app", "a reference is not a URL: leave out https://"],
      ["oci://ghcr.io/acme/app", "a reference is not a URL: leave out oci://"],
      ["", "there is no repository name"],
      [" ubuntu", "it contains white space"],
      ["ubuntu\n", "it contains white space"],
      ["ubuntu@sha256:abc", "after @ there must be a digest: sha256 has 64 hex digits, not 3"],
      ["ubuntu@latest", "after @ there must be a digest: it does not have the form algorithm:encoded"]
    ])("%j fails: %s", (input, reason) => {
      expect(reasonOf(input)).toBe(reason)
    })

    it.each([
      "ubuntu:",
      "ubuntu:-x",
      "ubuntu:.x",
      "ubuntu:a:b",
      `ubuntu:${"x".repeat(129)}`,
      "Ubuntu",
      "ghcr.io/",
      "ghcr.io//app",
      "ghcr.io/app/",
      "ghcr.io/-app",
      "ghcr.io/app-",
      "ghcr.io/a..b",
      "ghcr.io/a___b",
      "/app",
      "ghcr.io./app",
      "ghcr.io:/app",
      "ghcr.io:0/app",
      "ghcr.io:65536/app",
      "ghcr.io:0443/app",
      "ghcr.io:abc/app",
      "my_registry.local/app",
      "-a.b/app",
      "1.2.3.4.5/app",
      "127.1/app",
      "0x7f.1/app",
      "256.1.1.1/app",
      "::1/app",
      "[::1/app",
      "[::zz]/app",
      "[127.0.0.1]/app",
      "ghcr.io/app?x=y",
      "ghcr.io/app#x",
      "ghcr.io/../app",
      "ghcr.io/%61pp",
      `a@b@${sha256}`
    ])("%j fails", (input) => {
      expect(Either.isLeft(Reference.parse(input))).toBe(true)
    })

    it("limits registry and repository to 255 characters together", () => {
      const name = (length: number) => `ghcr.io/${"a".repeat(length - 8)}`
      expect(Either.isRight(Reference.parseRepository(name(255)))).toBe(true)
      expect(Either.isLeft(Reference.parseRepository(name(256)))).toBe(true)
    })

    it("strict wants everything spelled out", () => {
      const strict = { mode: "strict" } as const
      expect(reasonOf("ghcr.io/acme/app", strict)).toBe("a tag or a digest must be spelled out")
      expect(reasonOf("acme/app:1", strict)).toBe("the registry must be spelled out")
      expect(reasonOf("docker.io/ubuntu:1", strict)).toBe("an official image of docker.io is in library/: library/ubuntu")
      expect(read("docker.io/library/ubuntu:1", strict).toString()).toBe("docker.io/library/ubuntu:1")
      expect(read(`ghcr.io/app@${sha256}`, strict).tag).toBeUndefined()
    })

    it("takes other defaults, and checks them", () => {
      const defaults = { defaultRegistry: "ghcr.io", defaultTag: "stable" }
      expect(read("app", defaults).toString()).toBe("ghcr.io/app:stable")
      expect(read("quay.io/app:1", defaults).toString()).toBe("quay.io/app:1")
      expect(read(`app@${sha256}`, defaults).toString()).toBe(`ghcr.io/app@${sha256}`)
      expect(reasonOf("app", { defaultRegistry: "not a host" })).toContain('"not a host" is not a registry')
      expect(reasonOf("app", { defaultTag: "-" })).toContain('"-" is not a tag')
    })

    it("shows no password that was pasted with a name", () => {
      const inputs = [
        "https://user:hunter2@ghcr.io/acme/app",
        "https://user:hunter2@ghcr.io",
        "https://user:hunter2@localhost:5000",
        "https://hunter2@ghcr.io/app",
        "user:hunter2@ghcr.io/acme/app",
        "user:hun@hunter2@ghcr.io/acme/app",
        "user:hunter2/x@ghcr.io",
        "user:hunter2@ghcr.io",
        `user:hunter2@ghcr.io/acme/app@sha256:${"a".repeat(64)}`
      ]
      for (const input of inputs) {
        const results: ReadonlyArray<Either.Either<unknown, InvalidReference>> = [
          Reference.parse(input),
          Reference.parseRepository(input),
          Reference.parseRegistry(input)
        ]
        for (const result of results) {
          expect(`${JSON.stringify(result)} ${Either.getOrThrow(Either.flip(result)).message}`).not.toContain("hunter2")
        }
      }
    })

    it("repeats a part of a long text only", () => {
      const long = "a".repeat(1_000_000)
      for (const result of [
        Reference.parse("@".repeat(1_000_000)),
        Reference.parse(`${long}!`),
        Reference.parse(`app:${long}`),
        Reference.parse(`docker.io/${long}:1`, { mode: "strict" }),
        Reference.parseRegistry(long),
        Reference.parseTag(long)
      ]) {
        expect(Either.getOrThrow(Either.flip<unknown, InvalidReference>(result)).message.length).toBeLessThan(2000)
      }
    })
  })

  it("parseRepository takes neither tag nor digest", () => {
    expect(Either.getOrThrow(Reference.parseRepository("ubuntu")).toString()).toBe("docker.io/library/ubuntu")
    for (const input of ["ubuntu:24.04", `ubuntu@${sha256}`, ""]) expect(Either.isLeft(Reference.parseRepository(input))).toBe(true)
  })

  it("parseTag takes a tag", () => {
    expect(Reference.parseTag("v1.2_3-x")).toEqual(Either.right("v1.2_3-x"))
    for (const input of ["", ".x", "a/b", "a b", "a:b", "x".repeat(129)]) expect(Either.isLeft(Reference.parseTag(input))).toBe(true)
  })

  describe("properties", () => {
    const component = fc.stringMatching(/^[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}$/)
    const name = fc.array(component, { minLength: 1, maxLength: 4 }).map((_) => _.join("/"))
    const registry = fc.constantFrom(
      "",
      "docker.io/",
      "index.docker.io/",
      "ghcr.io/",
      "Quay.IO/",
      "localhost/",
      "localhost:5000/",
      "[::1]:443/",
      "10.0.0.1:80/",
      "HOST/"
    )
    const tag = fc.option(fc.stringMatching(/^:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}$/), { nil: "" })
    const digest = fc.constantFrom("", `@${sha256}`, `@sha512:${"0a".repeat(64)}`, "@md5+x:abc=")
    const startsLikeRegistry = (text: string) => text.includes("/") && /^[^/]*\.|^localhost\//.test(text)
    const valid = fc
      .tuple(registry, name, tag, digest)
      .filter(([registry, name]) => registry !== "" || !startsLikeRegistry(name))
      .map((_) => _.join(""))

    it("what is printed reads as the same reference", () => {
      fc.assert(
        fc.property(valid, (input) => {
          const reference = read(input)
          const again = read(reference.toString(), { mode: "strict" })
          expect(Equal.equals(again, reference) && Hash.hash(again) === Hash.hash(reference)).toBe(true)
          expect(again.toString()).toBe(reference.toString())
          expect(Equal.equals(read(Reference.familiarName(reference)), reference)).toBe(true)
          const repository = Either.getOrThrow(Reference.parseRepository(reference.repository.toString(), { mode: "strict" }))
          expect(Equal.equals(repository, reference.repository)).toBe(true)
        })
      )
    })

    it("what was spelled out stays: name, tag and digest", () => {
      fc.assert(
        fc.property(registry, name, tag, digest, (...[registry, name, tag, digest]) => {
          const printed = read([registry === "" ? "ghcr.io/" : registry, name, tag, digest].join("")).toString()
          expect(printed.endsWith(`${name}${tag === "" && digest === "" ? ":latest" : tag}${digest}`)).toBe(true)
        })
      )
    })

    it("malformed text never throws, and what is accepted can be constructed, encoded and decoded", () => {
      const junk = fc.stringMatching(/^[a-zA-Z0-9.:/@_\-[\]% ]{0,30}$/)
      const spoiled = fc
        .tuple(valid, fc.nat(), fc.constantFrom("@", ":", "/", "[", "]", ".", "-", "%", "\0", "é", "A"))
        .map(([input, at, extra]) => `${input.slice(0, at % (input.length + 1))}${extra}${input.slice(at % (input.length + 1))}`)
      fc.assert(
        fc.property(fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), junk, spoiled), (input) => {
          for (const mode of ["weak", "strict"] as const) {
            Reference.parseRepository(input, { mode })
            Reference.parseRegistry(input, { mode })
            Reference.parseTag(input)
            const result = Reference.parse(input, { mode })
            if (Either.isLeft(result)) {
              expect(result.left).toBeInstanceOf(InvalidReference)
              continue
            }
            const json = Schema.encodeSync(Reference.Reference)(result.right)
            expect(Equal.equals(Schema.decodeSync(Reference.Reference)(json), result.right)).toBe(true)
            expect(Equal.equals(read(result.right.toString(), { mode: "strict" }), result.right)).toBe(true)
          }
        }),
        { numRuns: 1000 }
      )
    })

    it("a long run of separators takes no time", () => {
      for (const input of ["a.".repeat(50_000), "a-".repeat(50_000), `${"a".repeat(100_000)}!`, "[".repeat(100_000), ":".repeat(100_000)]) {
        expect(Either.isLeft(Reference.parse(input))).toBe(true)
      }
    })
  })

  describe("values", () => {
    it("are equal when they mean the same", () => {
      expect(Equal.equals(read("ubuntu"), read("index.docker.io/library/ubuntu:latest"))).toBe(true)
      expect(Equal.equals(read("ubuntu"), read(`ubuntu:latest@${sha256}`))).toBe(false)
    })

    it("cannot be built from parts that would print as something else", () => {
      const name = Schema.decodeSync(Reference.RepositoryName)
      const build = (registry: string, text: string) => () => new Reference.Repository({ registry, name: name(text) })
      for (const registry of ["index.docker.io", "GHCR.io", "upper", "", "a b", "ghcr.io/x"]) expect(build(registry, "a/b")).toThrow()
      expect(build("docker.io", "ubuntu")).toThrow()
      expect(build("ghcr.io", "a".repeat(250))).toThrow()
      expect(build("ghcr.io", "a")().toString()).toBe("ghcr.io/a")
      expect(() => new Reference.Reference({ repository: build("ghcr.io", "a")() })).toThrow()
    })

    it("take another tag or digest and keep the other", () => {
      const reference = read("ghcr.io/acme/app:1")
      const tag = Either.getOrThrow(Reference.parseTag("2"))
      const digest = Either.getOrThrow(Digest.parse(sha256))
      expect(Reference.withTag(reference, tag).toString()).toBe("ghcr.io/acme/app:2")
      expect(Reference.withDigest(reference, digest).toString()).toBe(`ghcr.io/acme/app:1@${sha256}`)
      expect(Reference.withTag(tag)(Reference.withDigest(reference, digest)).toString()).toBe(`ghcr.io/acme/app:2@${sha256}`)
      expect(Reference.withTag(reference.repository, tag).toString()).toBe("ghcr.io/acme/app:2")
      expect(Reference.withDigest(digest)(reference.repository).toString()).toBe(`ghcr.io/acme/app@${sha256}`)
      expect(Reference.withDigest(reference, digest).identifier).toBe(sha256)
    })

    it("are ordered by what is printed", () => {
      const sorted = ["quay.io/a", "ghcr.io/b:2", "ghcr.io/b:1"].map((_) => read(_)).sort(Reference.Order)
      expect(sorted.map(Reference.toString)).toEqual(["ghcr.io/b:1", "ghcr.io/b:2", "quay.io/a:latest"])
      const repositories = sorted.map((_) => _.repository).sort(Reference.RepositoryOrder)
      expect(repositories.map(String)).toEqual(["ghcr.io/b", "ghcr.io/b", "quay.io/a"])
    })
  })

  describe("schemas", () => {
    it("FromString reads short forms and prints in full", () => {
      const reference = Schema.decodeSync(Reference.FromString)("ubuntu")
      expect(reference).toEqual(read("ubuntu"))
      expect(Schema.encodeSync(Reference.FromString)(reference)).toBe("docker.io/library/ubuntu:latest")
      expect(() => Schema.decodeSync(Reference.FromString)("https://x.y/z")).toThrow("leave out https://")
    })

    it("RepositoryFromString does the same for repositories", () => {
      const repository = Schema.decodeSync(Reference.RepositoryFromString)("ubuntu")
      expect(Schema.encodeSync(Reference.RepositoryFromString)(repository)).toBe("docker.io/library/ubuntu")
      expect(() => Schema.decodeSync(Reference.RepositoryFromString)("ubuntu:1")).toThrow()
    })
  })

  it.each([
    ["docker.io/library/ubuntu:1", "ubuntu:1"],
    ["docker.io/acme/app:1", "acme/app:1"],
    ["docker.io/library/a/b:1", "library/a/b:1"],
    ["docker.io/localhost/app:1", "docker.io/localhost/app:1"],
    ["docker.io/ghcr.io/app:1", "docker.io/ghcr.io/app:1"],
    ["ghcr.io/library/app:1", "ghcr.io/library/app:1"]
  ])("the familiar name of %s is %s", (input, familiar) => {
    expect(Reference.familiarName(read(input))).toBe(familiar)
  })

  it("only Docker Hub is reached by another name", () => {
    expect(["docker.io", "ghcr.io", "localhost:5000"].map(Reference.registryHost)).toEqual([
      "registry-1.docker.io",
      "ghcr.io",
      "localhost:5000"
    ])
  })

  it("plain http is for local registries, and where it was asked for", () => {
    const local = [
      ["localhost:5000", "a.localhost", "a.localhost:1", "127.0.0.1", "127.0.0.1:5000", "[::1]", "[::1]:5000"],
      ["10.0.0.1", "10.255.255.255:80", "172.16.0.1", "172.31.255.1", "192.168.0.1:5000"]
    ].flat()
    const remote = [
      ["localhost", "docker.io", "ghcr.io", "127.0.0.2", "169.254.169.254", "172.15.0.1", "172.32.0.1", "192.169.0.1", "11.0.0.1"],
      ["registry.local", "x127.0.0.1.example.com", "10.0.0.1.example.com", "[fd00::1]:5000", "[2001:db8::1]", "[::ffff:10.0.0.1]"]
    ].flat()
    expect(local.filter((_) => !Reference.mayUsePlainHttp(_))).toEqual([])
    expect(remote.filter((_) => Reference.mayUsePlainHttp(_))).toEqual([])
    expect(remote.filter((_) => !Reference.mayUsePlainHttp(_, { insecure: true }))).toEqual([])
    expect(Reference.mayUsePlainHttp("ghcr.io", { insecure: false })).toBe(false)
  })
})
