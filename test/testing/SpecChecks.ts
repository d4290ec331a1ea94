/** What the distribution spec asks of a registry, category by category, over any `HttpClient`: the same checks run without and with sockets. */
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Digest from "../../src/model/Digest.ts"

/** The registry under test, `https://host` without a slash at the end. */
export class Target extends Context.Tag("test/Target")<Target, string>() {}

type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE"

interface Sent {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string | HttpBody.HttpBody
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

const toBody = (body: Sent["body"]): HttpBody.HttpBody => {
  if (body === undefined) return HttpBody.empty
  if (typeof body === "string") return HttpBody.uint8Array(utf8(body))
  return body instanceof Uint8Array ? HttpBody.uint8Array(body) : body
}

/** Sends a request and reads the whole answer. */
export const send = Effect.fnUntraced(function* (method: Method, path: string, { body, headers = {} }: Sent = {}) {
  const client = yield* HttpClient.HttpClient
  const url = new URL(path, yield* Target).toString()
  const request = HttpClientRequest.make(method)(url).pipe(HttpClientRequest.setBody(toBody(body)), HttpClientRequest.setHeaders(headers))
  const response = yield* client.execute(request)
  const text = yield* response.text
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) }
})

const octets = { "content-type": "application/octet-stream" }
const imageType = "application/vnd.oci.image.manifest.v1+json"
const indexType = "application/vnd.oci.image.index.v1+json"

const withDigest = (location: string, digest: string) => `${location}${location.includes("?") ? "&" : "?"}digest=${digest}`

const status = (expected: number) => (answer: { readonly status: number; readonly text: string }) =>
  assert.strictEqual(answer.status, expected, answer.text)

const code = (answer: { readonly json: () => { errors: ReadonlyArray<{ code: string }> } }) => answer.json().errors[0]?.code

const location = (answer: { readonly headers: Readonly<Record<string, string>> }): string => {
  const value = answer.headers["location"]
  assert.isDefined(value)
  return value ?? ""
}

export const push = Effect.fnUntraced(function* (repository: string, content: string | Uint8Array, algorithm?: "sha256" | "sha512") {
  const bytes = typeof content === "string" ? utf8(content) : content
  const digest = Digest.fromBytes(bytes, algorithm)
  const started = yield* send("POST", `/v2/${repository}/blobs/uploads/`)
  status(202)(started)
  const closed = yield* send("PUT", withDigest(location(started), digest), { headers: octets, body: bytes })
  status(201)(closed)
  return digest
})

const image = Effect.fnUntraced(function* (repository: string, seed: string, extra: object = {}) {
  const config = yield* push(repository, JSON.stringify({ seed }))
  const layer = yield* push(repository, `layer ${seed}`)
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: imageType,
    config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: config, size: JSON.stringify({ seed }).length },
    layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", digest: layer, size: `layer ${seed}`.length }],
    ...extra
  })
})

const put = (repository: string, reference: string, content: string, type = imageType) =>
  send("PUT", `/v2/${repository}/manifests/${reference}`, {
    headers: type === "" ? {} : { "content-type": type },
    body: type === "" ? HttpBody.stream(Stream.make(utf8(content)), "") : content
  })

const roundTrip = Effect.fnUntraced(function* (where: string, content: string, digest: string) {
  const got = yield* send("GET", where)
  status(200)(got)
  assert.strictEqual(got.text, content)
  assert.strictEqual(got.headers["docker-content-digest"], digest)
})

type Check = Effect.Effect<void, unknown, HttpClient.HttpClient | Target>

const base: Check = Effect.gen(function* () {
  for (const path of ["/v2", "/v2/"]) {
    const answer = yield* send("GET", path)
    status(200)(answer)
    assert.strictEqual(answer.headers["docker-distribution-api-version"], "registry/2.0")
  }
})

const missing: Check = Effect.gen(function* () {
  const digest = Digest.fromBytes(utf8("nowhere"))
  for (const method of ["GET", "HEAD"] as const) {
    status(404)(yield* send(method, `/v2/missing/blobs/${digest}`))
    status(404)(yield* send(method, `/v2/missing/manifests/${digest}`))
    status(404)(yield* send(method, "/v2/missing/manifests/latest"))
    status(404)(yield* send(method, "/v2/missing/manifests/.INVALID_MANIFEST_NAME"))
    status(400)(yield* send(method, "/v2/missing/manifests/sha256:baddigeststring"))
  }
  assert.strictEqual(code(yield* send("GET", `/v2/missing/blobs/${digest}`)), "BLOB_UNKNOWN")
  assert.strictEqual(code(yield* send("GET", "/v2/missing/manifests/latest")), "MANIFEST_UNKNOWN")
  assert.strictEqual(code(yield* send("GET", "/v2/missing/tags/list")), "NAME_UNKNOWN")
  assert.strictEqual(code(yield* send("GET", "/v2/UPPER/tags/list")), "NAME_INVALID")
})

const postPut: Check = Effect.gen(function* () {
  for (const algorithm of ["sha256", "sha512"] as const) {
    const digest = yield* push("post-put", `post put ${algorithm}`, algorithm)
    yield* roundTrip(`/v2/post-put/blobs/${digest}`, `post put ${algorithm}`, digest)
    const head = yield* send("HEAD", `/v2/post-put/blobs/${digest}`)
    status(200)(head)
    assert.strictEqual(head.text, "")
    assert.strictEqual(head.headers["content-length"], String(`post put ${algorithm}`.length))
  }
})

const postOnly: Check = Effect.gen(function* () {
  const digest = Digest.fromBytes(utf8("post only"))
  const answer = yield* send("POST", `/v2/post-only/blobs/uploads/?digest=${digest}`, { headers: octets, body: "post only" })
  status(201)(answer)
  yield* roundTrip(location(answer), "post only", digest)
  const wrong = yield* send("POST", `/v2/post-only/blobs/uploads/?digest=${digest}`, { headers: octets, body: "something else" })
  status(400)(wrong)
  assert.strictEqual(code(wrong), "DIGEST_INVALID")
})

const emptyBlob: Check = Effect.gen(function* () {
  const digest = yield* push("empty", "")
  const answer = yield* send("GET", `/v2/empty/blobs/${digest}`)
  status(200)(answer)
  assert.strictEqual(answer.headers["content-length"], "0")
})

const chunked: Check = Effect.gen(function* () {
  const content = "0123456789".repeat(3)
  const digest = Digest.fromBytes(utf8(content))
  for (const lastWithPut of [false, true]) {
    let at = location(yield* send("POST", "/v2/chunked/blobs/uploads/", { headers: { "content-length": "0" } }))
    const chunk = (start: number, end: number) => ({
      headers: { ...octets, "content-range": `${start}-${end}` },
      body: content.slice(start, end + 1)
    })
    const skipped = yield* send("PATCH", at, chunk(10, 19))
    status(416)(skipped)
    const first = yield* send("PATCH", at, chunk(0, 9))
    status(202)(first)
    assert.strictEqual(first.headers["range"], "0-9")
    at = location(first)
    status(416)(yield* send("PATCH", at, chunk(0, 9)))
    const known = yield* send("GET", at)
    status(204)(known)
    assert.strictEqual(known.headers["range"], "0-9")
    const second = yield* send("PATCH", location(known), chunk(10, 19))
    status(202)(second)
    at = location(second)
    if (lastWithPut) {
      status(416)(yield* send("PUT", withDigest(at, digest), chunk(0, 9)))
      status(204)(yield* send("GET", at))
      const closed = yield* send("PUT", withDigest(at, digest), chunk(20, 29))
      status(201)(closed)
      yield* roundTrip(location(closed), content, digest)
    } else {
      at = location(yield* send("PATCH", at, chunk(20, 29)))
      const closed = yield* send("PUT", withDigest(at, digest))
      status(201)(closed)
      yield* roundTrip(location(closed), content, digest)
    }
    status(202)(yield* send("DELETE", `/v2/chunked/blobs/${digest}`))
  }
})

const chunkLengths: Check = Effect.gen(function* () {
  const at = location(yield* send("POST", "/v2/lengths/blobs/uploads/"))
  const headers = { ...octets, "content-range": "0-4" }
  const unannounced = HttpBody.stream(Stream.make(utf8("abc")))
  for (const body of [utf8("abc"), unannounced]) {
    const answer = yield* send("PATCH", at, { headers, body })
    status(400)(answer)
    assert.strictEqual(code(answer), "SIZE_INVALID")
  }
})

const streamed: Check = Effect.gen(function* () {
  const content = "streamed content"
  const digest = Digest.fromBytes(utf8(content), "sha512")
  const opened = yield* send("POST", "/v2/streamed/blobs/uploads/?digest-algorithm=sha512")
  const body = HttpBody.stream(Stream.map(Stream.fromIterable(content), utf8), "application/octet-stream")
  const sent = yield* send("PATCH", location(opened), { body })
  status(202)(sent)
  assert.strictEqual(sent.headers["range"], `0-${content.length - 1}`)
  const closed = yield* send("PUT", withDigest(location(sent), digest))
  status(201)(closed)
  yield* roundTrip(location(closed), content, digest)
  const unsupported = yield* send("POST", "/v2/streamed/blobs/uploads/?digest-algorithm=md5")
  status(400)(unsupported)
})

const badUploads: Check = Effect.gen(function* () {
  const digest = Digest.fromBytes(utf8("right"))
  const at = location(yield* send("POST", "/v2/bad/blobs/uploads/"))
  status(400)(yield* send("PUT", at, { headers: octets, body: "right" }))
  status(400)(yield* send("PUT", withDigest(at, "sha256:short"), { headers: octets, body: "right" }))
  const wrong = yield* send("PUT", withDigest(at, digest), { headers: octets, body: "wrong" })
  status(400)(wrong)
  assert.strictEqual(code(wrong), "DIGEST_INVALID")
  status(404)(yield* send("HEAD", `/v2/bad/blobs/${digest}`))
  const gone = yield* send("PUT", withDigest(at, digest), { headers: octets, body: "right" })
  status(404)(gone)
  assert.strictEqual(code(gone), "BLOB_UPLOAD_UNKNOWN")
  const short = location(yield* send("POST", "/v2/bad/blobs/uploads/"))
  const lying = yield* send("PATCH", short, { headers: { ...octets, "content-range": "0-9" }, body: "four" })
  status(400)(lying)
  assert.strictEqual(code(lying), "SIZE_INVALID")
})

const cancelled: Check = Effect.gen(function* () {
  const at = location(yield* send("POST", "/v2/cancel/blobs/uploads/"))
  status(204)(yield* send("DELETE", at))
  status(404)(yield* send("GET", at))
  status(404)(yield* send("DELETE", at))
})

const together = { concurrency: "unbounded" } as const

const tooLate: Check = Effect.gen(function* () {
  for (const content of ["one", "two", "three", "four", "five"]) {
    const digest = Digest.fromBytes(utf8(content))
    const at = location(yield* send("POST", "/v2/late/blobs/uploads/"))
    const close = send("PUT", withDigest(at, digest), { headers: octets, body: content })
    const answers = yield* Effect.all([close, close], together)
    assert.deepStrictEqual(answers.map((answer) => answer.status).sort(), [201, 404])
    yield* roundTrip(`/v2/late/blobs/${digest}`, content, digest)

    const cancelled = location(yield* send("POST", "/v2/late/blobs/uploads/"))
    const fresh = `${content} again`
    const missing = Digest.fromBytes(utf8(fresh))
    const patch = send("PATCH", cancelled, { headers: octets, body: fresh })
    const [, , closed] = yield* Effect.all([patch, send("DELETE", cancelled), send("PUT", withDigest(cancelled, missing))], together)
    // It may come before the others, between them or after them; what it says is there must be there.
    if (closed.status === 201) yield* roundTrip(`/v2/late/blobs/${missing}`, fresh, missing)
    else status(404)(yield* send("GET", `/v2/late/blobs/${missing}`))
  }
})

const mounted: Check = Effect.gen(function* () {
  const digest = yield* push("mount/source", "mounted")
  const named = yield* send("POST", `/v2/mount/named/blobs/uploads/?mount=${digest}&from=mount/source`)
  status(201)(named)
  yield* roundTrip(location(named), "mounted", digest)
  const anonymous = yield* send("POST", `/v2/mount/anonymous/blobs/uploads/?mount=${digest}`)
  status(201)(anonymous)
  yield* roundTrip(location(anonymous), "mounted", digest)
  const missing = yield* send("POST", `/v2/mount/named/blobs/uploads/?mount=${digest}&from=mount/nowhere`)
  status(202)(missing)
  status(204)(yield* send("GET", location(missing)))
})

const ranges: Check = Effect.gen(function* () {
  const content = "0123456789"
  const digest = yield* push("ranges", content)
  const get = (range: string, more: Readonly<Record<string, string>> = {}) =>
    send("GET", `/v2/ranges/blobs/${digest}`, { headers: { range, ...more } })
  for (const [range, text, contentRange] of [
    ["bytes=2-5", "2345", "bytes 2-5/10"],
    ["bytes=7-", "789", "bytes 7-9/10"],
    ["bytes=-3", "789", "bytes 7-9/10"],
    ["bytes=8-50", "89", "bytes 8-9/10"]
  ] as const) {
    const answer = yield* get(range)
    status(206)(answer)
    assert.strictEqual(answer.text, text)
    assert.strictEqual(answer.headers["content-range"], contentRange)
    assert.strictEqual(answer.headers["content-length"], String(text.length))
  }
  for (const range of ["bytes=5-0", "bytes=50-100", "bytes=10-", "bytes=-0"]) {
    const answer = yield* get(range)
    status(416)(answer)
    assert.strictEqual(answer.headers["content-range"], "bytes */10")
  }
  status(200)(yield* get("bytes=0-1,3-4"))
  const tag = (yield* send("HEAD", `/v2/ranges/blobs/${digest}`)).headers["etag"] ?? ""
  status(206)(yield* get("bytes=2-5", { "if-range": tag }))
  status(200)(yield* get("bytes=2-5", { "if-range": '"other"' }))
  status(304)(yield* send("GET", `/v2/ranges/blobs/${digest}`, { headers: { "if-none-match": tag } }))
})

const manifests: Check = Effect.gen(function* () {
  const content = yield* image("manifests", "one")
  const digest = Digest.fromBytes(utf8(content))
  const byTag = yield* put("manifests", "latest", content)
  status(201)(byTag)
  assert.strictEqual(byTag.headers["docker-content-digest"], digest)
  for (const where of [location(byTag), "/v2/manifests/manifests/latest", `/v2/manifests/manifests/${digest}`]) {
    yield* roundTrip(where, content, digest)
    const head = yield* send("HEAD", where)
    assert.strictEqual(head.headers["content-type"], imageType)
    assert.strictEqual(head.headers["content-length"], String(content.length))
  }
  status(201)(yield* put("manifests", Digest.fromBytes(utf8(content), "sha512"), content))
  const spelt = "application/vnd.Example.v1+json"
  for (const [tag, mediaType, type] of [
    ["capitals", spelt, `${spelt}; charset=utf-8`],
    ["stated", spelt, ""],
    ["blank", "", spelt]
  ] as const) {
    status(201)(yield* put("manifests", tag, yield* image("manifests", tag, { mediaType }), type))
    assert.strictEqual((yield* send("GET", `/v2/manifests/manifests/${tag}`)).headers["content-type"], spelt)
  }
  const wrong = yield* put("manifests", digest, `${content}  `)
  status(400)(wrong)
  assert.strictEqual(code(wrong), "DIGEST_INVALID")
})

const refusedManifests: Check = Effect.gen(function* () {
  const content = yield* image("refused", "one")
  const cases: ReadonlyArray<readonly [string, string, number, string]> = [
    ["not json", imageType, 400, "MANIFEST_INVALID"],
    ["[]", imageType, 400, "MANIFEST_INVALID"],
    ["{}", imageType, 400, "MANIFEST_INVALID"],
    ['{"schemaVersion":2}', imageType, 400, "MANIFEST_INVALID"],
    [yield* image("refused", "version", { schemaVersion: 1 }), imageType, 400, "MANIFEST_INVALID"],
    [yield* image("refused", "both", { manifests: [] }), imageType, 400, "MANIFEST_INVALID"],
    [yield* image("refused", "both", { mediaType: indexType, manifests: [] }), indexType, 400, "MANIFEST_INVALID"],
    [`{"config":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, imageType, 400, "MANIFEST_INVALID"],
    [`{"layers":"${"x".repeat(100_000)}"}`, imageType, 400, "MANIFEST_INVALID"],
    [`\u{feff}${content}`, imageType, 400, "MANIFEST_INVALID"],
    [content, indexType, 400, "MANIFEST_INVALID"],
    [yield* image("refused", "odd", { mediaType: "application/\u0101" }), "", 400, "MANIFEST_INVALID"],
    [yield* image("refused", "lines", { mediaType: "application/x\r\nx-injected: 1" }), "", 400, "MANIFEST_INVALID"],
    [" ".repeat(4 * 1024 * 1024 + 1), imageType, 413, "MANIFEST_INVALID"]
  ]
  for (const [body, type, expected, errorCode] of cases) {
    const answer = yield* put("refused", "latest", body, type)
    status(expected)(answer)
    assert.strictEqual(code(answer), errorCode)
    assert.isBelow(answer.text.length, 1000)
  }
  const child = { mediaType: imageType, digest: Digest.fromBytes(utf8("absent")), size: 6 }
  const sparse = yield* put("refused", "latest", JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [child] }), indexType)
  status(404)(sparse)
  assert.strictEqual(code(sparse), "MANIFEST_BLOB_UNKNOWN")
  assert.strictEqual(code(yield* put("refused", ".bad", content)), "TAG_INVALID")
})

const tagParameter: Check = Effect.gen(function* () {
  const content = yield* image("tag-parameter", "one")
  for (const algorithm of ["sha256", "sha512"] as const) {
    const digest = Digest.fromBytes(utf8(content), algorithm)
    const tags = [`${algorithm}-a`, `${algorithm}-b`]
    const answer = yield* put("tag-parameter", `${digest}?${tags.map((tag) => `tag=${tag}`).join("&")}`, content)
    status(201)(answer)
    assert.deepStrictEqual(answer.headers["oci-tag"]?.split(", "), tags)
    for (const tag of tags) yield* roundTrip(`/v2/tag-parameter/manifests/${tag}`, content, digest)
  }
})

const conditional: Check = Effect.gen(function* () {
  const one = yield* image("conditional", "one")
  const two = yield* image("conditional", "two")
  const write = (content: string, headers: Readonly<Record<string, string>>) =>
    send("PUT", "/v2/conditional/manifests/tag", { headers: { "content-type": imageType, ...headers }, body: content })
  status(412)(yield* write(one, { "if-match": '"anything"' }))
  status(201)(yield* write(one, { "if-none-match": "*" }))
  status(412)(yield* write(two, { "if-none-match": "*" }))
  const etag = (yield* send("GET", "/v2/conditional/manifests/tag")).headers["etag"] ?? ""
  status(201)(yield* write(two, { "if-match": etag }))
  status(412)(yield* write(one, { "if-match": etag }))
  yield* roundTrip("/v2/conditional/manifests/tag", two, Digest.fromBytes(utf8(two)))
  status(412)(yield* send("DELETE", "/v2/conditional/manifests/tag", { headers: { "if-match": etag } }))
  const rivals = yield* Effect.forEach(["a", "b", "c", "d"], (name) => image("conditional", name))
  const first = yield* Effect.forEach(rivals, (content) => write(content, { "if-match": `"${Digest.fromBytes(utf8(two))}"` }), together)
  assert.deepStrictEqual(first.map((answer) => answer.status).sort(), [201, 412, 412, 412])
})

const listing: Check = Effect.gen(function* () {
  const content = yield* image("listing", "one")
  const tags = ["a", "b", "c", "d", "e"]
  for (const tag of tags) status(201)(yield* put("listing", tag, content))
  const seen: Array<string> = []
  let next: string | undefined = "/v2/listing/tags/list?n=2"
  while (next !== undefined) {
    const page: { json: () => { tags: ReadonlyArray<string> }; headers: Readonly<Record<string, string>> } = yield* send("GET", next)
    seen.push(...page.json().tags)
    next = /^<([^>]+)>; rel="next"$/.exec(page.headers["link"] ?? "")?.[1]
  }
  assert.deepStrictEqual(seen, tags)
  assert.deepStrictEqual((yield* send("GET", "/v2/listing/tags/list?n=0")).json().tags, [])
  assert.deepStrictEqual((yield* send("GET", "/v2/listing/tags/list?last=bb")).json().tags, ["c", "d", "e"])
  for (const n of ["-1", "x", "1.5"]) {
    assert.strictEqual(code(yield* send("GET", `/v2/listing/tags/list?n=${n}`)), "PAGINATION_NUMBER_INVALID")
  }
  const catalog = yield* send("GET", "/v2/_catalog")
  assert.include(catalog.json().repositories, "listing")
})

const referrers: Check = Effect.gen(function* () {
  const subject = Digest.fromBytes(utf8("a subject that is pushed later"))
  const empty = yield* send("GET", `/v2/never-seen/referrers/${subject}`)
  status(200)(empty)
  assert.strictEqual(empty.headers["content-type"], indexType)
  assert.deepStrictEqual(empty.json(), { schemaVersion: 2, mediaType: indexType, manifests: [] })
  status(400)(yield* send("GET", "/v2/never-seen/referrers/latest"))

  const annotations = { "org.example": "yes" }
  const descriptor = { mediaType: imageType, digest: subject, size: 30 }
  const plain = yield* image("referrers", "plain", { subject: descriptor })
  const blank = yield* image("referrers", "blank", { subject: descriptor, artifactType: "" })
  const list = JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [], artifactType: "", subject: descriptor })
  const typed = yield* image("referrers", "typed", { subject: descriptor, artifactType: "application/x-a", annotations })
  for (const [tag, content, type] of [
    ["plain", plain, imageType],
    ["blank", blank, imageType],
    ["list", list, indexType],
    ["typed", typed, imageType]
  ] as const) {
    const answer = yield* put("referrers", tag, content, type)
    status(201)(answer)
    assert.strictEqual(answer.headers["oci-subject"], subject)
  }
  const all = yield* send("GET", `/v2/referrers/referrers/${subject}`)
  const imageConfig = "application/vnd.oci.image.config.v1+json"
  const expected = [
    { mediaType: imageType, digest: Digest.fromBytes(utf8(plain)), size: plain.length, artifactType: imageConfig },
    { mediaType: imageType, digest: Digest.fromBytes(utf8(blank)), size: blank.length, artifactType: imageConfig },
    { mediaType: indexType, digest: Digest.fromBytes(utf8(list)), size: list.length },
    { mediaType: imageType, digest: Digest.fromBytes(utf8(typed)), size: typed.length, artifactType: "application/x-a", annotations }
  ]
  assert.sameDeepMembers(all.json().manifests, expected)
  assert.isUndefined(all.headers["oci-filters-applied"])
  const filtered = yield* send("GET", `/v2/referrers/referrers/${subject}?artifactType=application/x-a`)
  assert.strictEqual(filtered.headers["oci-filters-applied"], "artifactType")
  assert.deepStrictEqual(filtered.json().manifests, expected.slice(3))
  status(202)(yield* send("DELETE", `/v2/referrers/manifests/${expected[0]?.digest}`))
  assert.sameDeepMembers((yield* send("GET", `/v2/referrers/referrers/${subject}`)).json().manifests, expected.slice(1))
})

const deletion: Check = Effect.gen(function* () {
  const content = yield* image("deletion", "one")
  const digest = Digest.fromBytes(utf8(content))
  for (const tag of ["a", "b"]) status(201)(yield* put("deletion", tag, content))
  status(202)(yield* send("DELETE", "/v2/deletion/manifests/a"))
  status(404)(yield* send("HEAD", "/v2/deletion/manifests/a"))
  status(404)(yield* send("DELETE", "/v2/deletion/manifests/a"))
  yield* roundTrip("/v2/deletion/manifests/b", content, digest)
  status(202)(yield* send("DELETE", `/v2/deletion/manifests/${digest}`))
  status(404)(yield* send("HEAD", `/v2/deletion/manifests/${digest}`))
  status(404)(yield* send("HEAD", "/v2/deletion/manifests/b"))
  const blob = Digest.fromBytes(utf8("layer one"))
  status(202)(yield* send("DELETE", `/v2/deletion/blobs/${blob}`))
  status(404)(yield* send("HEAD", `/v2/deletion/blobs/${blob}`))
  status(404)(yield* send("DELETE", `/v2/deletion/blobs/${blob}`))
})

/** By category of the specification; every check uses repositories of its own. */
export const checks: Readonly<Record<string, Check>> = {
  "base: the API is announced": base,
  "pull: what is missing is 404 with its code": missing,
  "push: POST then PUT, sha256 and sha512": postPut,
  "push: one POST": postOnly,
  "push: the empty blob": emptyBlob,
  "push: chunks in order, 416 out of order, status, last chunk with PUT": chunked,
  "push: a chunk is as long as its range, announced or not": chunkLengths,
  "push: streamed, digest-algorithm": streamed,
  "push: bad digests and lengths": badUploads,
  "push: cancel": cancelled,
  "push: one request of a session at a time, and none after the last": tooLate,
  "push: mount with and without from": mounted,
  "pull: ranges and validators": ranges,
  "manifests: by tag and digest, byte for byte": manifests,
  "manifests: refusals": refusedManifests,
  "manifests: tags beside a digest": tagParameter,
  "manifests: conditional writes": conditional,
  "discovery: tags and catalog": listing,
  "discovery: referrers": referrers,
  "management: tags, manifests, blobs": deletion
}
