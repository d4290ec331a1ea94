import { inspect } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Encoding from "effect/Encoding"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Challenge from "../../src/auth/Challenge.ts"
import { responseMessage } from "../../src/model/internal/errorMessage.ts"
import { oneLine as onOneLine, sanitizeBounded, sanitizeText, sanitizeUrl } from "../../src/model/internal/sanitize.ts"
import * as RegistryError from "../../src/model/RegistryError.ts"
import * as Vectors from "../vectors/Vectors.ts"

const context = (fields?: Partial<RegistryError.RequestContext>): RegistryError.RequestContext => ({
  registry: "registry.example",
  repository: "team/app",
  operation: "getManifest",
  endpoint: "manifest",
  method: "GET",
  url: "https://registry.example/v2/team/app/manifests/latest",
  ...fields
})

type Member = (typeof RegistryError.RegistryError.members)[number]

const isResponseTag = (tag: Member["_tag"]): tag is RegistryError.ResponseErrorTag =>
  RegistryError.RegistryError.members.some((_) => _._tag === tag && "diagnostics" in _.fields)

const allTags = RegistryError.RegistryError.members.map((_) => _._tag).filter(isResponseTag)

const answer = (status: number, body: string, more?: Partial<RegistryError.ResponseParts & RegistryError.RequestContext>) =>
  RegistryError.fromResponse(allTags, context(more), { status, body, ...more })

const json = (value: unknown) => JSON.stringify(value)
const parseBody = (body: string): unknown => Option.getOrUndefined(Schema.decodeOption(Schema.parseJson())(body))
const bodyMember = (body: string, name: string): unknown => {
  const parsed = parseBody(body)
  return typeof parsed === "object" && parsed !== null ? Object.entries(parsed).find(([key]) => key.toLowerCase() === name)?.[1] : undefined
}
const oneLine = (text: string) => text.replace(/\s+/g, " ").trim()

const codec = Schema.parseJson(RegistryError.RegistryError)
const roundTrip = (error: RegistryError.RegistryError) => Schema.decodeSync(codec)(Schema.encodeSync(codec)(error))

const renderings = (error: RegistryError.RegistryError): ReadonlyArray<string> => [
  error.message,
  String(error),
  json(error),
  inspect(error, { depth: 20, showHidden: true }),
  Schema.encodeSync(codec)(error),
  Cause.pretty(Cause.fail(error), { renderErrorCause: true }),
  error.stack ?? ""
]

describe("vectors", () => {
  const spokenMembers = ["details", "message", "error"]
  const spoken = (body: string) => spokenMembers.map((_) => bodyMember(body, _)).find((_) => typeof _ === "string" && _ !== "")

  const ErrorBodyRow = Schema.Struct({
    status: Schema.Int,
    body: Schema.String,
    requestMethod: Schema.optional(Schema.String),
    requestUrl: Schema.optional(Schema.String),
    expected: Schema.Struct({
      errors: Schema.Array(Schema.Struct({ code: Schema.String, message: Schema.String, detail: Schema.Unknown })),
      statusCode: Schema.Int,
      temporary: Schema.Boolean
    })
  })
  type ErrorBodyRow = typeof ErrorBodyRow.Type

  const textEntries: Vectors.Deviation<ErrorBodyRow> = {
    name: "entries that are text",
    reason: "Go drops them; we keep what the server said as the message",
    applies: ({ body }) => {
      const errors = bodyMember(body, "errors")
      return Array.isArray(errors) && errors.some((_) => typeof _ === "string")
    }
  }
  const spokenBody: Vectors.Deviation<ErrorBodyRow> = {
    name: "details, message or error",
    reason: "docker/distribution reads them (client/errors.go): the text is the message, not the JSON around it",
    applies: ({ body, expected }) => expected.errors.length === 0 && spoken(body) !== undefined
  }
  const markup: Vectors.Deviation<ErrorBodyRow> = {
    name: "web pages",
    reason: "the message is one readable line: the text of the page without its tags",
    applies: ({ body, expected }) => expected.errors.length === 0 && /^\s*</.test(body)
  }

  it.each(Vectors.load("error-body", ErrorBodyRow))("error-body $status $body", (row) => {
    const url = row.requestUrl ?? context().url
    const error = answer(row.status, row.body, { method: row.requestMethod ?? "GET", url })
    expect(error.status).toBe(row.expected.statusCode)
    expect(error.retryable).toBe(row.expected.temporary)
    // The wording is ours: one sentence, and the URL without query and user info.
    expect(error.message).toContain(`${row.requestMethod ?? "GET"} ${sanitizeUrl(url)}: status ${row.status}: `)
    expect(error.message).not.toMatch(/[?\n]/)

    switch (Vectors.deviation([textEntries, spokenBody, markup], row)) {
      case textEntries:
        expect(error.diagnostics.map((_) => _.code)).toEqual(row.expected.errors.map((_) => _.code))
        expect(error.diagnostics.some((_) => _.message !== "")).toBe(true)
        return
      case spokenBody:
        expect(error.diagnostics).toEqual([])
        expect(error.message).toContain(`: ${spoken(row.body)}`)
        expect(error.message).not.toContain("{")
        return
      case markup:
        expect(error.diagnostics).toEqual([])
        expect(error.message).not.toMatch(/[<>]/)
        return
    }
    const diagnostics = error.diagnostics.map(({ code, message, detail = null }) => ({ code, message, detail }))
    expect(diagnostics).toEqual(row.expected.errors)
    const said = diagnostics.length > 0 ? diagnostics.flatMap((_) => [_.code, _.message]) : [row.body]
    for (const text of said) expect(error.message).toContain(oneLine(text).slice(0, 50))
  })

  const TemporaryRow = Schema.Struct({
    input: Schema.Struct({ statusCode: Schema.Int, body: Schema.String }),
    expected: Schema.Boolean,
    expectedDiagnostics: Schema.Int
  })

  it.each(Vectors.load("error-temporary", TemporaryRow))("error-temporary %j", ({ input, expected, expectedDiagnostics }) => {
    const error = answer(input.statusCode, input.body)
    expect(error.retryable).toBe(expected)
    expect(RegistryError.isRetryable(error)).toBe(expected)
    expect(error.diagnostics.length).toBe(expectedDiagnostics)
  })

  const RedactRow = Schema.Struct({ url: Schema.String, expected: Schema.String })

  const nothingSecret: Vectors.Deviation<typeof RedactRow.Type> = {
    name: "no query, no user info",
    reason: "Go keeps the names of the parameters, some values, and the user; we keep nothing of a query and nobody's name",
    applies: ({ url }) => /[?#]|\/\/[^/]*@/.test(url)
  }

  it.each(Vectors.load("redact-url", RedactRow))("redact-url $url", (row) => {
    const bare = row.expected.replace(/[?#].*$/, "").replace(/\/\/[^/]*@/, "//")
    expect(sanitizeUrl(row.url)).toBe(nothingSecret.applies(row) ? bare : row.expected)
    expect(answer(404, "", { url: row.url })).toMatchObject({ url: sanitizeUrl(row.url) })
  })

  const DistributionRow = Schema.Struct({
    input: Schema.Struct({ status: Schema.Int, wwwAuthenticate: Schema.optional(Schema.String), body: Schema.String }),
    expected: Schema.optional(
      Schema.Struct({
        errors: Schema.optional(
          Schema.Array(
            Schema.Struct({
              code: Schema.String,
              message: Schema.String,
              detailIsTheBody: Schema.optionalWith(Schema.Boolean, { default: () => false })
            })
          )
        )
      })
    ),
    expectedMessageContains: Schema.optional(Schema.String)
  })
  type DistributionRow = typeof DistributionRow.Type

  const entriesOf = ({ input }: DistributionRow): ReadonlyArray<unknown> => {
    const errors = bodyMember(input.body, "errors")
    return Array.isArray(errors) ? errors : []
  }
  const inventedCode: Vectors.Deviation<DistributionRow> = {
    name: "codes the body does not have",
    reason: "docker/distribution invents a code for a body without any; we keep the list empty and let the status decide the tag",
    applies: (row) => entriesOf(row).length === 0 && row.input.wwwAuthenticate === undefined
  }

  const tagOf = (code: string) => answer(418, json({ errors: [{ code, message: "" }] }))._tag

  it.each(Vectors.load("distribution-error-body", DistributionRow))("distribution-error-body %j", (row) => {
    const { status, body, wwwAuthenticate } = row.input
    const challenge = Challenge.parse(wwwAuthenticate === undefined ? [] : [wwwAuthenticate]).find(Challenge.isBearer)?.parameters
    const error = answer(status, body, {
      challenge: challenge?.["error"] === undefined ? undefined : { error: challenge["error"], description: challenge["error_description"] }
    })
    expect(error.status).toBe(status)
    if (inventedCode.applies(row)) {
      expect(error.diagnostics).toEqual([])
      expect(error._tag).toBe(answer(status, "")._tag)
      // What was said is there all the same.
      expect(error.message).toContain(spoken(body) ?? oneLine(body).slice(0, 50))
      return
    }
    const expected = row.expected?.errors ?? []
    if (row.expected?.errors !== undefined) {
      expect(error.diagnostics.map(({ code, message }) => ({ code, message }))).toEqual(
        expected.map(({ code, message }) => ({ code, message }))
      )
      expect(error._tag).toBe(tagOf(expected[0]?.code ?? ""))
    }
    // Go writes `code in words: message`; ours is `CODE: message`.
    const said = row.expectedMessageContains?.split(": ").at(-1)
    if (said !== undefined) expect(error.message).toContain(said)
  })
})

describe("fromResponse", () => {
  it.each([
    [401, "manifest", "Unauthorized"],
    [403, "blob", "Denied"],
    [404, "manifest", "ManifestUnknown"],
    [404, "referrers", "ManifestUnknown"],
    [404, "blob", "BlobUnknown"],
    [404, "upload", "BlobUploadUnknown"],
    [404, "tags", "NameUnknown"],
    [404, "base", "Unsupported"],
    [404, "catalog", "Unsupported"],
    [405, "manifest", "Unsupported"],
    [413, "manifest", "ManifestInvalid"],
    [413, "upload", "UnknownRegistryError"],
    [415, "manifest", "Unsupported"],
    [416, "blob", "RangeInvalid"],
    [416, "upload", "RangeInvalid"],
    [429, "manifest", "TooManyRequests"],
    [500, "manifest", "Unavailable"],
    [503, "upload", "Unavailable"],
    [599, "blob", "Unavailable"],
    [400, "manifest", "UnknownRegistryError"],
    [409, "upload", "UnknownRegistryError"],
    [302, "blob", "UnknownRegistryError"]
  ] as const)("%i on %s is %s", (status, endpoint, tag) => {
    for (const body of ["", "<html>", "null", "[]", '{"errors":[]}', '{"errors":"x"}']) {
      const error = answer(status, body, { endpoint })
      expect(error._tag).toBe(tag)
      expect(error.diagnostics).toEqual([])
    }
  })

  it.each([
    ["BLOB_UNKNOWN", "BlobUnknown"],
    ["BLOB_UPLOAD_INVALID", "BlobUploadInvalid"],
    ["BLOB_UPLOAD_UNKNOWN", "BlobUploadUnknown"],
    ["DIGEST_INVALID", "DigestInvalid"],
    ["MANIFEST_BLOB_UNKNOWN", "ManifestBlobUnknown"],
    ["MANIFEST_INVALID", "ManifestInvalid"],
    ["MANIFEST_UNKNOWN", "ManifestUnknown"],
    ["MANIFEST_UNVERIFIED", "ManifestUnverified"],
    ["NAME_INVALID", "NameInvalid"],
    ["NAME_UNKNOWN", "NameUnknown"],
    ["SIZE_INVALID", "SizeInvalid"],
    ["UNAUTHORIZED", "Unauthorized"],
    ["DENIED", "Denied"],
    ["UNSUPPORTED", "Unsupported"],
    ["TOOMANYREQUESTS", "TooManyRequests"],
    ["TAG_INVALID", "TagInvalid"],
    ["UNAVAILABLE", "Unavailable"],
    ["RANGE_INVALID", "RangeInvalid"],
    ["PAGINATION_NUMBER_INVALID", "PaginationNumberInvalid"]
  ])("%s is %s, whatever the status", (code, tag) => {
    const error = answer(418, json({ errors: [{ code, message: "m" }] }))
    expect(error._tag).toBe(tag)
    expect(error.message).toContain(`${code}: m`)
  })

  it("takes the first code of the specification and keeps all diagnostics", () => {
    const error = answer(400, json({ errors: ["NEW", "NAME_INVALID", "DENIED"].map((code) => ({ code, message: "m" })) }))
    expect(error._tag).toBe("NameInvalid")
    expect(error.diagnostics.map((_) => _.code)).toEqual(["NEW", "NAME_INVALID", "DENIED"])
  })

  it("goes by the status when no code is known", () => {
    expect(answer(404, json({ errors: [{ code: "NOT_FOUND", message: "m" }] }))._tag).toBe("ManifestUnknown")
    expect(answer(400, json({ errors: [{ code: "QUOTA", message: "m" }] }))._tag).toBe("UnknownRegistryError")
  })

  it("is UnknownRegistryError for what the operation does not declare", () => {
    const error = RegistryError.fromResponse(["ManifestUnknown"], context(), { status: 403, body: "" })
    expect(error._tag).toBe("UnknownRegistryError")
    expect(error.status).toBe(403)
  })

  it("keeps where it happened", () => {
    expect(answer(404, "", { requestId: "abc", retryAfter: Duration.seconds(3) })).toMatchObject({
      registry: "registry.example",
      repository: "team/app",
      operation: "getManifest",
      method: "GET",
      url: "https://registry.example/v2/team/app/manifests/latest",
      requestId: "abc",
      retryAfter: Duration.seconds(3)
    })
  })

  it("says how long to wait", () => {
    const error = answer(429, "", { retryAfter: Duration.minutes(2) })
    expect(error._tag).toBe("TooManyRequests")
    expect(error.retryable).toBe(true)
    expect(error.message).toContain("retry after 2m")
    expect(answer(429, "", { retryAfter: Duration.infinity }).retryAfter).toBe(undefined)
  })

  it("puts a Bearer challenge's error first", () => {
    const denied = answer(401, "", { challenge: { error: "insufficient_scope" } })
    expect(denied._tag).toBe("Denied")
    expect(answer(401, "", { challenge: { error: "invalid_token", description: "expired" } }).message).toContain("UNAUTHORIZED: expired")
    expect(answer(404, "", { challenge: { error: "invalid_request" } })).toMatchObject({ _tag: "ManifestUnknown", diagnostics: [] })
  })

  it("reads the text of web pages and XML", () => {
    const page = "<html><head><title>502 Bad Gateway</title><style>a{}</style></head>\n<body>\r\n<center>nginx</center></body></html>"
    expect(answer(502, page).message).toContain("status 502: 502 Bad Gateway nginx")
    expect(answer(403, "<?xml?><Error><Code>AccessDenied</Code></Error>").message).toContain("status 403: AccessDenied")
    expect(answer(403, "<br>").message).toContain("gave no reason")
  })

  it("writes one line, without what moves a terminal's cursor", () => {
    const error = answer(400, json({ errors: [{ code: "DENIED", message: "a\n\u001b[2Jb\r\u0085c\u2028d" }] }))
    expect(error.message).toContain("DENIED: a [2Jb c d")
    expect(json(error.message)).not.toMatch(/\\u001b|\\n|\\r/)
  })
})

describe("hostile bodies", () => {
  const size = (error: RegistryError.RegistryError) => Math.max(...renderings(error).map((_) => _.length))

  it("are bounded, however many errors", () => {
    const error = answer(500, json({ errors: Array.from({ length: 20_000 }, (_, i) => ({ code: `C${i}`, message: "m".repeat(50) })) }))
    expect(error.diagnostics.length).toBe(32)
    expect(error.message.length).toBeLessThan(1000)
    expect(size(error)).toBeLessThan(100_000)
  })

  it.each([
    ["text", "x".repeat(5_000_000)],
    ["words", "word ".repeat(1_000_000)],
    ["a web page", "<".repeat(1_000_000)],
    ["a long message", json({ errors: [{ code: "D".repeat(1e6), message: "m".repeat(1e6) }] })],
    ["a wide detail", json({ errors: [{ code: "D", message: "m", detail: Array.from({ length: 1e5 }, () => [[["x".repeat(9)]]]) }] })],
    ["many names", json({ errors: [{ code: "D", detail: Object.fromEntries(Array.from({ length: 1e5 }, (_, i) => [`k${i}`, i])) }] })],
    ["a deep detail", `{"errors":[{"code":"D","detail":${"[".repeat(20_000)}${"]".repeat(20_000)}}]}`],
    ["deep members", `${'{"errors":'.repeat(20_000)}1${"}".repeat(20_000)}`],
    ["an unfinished list", "[".repeat(1_000_000)],
    ["a huge number", '{"errors":[{"code":"D","message":"m","detail":1e999}]}']
  ])("are bounded: %s", (_, body) => {
    const error = answer(500, body)
    expect(size(error)).toBeLessThan(50_000)
    expect(Schema.encodeSync(codec)(roundTrip(error))).toBe(Schema.encodeSync(codec)(error))
  })

  it.each(["constructor", "__proto__", "toString", "hasOwnProperty", "valueOf"])("do not reach prototypes with %s", (name) => {
    const error = answer(404, json({ errors: [{ code: name, message: name, detail: JSON.parse(`{"${name}":{"x":1}}`) }] }))
    expect(error._tag).toBe("ManifestUnknown")
    expect("x" in Object.prototype).toBe(false)
    expect(RegistryError.isResponseError(error)).toBe(true)
  })

  it.prop(
    "never make it throw",
    [
      fc.oneof(
        fc.json(),
        fc.string(),
        fc.jsonValue().map((_) => json({ errors: _ }))
      ),
      fc.integer({ min: 100, max: 599 })
    ],
    ([body, status]) => {
      const error = answer(status, body)
      expect(RegistryError.isResponseError(error)).toBe(true)
      expect(error.message.length).toBeLessThan(1000)
    }
  )

  it.prop(
    "never make it throw: entries of any kind",
    [fc.array(fc.record({ code: fc.jsonValue(), message: fc.jsonValue(), detail: fc.jsonValue() }))],
    ([errors]) => {
      const error = answer(400, json({ errors }))
      expect(error.diagnostics.length).toBe(Math.min(errors.length, 32))
      expect(roundTrip(error)._tag).toBe(error._tag)
    }
  )
})

describe("secrets", () => {
  const secret = fc.stringMatching(/^[A-Za-z0-9+/=_"\\?&%#@:-]{10,40}$/).map((_) => `s3${_}`)
  const inside = fc.constantFrom<(secret: string) => string>(
    (_) => `Authorization: Bearer ${_}`,
    (_) => json({ errors: [{ code: "DENIED", message: `bad token ${_}!` }] }),
    (_) => json({ errors: [{ code: _, message: "m" }] }),
    (_) => json({ errors: [{ code: "DENIED", message: "m", detail: { headers: [{ authorization: `Basic ${_}` }], [_]: 1 } }] }),
    (_) => json({ details: `token ${_} expired` }),
    (_) => json({ unknown: [`token ${_} expired`] }),
    (_) => `see https://login.example/?token=${encodeURIComponent(_)} for more`,
    (_) => `<html><p>${_}</p></html>`,
    (_) => `${"padding ".repeat(1020)}${_} ${_}`
  )

  const expectAbsent = (error: RegistryError.RegistryError, secret: string) => {
    for (const text of renderings(error)) {
      for (const spelling of [secret, json(secret).slice(1, -1), encodeURIComponent(secret)]) expect(text).not.toContain(spelling)
    }
  }

  it.prop(
    "that were sent never show, wherever the server repeats them",
    [secret, inside, fc.integer({ min: 400, max: 599 })],
    ([secret, inside, status]) => {
      const url = `https://user:${encodeURIComponent(secret)}@registry.example/v2/?_state=${encodeURIComponent(secret)}`
      const error = answer(status, inside(secret), { url, requestId: `id-${secret}`, secrets: [secret] })
      expectAbsent(error, secret)
      expectAbsent(roundTrip(error), secret)
    }
  )

  it.prop("do not show in part where a text is cut", [fc.integer({ min: 8100, max: 8200 })], ([length]) => {
    const secret = "SECRET-0123456789-SECRET"
    const error = answer(500, `${"https://a/?".padEnd(length - 1, "q")} ${secret} ${secret}`, { secrets: [secret] })
    expect(json(error)).not.toContain("SECRET-")
  })

  it.each([
    "the header was Authorization: Bearer abcDEF0123456789._~+/=",
    "the header was authorization: basic dXNlcjpwYXNzd29yZDE=",
    `the token ${Encoding.encodeBase64Url('{"alg":"RS256"}')}.${Encoding.encodeBase64Url('{"sub":"me"}')}.c2lnbmF0dXJl is bad`,
    "no session at /v2/a/blobs/uploads/1?_state=dXNlcjpwYXNzd29yZDE&x=1",
    "denied: https://user:dXNlcjpwYXNzd29yZDE@storage.example/a",
    "denied: https://storage.example/a?X-Amz-Signature=dXNlcjpwYXNzd29yZDE&X-Amz-Expires=1",
    "denied: /a?X-Amz-Signature=dXNlcjpwYXNzd29yZDE&se=1",
    "denied: /a?se=1&sig=dXNlcjpwYXNzd29yZDE",
    "denied: /token?refresh_token=dXNlcjpwYXNzd29yZDE"
  ])("that nobody told us about are recognised: %s", (text) => {
    for (const body of [text, json({ errors: [{ code: "DENIED", message: text, detail: { text } }] }), json({ details: text })]) {
      for (const shown of renderings(answer(403, body))) {
        expect(shown).not.toMatch(/dXNlcjpw|abcDEF|c2lnbmF0|eyJ/)
      }
    }
  })

  it("leaves harmless text alone", () => {
    const text = "Basic authentication required for library/ubuntu:22.04@sha256:abc, see https://docs.example/login"
    expect(sanitizeText(text, [])).toBe(text)
  })

  // How URLs and tokens are found, said in the plainest way: in time that grows with the square of the text.
  const plainly = (text: string) =>
    text.replace(/\b[a-z][a-z0-9+.-]*:[\\/]{2,}[^\s"'<>]+/gi, sanitizeUrl).replace(/\beyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*)*/g, "<redacted>")

  const pieces = [
    ..."aé1._-+:/\\?#@ \n\"'<>",
    ...[
      "https",
      "HTTPS:",
      "http:",
      "svn+ssh:",
      "1.",
      "x-",
      "//",
      "://",
      "host.test",
      "user:pass@",
      "see https://",
      "eyJ",
      "eyJabc",
      "eyJabcd",
      ".."
    ]
  ]

  it.prop(
    "URLs and tokens are found wherever they begin",
    [fc.array(fc.constantFrom(...pieces), { maxLength: 15 })],
    ([found]) => {
      const text = found.join("")
      expect(sanitizeText(text, [])).toBe(plainly(text))
    },
    { fastCheck: { numRuns: 5000 } }
  )

  // Each would take minutes if the time grew with the square of the length.
  it.each([
    ...["a", "a-", "a.", "a+", "-", ".", "a:", "a:/", "a://", "https:", "://", "/", "u@", " ", "\u00a0", "=", ";a", "?a.token", "&x-amz-a"],
    ...["eyJ", "eyJ-", "-eyJabcd", "eyJabcd.", "eyJabcd..", "bearer ", "Basic a", "<", "<a", "<script", "<script>"]
  ])("text made of %j is read once", (piece) => {
    const text = piece.repeat(2 ** 19 / piece.length)
    for (const whole of [`<${text}!`, `${text} `]) {
      expect(sanitizeText(whole, ["secret"]).length).toBeLessThanOrEqual(whole.length)
      expect(sanitizeBounded(whole, [], 2 ** 17 - 1).length).toBeLessThan(2 ** 17)
      expect(onOneLine(whole).length).toBeLessThanOrEqual(whole.length)
      expect(responseMessage({ method: "GET", url: "", status: 400, diagnostics: [], body: whole }).length).toBeLessThan(1000)
    }
  })

  it("a page that was cut off says what stands between its tags", () => {
    const said = (body: string) => responseMessage({ method: "GET", url: "/", status: 404, diagnostics: [], body })
    expect(said("<p>not <b>here</b></p><script>a</script><p>try again</p><script>let b = '<a href=\"x")).toBe(
      "GET /: status 404: not here try again"
    )
    expect(said('<p>gone</p><a href="x')).toBe("GET /: status 404: gone")
  })

  it.each([
    ["https://user:pass@host/path?query#fragment", "https://host/path"],
    ["https://host:5000/v2/", "https://host:5000/v2/"],
    ["https://host/v2/@scope/x", "https://host/v2/@scope/x"],
    ["//user@host/x", "//host/x"],
    ["https:\\\\user:pass@host/x", "https://host/x"],
    ["https:/user:pass@host/x", "https://host/x"],
    [" HTTPS://user:pass@host", "HTTPS://host"],
    ["/v2/a/@b/c?x", "/v2/a/@b/c"],
    ["", ""]
  ])("the URL %j shows as %j", (url, shown) => {
    expect(sanitizeUrl(url)).toBe(shown)
  })

  it.prop(
    "user info and query of any web URL are gone",
    [fc.webUrl({ withQueryParameters: true, withFragments: true, authoritySettings: { withUserInfo: true } })],
    ([url]) => {
      const shown = new URL(sanitizeUrl(url))
      expect([shown.username, shown.password, shown.search, shown.hash]).toEqual(["", "", "", ""])
      expect(shown.host).toBe(new URL(url).host)
    }
  )
})

describe("every error", () => {
  // What the constructors take, in its JSON form.
  // What the constructors take, in its JSON form; waits are whole milliseconds.
  const encoded = (member: Member): fc.Arbitrary<unknown> =>
    fc
      .tuple(Arbitrary.make(Schema.encodedBoundSchema(Schema.Struct(member.fields))), fc.nat())
      .map(([fields, wait]) =>
        JSON.parse(JSON.stringify(fields, (key, value) => (key === "retryAfter" && value !== undefined ? wait : value)))
      )

  const decode = Schema.decodeUnknownSync(RegistryError.RegistryError)

  describe.each(RegistryError.RegistryError.members.map((member) => [member._tag, member] as const))("%s", (tag, member) => {
    it.prop("encodes to JSON and back", [encoded(member)], ([value]) => {
      const error = decode(value)
      expect(error).toBeInstanceOf(member)
      expect(error).toBeInstanceOf(Error)
      expect(error._tag).toBe(tag)
      expect(JSON.parse(Schema.encodeSync(codec)(error))).toEqual(value)
      const again = roundTrip(error)
      expect(again.message).toBe(error.message)
      expect(again).toEqual(error)
    })

    it.prop("is one of ours, with a message", [encoded(member)], ([value]) => {
      const error = decode(value)
      expect(RegistryError.isRegistryError(error)).toBe(true)
      expect(RegistryError.isResponseError(error)).toBe(isResponseTag(tag))
      expect(typeof RegistryError.isRetryable(error)).toBe("boolean")
      expect(String(error)).toContain(tag)
      expect(String(error)).toContain(error.message)
    })
  })

  it("says where and what, in one sentence", () => {
    const place = { registry: "ghcr.io", repository: "acme/app", operation: "getBlob" }
    const at = "getBlob ghcr.io/acme/app: "
    const asked = { ...place, method: "GET", url: "https://ghcr.io/v2/" }
    const errors: ReadonlyArray<readonly [RegistryError.RegistryError, string]> = [
      [new RegistryError.DigestMismatch({ ...place, expected: "a:b", actual: "a:c" }), `${at}content has digest a:c, expected a:b`],
      [new RegistryError.SizeMismatch({ expected: 2, actual: 3 }), "content has 3 bytes, expected 2"],
      [new RegistryError.LimitExceeded({ ...place, what: "manifest", limit: 10 }), `${at}manifest exceeds the limit of 10`],
      [new RegistryError.MalformedContent({ kind: "manifest", reason: "no JSON" }), "not a valid manifest: no JSON"],
      [new RegistryError.InvalidReference({ input: "A", reason: "r" }), '"A" is not a valid reference: r'],
      [
        new RegistryError.TransportError({ ...asked, reason: "connect", detail: "refused", retryable: true }),
        "GET https://ghcr.io/v2/: connect: refused"
      ],
      [
        new RegistryError.RedirectRefused({ ...asked, target: "http://a/", reason: "it is not https" }),
        "GET https://ghcr.io/v2/: redirect to http://a/ refused: it is not https"
      ],
      [new RegistryError.KeychainError({ source: "config.json", reason: "r" }), "config.json: r"]
    ]
    for (const [error, message] of errors) expect(error.message).toBe(message)
  })

  it("does not take other errors for ours", () => {
    for (const other of [new Error("x"), null, undefined, "x", { _tag: "Denied" }]) {
      expect(RegistryError.isRegistryError(other)).toBe(false)
      expect(RegistryError.isResponseError(other)).toBe(false)
    }
  })

  it("shows no marks of the library in logs", () => {
    expect(inspect(answer(404, ""))).not.toContain(RegistryError.TypeId)
    expect(json(answer(404, ""))).not.toContain(RegistryError.TypeId)
  })
})
