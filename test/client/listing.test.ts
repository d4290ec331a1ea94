import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import { repositories, repositoriesPage, tags, tagsPage } from "../../src/client/internal/listing.ts"
import type * as Pagination from "../../src/client/Pagination.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import type * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import type * as RegistryHosts from "../../src/transport/RegistryHosts.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as Registries from "../support/Registries.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"
import * as Vectors from "../vectors/Vectors.ts"

const repository = Effect.runSync(Reference.parseRepository("registry.test/acme/app"))
const image = Manifest.artifact({ artifactType: "application/vnd.example.thing" })
const transport = RegistryTransport.RegistryTransport
const names = Array.from({ length: 25 }, (_, n) => `v${String(n).padStart(2, "0")}`)

const collect = <A, E>(stream: Stream.Stream<A, E>) => Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

const allTags = (options?: Pagination.ListOptions) => Effect.flatMap(transport, (service) => collect(tags(service, repository, options)))

const seed = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) =>
  registry.seedManifest(repository.name, image.bytes, { tags: names })
)

const requests = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) =>
  Effect.map(registry.allRequests, (all) =>
    all.filter(({ endpoint }) => endpoint !== "base").map(({ host, path, query }) => `${host}${path}${query}`)
  )
)

const registries = (options: RegistryOptions.Options, settings: RegistryHosts.Options[string] = {}) =>
  Registries.layer({ hosts: { "registry.test": options }, settings: { "registry.test": settings } })

const first = "/v2/acme/app/tags/list?n=1000"
const list = (items: ReadonlyArray<string>, link?: string): ScriptedHttp.Answer => ({
  status: 200,
  headers: link === undefined ? {} : { link },
  body: JSON.stringify({ name: "acme/app", tags: items })
})

describe("tags", () => {
  it.effect("follow the links of the registry", () =>
    Effect.gen(function* () {
      yield* seed
      expect(yield* allTags()).toEqual(names)
      expect((yield* requests).length).toBe(3)
    }).pipe(Effect.provide(registries({ limits: { pageEntries: 10 } })))
  )

  it.effect("are asked for in pages of the host's size, or of the one given, or of the registry's own", () =>
    Effect.gen(function* () {
      yield* seed
      yield* allTags()
      yield* allTags({ pageSize: 50, last: "v03" })
      yield* allTags({ pageSize: 0 })
      expect(yield* requests).toEqual([
        "registry.test/v2/acme/app/tags/list?n=100",
        "registry.test/v2/acme/app/tags/list?last=v03&n=50",
        "registry.test/v2/acme/app/tags/list"
      ])
    }).pipe(Effect.provide(registries({}, { pageSize: 100 })))
  )

  it.effect("tell of a page size the registry refuses", () =>
    Effect.gen(function* () {
      yield* seed
      expect((yield* Effect.flip(allTags({ pageSize: 5000 })))._tag).toBe("PaginationNumberInvalid")
    }).pipe(Effect.provide(registries({ limits: { pageParameter: 1000 } })))
  )

  it.effect("of an unknown repository are NameUnknown", () =>
    Effect.gen(function* () {
      expect((yield* Effect.flip(allTags()))._tag).toBe("NameUnknown")
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("are read page by page with cursors that outlive the client", () =>
    Effect.gen(function* () {
      yield* seed
      const service = yield* transport
      const page = yield* tagsPage(service, repository, { n: 10 })
      expect(page.items).toEqual(names.slice(0, 10))
      const rest = yield* tagsPage(service, repository, { cursor: page.next })
      expect(rest).toEqual({ items: names.slice(10, 20), next: expect.any(String) })
      expect(yield* tagsPage(service, repository, { n: 10, last: "v19" })).toEqual({ items: names.slice(20) })
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("do not follow a link to another origin", () =>
    Effect.gen(function* () {
      const links = [
        "<https://evil.test/v2/acme/app/tags/list?last=a>",
        "<http://registry.test/v2/acme/app/tags/list?last=a>",
        "<//10.0.0.1/>"
      ]
      for (const link of links) {
        const { asked, outcome } = yield* ScriptedHttp.against(
          () => list(["a"], link),
          (service) => collect(tags(service, repository))
        )
        expect(outcome).toEqual(Either.left(expect.objectContaining({ _tag: "RedirectRefused", operation: "tags" })))
        expect(asked).toEqual([`GET ${first}`])
      }
    })
  )

  it.effect("stop at a link that leads back, and after maxPages", () =>
    Effect.gen(function* () {
      const circle = yield* ScriptedHttp.against(
        () => list(["a"], `<${first}>; rel="next"`),
        (service) => collect(tags(service, repository))
      )
      expect(circle.outcome).toEqual(Either.left(expect.objectContaining({ _tag: "MalformedContent", registry: "registry.test" })))
      expect(circle.asked.length).toBe(1)
      const endless = yield* ScriptedHttp.against(
        (_, index) => list(["a"], `<${first}&last=${index}>`),
        (service) => collect(tags(service, repository, { maxPages: 5 }))
      )
      expect(endless.outcome).toEqual(Either.left(expect.objectContaining({ _tag: "LimitExceeded", limit: 5 })))
      expect(endless.asked.length).toBe(5)
    })
  )

  it.effect("may have links relative to the page", () =>
    Effect.gen(function* () {
      const script: ScriptedHttp.Script = ({ target }) => (target === first ? list(["a"], "<?last=a>; rel=next") : list(["b"]))
      const { asked, outcome } = yield* ScriptedHttp.against(script, (service) => collect(tags(service, repository)))
      expect(outcome).toEqual(Either.right(["a", "b"]))
      expect(asked).toEqual([`GET ${first}`, "GET /v2/acme/app/tags/list?last=a"])
    })
  )

  it.effect("go on without credentials where the registry redirected the list to", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const script: ScriptedHttp.Script = ({ headers, target }) => {
        if (target === "/v2/") return { status: 401, headers: { "www-authenticate": 'Basic realm="registry"' } }
        asked.push(`${target} ${headers["authorization"] === undefined ? "anonymous" : "authorized"}`)
        if (target === first) return { status: 307, headers: { location: "https://far.test/list" } }
        return target === "/list" ? list(["a"], "</list?last=a>") : list(["b"])
      }
      const keychain = Keychain.layer({ "registry.test": Credentials.basic("user", "pass") })
      const { layer } = ScriptedHttp.make(script)
      expect(yield* allTags().pipe(Effect.provide(Registries.layerOver(layer, { keychain })))).toEqual(["a", "b"])
      expect(asked).toEqual([`${first} authorized`, "/list anonymous", "/list?last=a anonymous"])
    })
  )

  const bodies = ["notjson", "[]", '{"tags":"a"}', '{"tags":[1]}', "null", ""]

  it.effect.each(bodies)("are MalformedContent when the page is %j", (body) =>
    Effect.gen(function* () {
      const { outcome } = yield* ScriptedHttp.against(
        () => ({ status: 200, body }),
        (service) => collect(tags(service, repository))
      )
      expect(outcome).toEqual(Either.left(expect.objectContaining({ _tag: "MalformedContent", kind: "list of tags", operation: "tags" })))
    })
  )

  it.effect("are refused when a page is larger than 16 MiB", () =>
    Effect.gen(function* () {
      const page = list(["a".repeat(16 * 1024 * 1024)])
      const { outcome } = yield* ScriptedHttp.against(
        () => page,
        (service) => collect(tags(service, repository))
      )
      expect(outcome).toEqual(Either.left(expect.objectContaining({ _tag: "LimitExceeded" })))
    })
  )

  const mirrored = (url: string, proxy: boolean) =>
    Registries.layer({
      hosts: { "registry.test": {}, "mirror.test": { limits: { pageEntries: 10 } } },
      settings: { "registry.test": { mirrors: [{ url, capabilities: ["list"], proxy }] } }
    })

  it.effect("stay with the mirror that answers", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* registry.at("mirror.test").seedManifest(repository.name, image.bytes, { tags: names })
      expect(yield* allTags()).toEqual(names)
      expect(yield* requests).toEqual([
        "mirror.test/v2/acme/app/tags/list?n=1000&ns=registry.test",
        "mirror.test/v2/acme/app/tags/list?n=1000&last=v09&ns=registry.test",
        "mirror.test/v2/acme/app/tags/list?n=1000&last=v19&ns=registry.test"
      ])
    }).pipe(Effect.provide(mirrored("https://mirror.test", true)))
  )

  it.effect("stay with a mirror below a path, which its links may name or not", () =>
    Effect.gen(function* () {
      for (const link of ["</proxy/v2/acme/app/tags/list?last=a>", "</v2/acme/app/tags/list?last=a>", "<?last=a>"]) {
        const asked: Array<string> = []
        const { layer } = ScriptedHttp.make(({ target }) => {
          if (!target.endsWith("/v2/")) asked.push(target)
          return target.endsWith("/v2/") ? { status: 200 } : target.includes("last") ? list(["b"]) : list(["a"], link)
        })
        const mirrors = [{ url: "https://mirror.test/proxy", capabilities: ["list"] as const, proxy: false }]
        const found = yield* allTags().pipe(Effect.provide(Registries.layerOver(layer, { settings: { "registry.test": { mirrors } } })))
        expect(found).toEqual(["a", "b"])
        expect(asked).toEqual([`/proxy${first}`, "/proxy/v2/acme/app/tags/list?last=a"])
      }
    })
  )
})

describe("repositories", () => {
  it.effect("come from the catalog", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      for (const name of ["a", "b/c", "d"]) yield* registry.seedRepository(name)
      const service = yield* transport
      expect(yield* collect(repositories(service, "registry.test", { pageSize: 2 }))).toEqual(["a", "b/c", "d"])
      expect(yield* repositoriesPage(service, "registry.test", { n: 1, last: "a" })).toEqual({ items: ["b/c"], next: expect.any(String) })
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("are Unsupported where there is no catalog", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(repositoriesPage(yield* transport, "registry.test"))
      expect(error._tag).toBe("Unsupported")
    }).pipe(Effect.provide(registries({ capabilities: { catalog: false } })))
  )
})

const Row = Schema.Struct({
  name: Schema.String,
  input: Schema.Struct({
    operation: Schema.Literal("list", "catalog", "catalogPage"),
    pages: Schema.Array(Schema.Struct({ body: Schema.String, link: Schema.optional(Schema.String) }))
  }),
  expected: Schema.optional(Schema.Array(Schema.String)),
  expectedError: Schema.optional(Schema.Boolean)
})

describe("list-and-catalog-body.json", () => {
  for (const { expected, input, name } of Vectors.load("list-and-catalog-body", Row)) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const answers = input.pages.map(({ body, link }) => ({ status: 200, body, headers: link === undefined ? {} : { link } }))
        let next = 0
        const operation = (service: RegistryTransport.Service) => {
          switch (input.operation) {
            case "list":
              return collect(tags(service, repository))
            case "catalog":
              return collect(repositories(service, "registry.test"))
            case "catalogPage":
              return Effect.map(repositoriesPage(service, "registry.test"), ({ items }) => items)
          }
        }
        const { outcome } = yield* ScriptedHttp.against(() => answers[next++] ?? { status: 500 }, operation)
        expect(Either.getRight(outcome)).toEqual(Either.getRight(expected === undefined ? Either.left("refused") : Either.right(expected)))
      })
    )
  }
})
