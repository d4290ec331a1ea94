import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import { deleteManifest, deleteTag } from "../../src/client/internal/deleteManifest.ts"
import { repositories, repositoriesPage, tags } from "../../src/client/internal/listing.ts"
import { makeManifestState } from "../../src/client/internal/manifestState.ts"
import { getManifest, resolve } from "../../src/client/internal/manifests.ts"
import { checkPush } from "../../src/client/internal/permissions.ts"
import { putManifest } from "../../src/client/internal/putManifest.ts"
import { referrers } from "../../src/client/internal/referrers.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as Registries from "../support/Registries.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"
import { type Deviation, type Flow, flows, type Recorded } from "./recordedFlows.ts"

const registry = "registry.test"
const collect = <A, E>(stream: Stream.Stream<A, E>) => Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)
const repositoryOf = (name: string) => Either.getOrThrow(Reference.parseRepository(`${registry}/${name}`))

/** The one operation of the client that a flow is about; none for the flows of images, indexes, layers and of several operations. */
const kinds = ["Get", "Head", "Put", "List", "CatalogPage", "Catalog", "CheckPushPermission", "Delete", "Referrers"] as const
const kindOf = ({ operation }: Flow) => kinds.find((kind) => new RegExp(`^remote\\.${kind}\\b`).test(operation))

const pathOf = ({ url }: Recorded) => url.replace(/\?.*$/, "")
const queryOf = ({ url }: Recorded) => new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?")) : "")

const request = (flow: Flow, pattern: RegExp): Recorded | undefined => flow.expectedRequests.find((one) => pattern.test(pathOf(one)))

interface Target {
  readonly repository: Reference.Repository
  readonly reference: string
  readonly request: Recorded
}

/** What a flow is about, read from its requests. Flows that stop at the ping are about the image that all others use. */
const targetOf = (flow: Flow): Target => {
  const pattern = /^\/v2\/(.+?)\/(?:manifests|referrers|tags|blobs\/uploads)\/(.*)$/
  const found = request(flow, pattern) ?? { method: "GET", url: "/v2/a/b/manifests/v1", responseStatus: 0 }
  const [, name = "", reference = ""] = pattern.exec(pathOf(found)) ?? []
  return { repository: repositoryOf(name), reference, request: found }
}

const referenceOf = ({ reference, repository }: Target) =>
  Digest.isDigest(reference) ? Reference.withDigest(repository, reference) : Reference.withTag(repository, Reference.Tag.make(reference))

const decodeManifest = ({ body = "", headers }: Recorded) =>
  Manifest.decode(new TextEncoder().encode(body), { contentType: headers?.["Content-Type"] })

/** The artifact type that is filtered by. */
const filterOf = ({ operation }: Flow) => /WithFilter\("artifactType",\s*"([^"]*)"\)/.exec(operation)?.[1]

/** Runs the operation of a flow; what it gives is what the flow would expect. */
const run = (flow: Flow, transport: RegistryTransport.Service): Effect.Effect<unknown, { readonly _tag: string }> => {
  const target = targetOf(flow)
  const { repository, reference } = target
  const state = makeManifestState()
  const listed = request(flow, /\/(?:tags\/list|_catalog)$/)
  const pageSize = listed === undefined ? undefined : Number(queryOf(listed).get("n") ?? 0)
  switch (kindOf(flow)) {
    case "Get":
      return Effect.map(getManifest(transport, referenceOf(target)), ({ digest }) => digest)
    case "Head":
      return Effect.map(resolve(transport, referenceOf(target)), ({ digest }) => digest)
    case "Put":
      return Effect.flatMap(decodeManifest(target.request), (manifest) =>
        putManifest(transport, state, repository, manifest, Digest.isDigest(reference) ? {} : { tag: Reference.Tag.make(reference) })
      )
    case "Delete":
      return Digest.isDigest(reference)
        ? deleteManifest(transport, state, repository, reference, { subject: "none" })
        : deleteTag(transport, repository, Reference.Tag.make(reference))
    case "List":
      return collect(tags(transport, repository, { pageSize }))
    case "Catalog":
      return collect(repositories(transport, registry, { pageSize }))
    case "CatalogPage": {
      const last = listed === undefined ? undefined : (queryOf(listed).get("last") ?? undefined)
      return Effect.map(repositoriesPage(transport, registry, { n: pageSize, last }), ({ items }) => items)
    }
    case "CheckPushPermission":
      return checkPush(transport, repository)
    case "Referrers":
      return Effect.map(
        collect(referrers(transport, state, repository, Digest.isDigest(reference) ? reference : zeros, { artifactType: filterOf(flow) })),
        ({ length }) => length
      )
    case undefined:
      return Effect.dieMessage(`no operation for ${flow.operation}`)
  }
}

const zeros = Schema.decodeSync(Digest.Digest)(`sha256:${"0".repeat(64)}`)

/** The credentials an operation names in the way of Go's `authn`. */
const credentialsOf = ({ operation }: Flow): Credentials.Credentials => {
  const [, user, password] = /Basic (\w+):(\w+)/.exec(operation) ?? []
  if (user !== undefined && password !== undefined) return Credentials.basic(user, password)
  const bearer = /Bearer\{(\w+)\}/.exec(operation)?.[1]
  if (bearer !== undefined) return Credentials.registryToken(bearer)
  const token = /IdentityToken: (\w+)/.exec(operation)?.[1]
  if (token === undefined) return Credentials.anonymous
  const [username, secret] = atob(/Auth: ([\w+/=]+)/.exec(operation)?.[1] ?? "").split(":")
  return Credentials.identityToken(token, username && secret ? { username, password: secret } : undefined)
}

/** A request in a form in which the order of the query and how it is escaped do not matter. */
const line = (method: string, target: string) => {
  const { pathname, searchParams } = new URL(target, "http://registry")
  const query = [...searchParams].map(([name, value]) => `${name}=${value}`).sort()
  return `${method} ${pathname}${query.length === 0 ? "" : `?${query.join("&")}`}`
}

const lineOf = ({ method, url }: Recorded) => line(method, url)

interface Expected {
  readonly requests: ReadonlyArray<string>
  readonly result: unknown
  readonly fails: boolean
}

const recorded = (flow: Flow): Expected => ({
  requests: flow.expectedRequests.map(lineOf),
  result: flow.expectedResult,
  fails: flow.expectedError !== undefined
})

const linkOf = ({ responseHeaders }: Recorded) => /<([^>]*)>/.exec(responseHeaders?.["Link"] ?? "")?.[1]

/** The first request whose answer is such. */
const firstWhere = (flow: Flow, is: (one: Recorded) => boolean) => flow.expectedRequests.findIndex(is)

const upTo = (flow: Flow, is: (one: Recorded) => boolean) => flow.expectedRequests.slice(0, firstWhere(flow, is) + 1)

const isList = (flow: Flow) => kindOf(flow) === "List" || kindOf(flow) === "Catalog"
const leadsBack = (one: Recorded) => linkOf(one) === one.url
const leadsAway = (one: Recorded) => /^(?:https?:)?\/\/(?!REGISTRY[/?]|REGISTRY$)/.test(linkOf(one) ?? "")
const namesNext = (one: Recorded) => linkOf(one) === undefined && /"next"\s*:\s*"http/.test(one.responseBody ?? "")

const last = (flow: Flow): Recorded => flow.expectedRequests.at(-1) ?? { method: "GET", url: "/v2/", responseStatus: 0 }
const isPing = ({ method, url }: Recorded) => method === "GET" && url === "/v2/"
const isApi = (one: Recorded) => pathOf(one).includes("/referrers/")
const itemsIn = ({ responseBody = "{}" }: Recorded, member: string): ReadonlyArray<unknown> => JSON.parse(responseBody)[member] ?? []
const more = (flow: Flow, ...lines: ReadonlyArray<string>) => [...recorded(flow).requests, ...lines]

const retried: ReadonlySet<number> = new Set([408, 429, 499, 500, 502, 503, 504, 522])
const refusesHead: ReadonlySet<number> = new Set([400, 403, 405, 501])

const tellsTooLittle = ({ responseHeaders }: Recorded) =>
  responseHeaders?.["Content-Type"] === undefined || !Digest.isDigest(responseHeaders["Docker-Content-Digest"])

const contentTypeOf = ({ responseHeaders }: Recorded) => responseHeaders?.["Content-Type"] ?? ""

const fallbackOf = (flow: Flow) => {
  const { reference, repository } = targetOf(flow)
  return `/v2/${repository.name}/manifests/${reference.replace(":", "-")}`
}

/** The GET that asks a token service what a form asked for. */
const tokenGet = ({ body = "", url }: Recorded) => {
  const form = new URLSearchParams(body)
  const query = new URLSearchParams([...form].filter(([name]) => name === "scope" || name === "service"))
  return line("GET", `${url}?${query}`)
}

const deviations: ReadonlyArray<Deviation<Expected>> = [
  {
    name: "a ping decides nothing",
    reason: "it finds scheme and challenge; what may be done is told by the answer to the request itself (design: RegistryTransport.ping)",
    applies: (flow) => flow.expectedRequests.every(isPing) && ![200, 401].includes(last(flow).responseStatus),
    expected: (flow) => ({
      ...recorded(flow),
      requests: ["GET /v2/", ...Array.from({ length: retried.has(last(flow).responseStatus) ? 3 : 1 }, () => "GET /v2/a/b/manifests/v1")]
    })
  },
  {
    name: "a link that leads back is followed no further",
    reason: "Go has no loop detection (seeds-map E3)",
    applies: (flow) => isList(flow) && firstWhere(flow, leadsBack) !== -1,
    expected: (flow) => ({ requests: upTo(flow, leadsBack).map(lineOf), result: undefined, fails: true })
  },
  {
    name: "a link to another host is not followed",
    reason: "v0.21.9 refuses it as well (seeds-map E16); the flow is of v0.20.2",
    applies: (flow) => isList(flow) && firstWhere(flow, leadsAway) !== -1,
    expected: (flow) => ({ requests: upTo(flow, leadsAway).map(lineOf), result: undefined, fails: true })
  },
  {
    name: "a next member is not followed",
    reason: "an accident of Go's structs: undocumented, and any URL would do (seeds-map B45)",
    applies: (flow) => isList(flow) && firstWhere(flow, namesNext) !== -1,
    expected: (flow) => {
      const pages = upTo(flow, namesNext)
      const member = kindOf(flow) === "List" ? "tags" : "repositories"
      return { requests: pages.map(lineOf), result: pages.flatMap((page) => itemsIn(page, member)), fails: false }
    }
  },
  {
    name: "a HEAD that is refused or tells too little is followed by a GET",
    reason: "registries do not allow the method or omit its headers (field C11)",
    applies: (flow) => {
      const { method, responseStatus } = last(flow)
      return (
        kindOf(flow) === "Head" &&
        method === "HEAD" &&
        (refusesHead.has(responseStatus) || (responseStatus === 200 && tellsTooLittle(last(flow))))
      )
    },
    // The script has no answer to it.
    expected: (flow) => ({ requests: more(flow, line("GET", last(flow).url)), result: undefined, fails: true })
  },
  {
    name: "429 is retried",
    reason: "v0.21.9 does so as well (seeds-map E4); the flow is of v0.20.2",
    applies: (flow) => last(flow).responseStatus === 429 && flow.expectedRequests.filter(({ url }) => url === last(flow).url).length === 1,
    expected: (flow) => ({ requests: more(flow, lineOf(last(flow)), lineOf(last(flow))), result: undefined, fails: true })
  },
  {
    name: "406 means that there is no referrers API",
    reason: "v0.21.9 falls back as well (seeds-map B42); the flow is of v0.20.2",
    applies: (flow) => kindOf(flow) === "Referrers" && last(flow).responseStatus === 406 && isApi(last(flow)),
    // The script has no answer to it.
    expected: (flow) => ({ requests: more(flow, `GET ${fallbackOf(flow)}`), result: undefined, fails: true })
  },
  {
    name: "the registry is asked to filter",
    reason: "Go filters on its side only (seeds-map B42, distribution-spec «Listing Referrers»)",
    applies: (flow) => filterOf(flow) !== undefined,
    expected: (flow) => ({
      ...recorded(flow),
      requests: flow.expectedRequests.map((one) => (isApi(one) ? `${lineOf(one)}?artifactType=${filterOf(flow)}` : lineOf(one)))
    })
  },
  {
    name: "pages of referrers are followed",
    reason: "Go reads the first page only (seeds-map E11)",
    applies: (flow) =>
      kindOf(flow) === "Referrers" && isApi(last(flow)) && last(flow).responseStatus === 200 && linkOf(last(flow)) !== undefined,
    // The script has no other page, and what it gives again leads back.
    expected: (flow) => ({
      requests: more(flow, line("GET", linkOf(last(flow)) ?? "")),
      result: undefined,
      fails: itemsIn(last(flow), "manifests").length > 0
    })
  },
  {
    name: "a Content-Type may have parameters",
    reason: "they are to be ignored (distribution-spec, seeds-map E13); Go compares the text",
    applies: (flow) =>
      kindOf(flow) === "Referrers" &&
      flow.expectedRequests.some(
        (one) => isApi(one) && contentTypeOf(one).includes(";") && MediaType.essence(contentTypeOf(one)) === MediaType.ociImageIndex
      ),
    expected: (flow) => {
      const pages = upTo(flow, isApi)
      return { requests: pages.map(lineOf), result: pages.filter(isApi).flatMap((page) => itemsIn(page, "manifests")).length, fails: false }
    }
  },
  {
    name: "the index of referrers is looked at once it is written",
    reason: "an entry that got lost is entered again (seeds-map E11)",
    applies: (flow) => kindOf(flow) === "Put" && last(flow).method === "PUT" && last(flow).url.includes("/manifests/sha256-"),
    expected: (flow) => ({ ...recorded(flow), requests: more(flow, line("HEAD", last(flow).url)) })
  },
  {
    name: "a token that cannot be had by POST is asked for by GET",
    reason: "token services without POST answer in many ways (seeds-map E6)",
    applies: (flow) => {
      const credentials = credentialsOf(flow)
      const { method, responseStatus } = last(flow)
      const couldWork = credentials._tag === "IdentityToken" && credentials.username !== undefined
      return method === "POST" && pathOf(last(flow)) === "/token" && [400, 401, 405].includes(responseStatus) && couldWork
    },
    expected: (flow) => ({ requests: more(flow, tokenGet(last(flow))), result: undefined, fails: true })
  },
  {
    name: "deleting asks for delete",
    reason: "v0.21.9 does so as well; the flow is of v0.20.2",
    applies: (flow) => kindOf(flow) === "Delete" && flow.expectedRequests.some(({ url }) => /scope=[^&]*push%2Cpull(?:&|$)/.test(url)),
    expected: (flow) => ({
      ...recorded(flow),
      requests: recorded(flow).requests.map((text) => text.replace(/:push,pull(?=&|$)/, ":push,pull,delete"))
    })
  },
  {
    name: "an empty last is not sent",
    reason: "it says nothing",
    applies: (flow) => kindOf(flow) === "CatalogPage" && flow.expectedRequests.some(({ url }) => /[?&]last=(?:&|$)/.test(url)),
    expected: (flow) => ({ ...recorded(flow), requests: recorded(flow).requests.map((text) => text.replace(/last=&/, "")) })
  }
]

/** The recording leaves out the length of what a HEAD is about, which every registry of the recordings tells. */
const answerTo = ({ method, responseBody, responseHeaders, responseStatus }: Recorded): ScriptedHttp.Answer => ({
  status: responseStatus,
  headers: {
    ...(method === "HEAD" && responseStatus === 200 ? { "content-length": "541" } : {}),
    ...Object.fromEntries(Object.entries(responseHeaders ?? {}).map(([name, value]) => [name, value.replaceAll("REGISTRY", registry)]))
  },
  body: responseBody?.replaceAll("REGISTRY", registry)
})

/** The recorded answers; after these the last one again, except about a manifest that was pushed. */
const scriptOf = (flow: Flow): ScriptedHttp.Script => {
  const answers = ScriptedHttp.inOrder(flow.expectedRequests.map(answerTo))
  const pushed = new Map<string, Uint8Array>()
  return (received, index) => {
    if (received.method === "PUT") pushed.set(received.target, new TextEncoder().encode(received.body))
    const bytes = index >= flow.expectedRequests.length && received.method === "HEAD" ? pushed.get(received.target) : undefined
    if (bytes === undefined) return answers(received, index)
    return { status: 200, headers: { "docker-content-digest": Digest.fromBytes(bytes), "content-length": `${bytes.length}` } }
  }
}

/** `account` is left out of the comparison: the docker token protocol wants it beside Basic credentials, and Go does not send it. */
const withoutAccount = (target: string) =>
  target.startsWith("/token?") ? target.replace(/([?&])account=[^&]*&?/, "$1").replace(/[?&]$/, "") : target

const replay = (flow: Flow) => {
  const { layer, received } = ScriptedHttp.make(scriptOf(flow))
  const environment = Registries.layerOver(layer, {
    settings: { [registry]: { scheme: "http" } },
    keychain: Keychain.layer({ [registry]: credentialsOf(flow) })
  })
  return Effect.flatMap(RegistryTransport.RegistryTransport, (transport) => run(flow, transport)).pipe(
    Effect.either,
    Effect.map((outcome) => ({ outcome, requests: received.map(({ method, target }) => line(method, withoutAccount(target))) })),
    Effect.provide(environment),
    ScriptedHttp.whileTimePasses
  )
}

const single = flows.filter((flow) => kindOf(flow) !== undefined)

describe("http-flows.json", () => {
  for (const flow of single) {
    const deviation = deviations.find(({ applies }) => applies(flow))
    it.effect(`${flow.name}${deviation === undefined ? "" : ` (${deviation.name})`}`, () =>
      Effect.gen(function* () {
        const expected = deviation?.expected(flow) ?? recorded(flow)
        const { outcome, requests } = yield* replay(flow)
        expect(requests).toEqual(expected.requests)
        expect(Either.isLeft(outcome)).toBe(expected.fails)
        if (expected.result !== undefined) expect(outcome).toEqual(Either.right(expected.result))
      })
    )
  }

  it("leaves flows of images, indexes, layers and of several operations to the floors that have these", () => {
    const rest = flows.filter((flow) => kindOf(flow) === undefined)
    const elsewhere = /^(?:remote\.(?:Write\w*|MultiWrite|Image|Index|Layer|Tag|Push|Upload)\b|image\.|index\.|layer\.|puller\.|pusher\.)/
    expect(rest.filter(({ operation }) => !elsewhere.test(operation)).map(({ operation }) => operation)).toEqual([])
    expect(single.length + rest.length).toBe(flows.length)
  })
})
