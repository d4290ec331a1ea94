/** Whatever a server, a user or a file says: parsers give a value or a reason, and never throw. */
import * as Headers from "@effect/platform/Headers"
import { afterAll, afterEach, assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as AccessToken from "../../src/auth/AccessToken.ts"
import * as Challenge from "../../src/auth/Challenge.ts"
import * as DockerConfig from "../../src/auth/DockerConfig.ts"
import * as TokenScope from "../../src/auth/TokenScope.ts"
import * as ContentRange from "../../src/http/internal/contentRange.ts"
import * as LinkHeader from "../../src/http/internal/linkHeader.ts"
import * as Location from "../../src/http/internal/location.ts"
import * as RateLimitHeader from "../../src/http/internal/rateLimitHeader.ts"
import * as RetryAfter from "../../src/http/internal/retryAfter.ts"
import * as Warnings from "../../src/http/internal/warnings.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as ImageConfig from "../../src/model/ImageConfig.ts"
import { parseErrorBody } from "../../src/model/internal/errorBody.ts"
import { meaningOf } from "../../src/model/internal/errorMeaning.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Platform from "../../src/model/Platform.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as RegistryHosts from "../../src/transport/RegistryHosts.ts"
import { feed, type Language } from "../support/Fuzz.ts"

const inputs = 100_000
const sha = "a".repeat(64)
const digest = `sha256:${sha}`
const now = Date.UTC(2026, 0, 1)
const json = (value: unknown) => JSON.stringify(value)
const utf8 = new TextEncoder()

const isCount = (value: number | undefined) => value === undefined || (Number.isSafeInteger(value) && value >= 0)
const isWait = (value: Duration.Duration | undefined) => value === undefined || (Duration.isFinite(value) && Duration.toMillis(value) >= 0)

const jsonWords = ["{", "}", "[", "]", '"', ":", ",", "null", "true", "1", "-1", '"a"', "{}", "[]", '{"errors":', '"__proto__":']
const document = (...examples: ReadonlyArray<unknown>): Language => ({ words: jsonWords, examples: examples.map(json) })

const descriptor = { mediaType: MediaType.ociLayerTarGzip, digest, size: 10, annotations: { a: "b" }, urls: ["https://a/b"], data: "e30=" }
const imageDocument = {
  schemaVersion: 2,
  mediaType: MediaType.ociImageManifest,
  config: descriptor,
  layers: [descriptor],
  subject: descriptor
}
const indexDocument = {
  schemaVersion: 2,
  mediaType: MediaType.ociImageIndex,
  manifests: [{ ...descriptor, mediaType: MediaType.ociImageManifest, platform: { os: "linux", architecture: "arm", variant: "v7" } }]
}
const schema1 = {
  schemaVersion: 1,
  name: "a/b",
  tag: "c",
  fsLayers: [{ blobSum: digest }],
  history: [{ v1Compatibility: "{}" }],
  signatures: []
}

const types = [
  undefined,
  MediaType.ociImageManifest,
  MediaType.ociImageIndex,
  MediaType.dockerManifestSchema1Signed,
  "text/html; charset=utf-8"
]

/** Each parser with what it is fed and what must hold of what it gives. */
const parsers: Readonly<Record<string, readonly [Language, (input: string) => void]>> = {
  Reference: [
    {
      words: [
        "a",
        "B",
        "0",
        "/",
        ":",
        "@",
        ".",
        "-",
        "_",
        "__",
        "localhost",
        ":5000",
        "docker.io",
        "library",
        digest,
        "[::1]",
        "https://",
        "*"
      ],
      examples: ["ubuntu", "ghcr.io/acme/app:1.4", `localhost:5000/a/b@${digest}`, `[fe80::1]:80/a:b@${digest}`, "docker.io/library/a"]
    },
    (input) => {
      for (const mode of ["weak", "strict"] as const) {
        const parsed = Reference.parse(input, { mode })
        if (Either.isLeft(parsed)) assert.strictEqual(parsed.left._tag, "InvalidReference")
        else assert.strictEqual(Either.getOrThrow(Reference.parse(parsed.right.toString())).toString(), parsed.right.toString())
      }
    }
  ],
  Digest: [
    {
      words: ["sha256", "sha512", ":", "+", ".", "_", "-", sha, "0", "F", "multihash"],
      examples: [digest, `sha512:${"0".repeat(128)}`, "a+b.c:d-_="]
    },
    (input) => {
      const parsed = Digest.parse(input)
      if (Either.isLeft(parsed)) assert.strictEqual(parsed.left._tag, "InvalidDigest")
      else assert.strictEqual(`${Digest.algorithm(parsed.right)}:${Digest.encoded(parsed.right)}`, input)
    }
  ],
  Platform: [
    {
      words: ["linux", "/", "arm", "v7", "(", ")", ":", "windows", "10.0.1", "amd64", "all"],
      examples: ["linux/arm/v7", "windows(10.0.17763)/amd64", "linux/amd64:osver"]
    },
    (input) => {
      const parsed = Platform.parse(input)
      if (Either.isLeft(parsed)) assert.strictEqual(parsed.left._tag, "MalformedContent")
      else assert.isString(Platform.format(Platform.normalize(parsed.right)))
    }
  ],
  Challenge: [
    {
      words: [
        "Bearer",
        "Basic",
        "Negotiate",
        " ",
        ",",
        "=",
        '"',
        "\\",
        "realm",
        "scope",
        "service",
        "https://a/token",
        "repository:a/b:pull,push"
      ],
      examples: [
        'Bearer realm="https://a/token",service="b",scope="repository:a:pull"',
        'Basic realm="a", Bearer realm="b"',
        "Negotiate abc=="
      ]
    },
    (input) => {
      for (const { scheme, parameters } of Challenge.parse([input, input])) {
        assert.strictEqual(scheme, scheme.toLowerCase())
        assert.isTrue(Object.values(parameters).every((value) => typeof value === "string"))
      }
    }
  ],
  "token scopes": [
    {
      words: ["repository", ":", "a/b", "pull", ",", " ", "*", "(plugin)", "registry:catalog:*"],
      examples: ["repository:a/b:pull,push registry:catalog:*"]
    },
    (input) => {
      const [held] = [TokenScope.parse(input).map(TokenScope.format)]
      assert.isTrue(TokenScope.covers(TokenScope.merge(held, []), held))
    }
  ],
  Link: [
    {
      words: ["<", ">", ";", ",", "rel", "=", '"next"', "next", "/v2/a/tags/list", "?n=1&last=b", "https://b", "//c"],
      examples: ['</v2/a/tags/list?last=b&n=2>; rel="next"', '<https://a.test/x>; title="a,b;c"; rel=prev, </y>;rel="first next"']
    },
    (input) => {
      const next = LinkHeader.next(input, "https://registry.test/v2/a/tags/list")
      if (Either.isRight(next) && next.right !== undefined) assert.instanceOf(next.right, URL)
    }
  ],
  Location: [
    {
      words: ["/", "..", "https://", "http:", "a.test", ":80", "?", "&digest=", "#", "@", "user:pw@", "\\"],
      examples: ["/v2/a/blobs/uploads/1?_state=a%2Fb", "https://b.test/x?y#z", "../x"]
    },
    (input) => {
      const to = Location.resolve(input, "https://registry.test/v2/a/blobs/uploads/")
      if (Either.isRight(to)) assert.include(Location.withDigest(to.right, digest), "digest=")
    }
  ],
  "Content-Range": [
    { words: ["bytes", " ", "0", "-", "9", "/", "20", "*", "="], examples: ["bytes 0-9/20", "bytes 5-9/*", "BYTES 0-0/1"] },
    (input) => {
      const range = ContentRange.parse(input)
      assert.isTrue(range === undefined || (isCount(range.start) && isCount(range.total) && range.end >= range.start))
    }
  ],
  "Range of an upload": [
    { words: ["bytes", "=", "0", "-", "9", " "], examples: ["0-9", "bytes=0-9", "0-0"] },
    (input) => assert.isTrue(isCount(ContentRange.parseUploadRange(input)))
  ],
  Warning: [
    { words: ["299", " ", "-", '"', "\\", ",", "text", "199"], examples: ['299 - "one", 299 - "two \\"quoted\\""', "299 host text"] },
    (input) => assert.isTrue(Warnings.parse(input).every((text) => typeof text === "string"))
  ],
  "Retry-After": [
    {
      words: ["120", "-", " ", "Wed", ", ", "21 Oct 2026", "07:28:00", "GMT"],
      examples: ["120", "Wed, 21 Oct 2026 07:28:00 GMT", "Wednesday, 21-Oct-26 07:28:00 GMT"]
    },
    (input) => assert.isTrue(isWait(RetryAfter.parse(input, now)))
  ],
  RateLimit: [
    { words: ["100", ";", "w=", "21600", " ", "-", "x"], examples: ["100;w=21600", "76", "4102444800"] },
    (input) => {
      const budget = RateLimitHeader.parse(
        Headers.fromInput({ "ratelimit-limit": input, "ratelimit-remaining": input, "ratelimit-reset": input }),
        now
      )
      assert.isTrue(
        budget === undefined || (isCount(budget.limit) && isCount(budget.remaining) && isWait(budget.reset) && isWait(budget.window))
      )
    }
  ],
  Manifest: [
    document(imageDocument, indexDocument, schema1, { mediaType: "application/x", a: 1 }),
    (input) => {
      const parsed = Manifest.decode(utf8.encode(input), { contentType: types[input.length % types.length] })
      if (Either.isLeft(parsed)) return assert.include(["MalformedContent", "MediaTypeMismatch"], parsed.left._tag)
      assert.isTrue(Manifest.successors(parsed.right).every(({ size }) => size >= 0))
      assert.isTrue(Option.isOption(Manifest.subject(parsed.right)))
      assert.isString(Manifest.referrer(parsed.right).digest)
    }
  ],
  ImageConfig: [
    document({
      architecture: "amd64",
      os: "linux",
      config: { Env: ["A=b"] },
      rootfs: { type: "layers", diff_ids: [digest] },
      history: [{}]
    }),
    (input) => {
      const parsed = ImageConfig.decode(utf8.encode(input))
      if (Either.isRight(parsed)) assert.isString(ImageConfig.platform(parsed.right).os)
    }
  ],
  "error body": [
    {
      words: [...jsonWords, "<html>", "DENIED", "not found"],
      examples: [
        json({ errors: [{ code: "DENIED", message: "no", detail: { a: 1 } }] }),
        json({ details: "x" }),
        "<html>502</html>",
        "too many requests"
      ]
    },
    (input) => {
      const { entries } = parseErrorBody(input)
      assert.isDefined(
        meaningOf(
          entries.map(({ code }) => code),
          400,
          "manifest"
        )
      )
    }
  ],
  "answer of a token service": [
    document({
      token: "a",
      access_token: "b",
      expires_in: 300,
      issued_at: "2026-01-01T00:00:00Z",
      refresh_token: "c",
      scope: "repository:a:pull"
    }),
    (input) => {
      const token = AccessToken.decode(input, { now })
      if (Either.isRight(token)) assert.isTrue(token.right.expiresAt > token.right.issuedAt)
    }
  ],
  "docker config": [
    document({
      auths: { "https://index.docker.io/v1/": { auth: "YTpi" }, "a.test/b": {} },
      credHelpers: { "a.test": "x" },
      credsStore: "y"
    }),
    (input) => {
      const config = DockerConfig.parse(input)
      if (Either.isLeft(config)) return assert.strictEqual(config.left._tag, "KeychainError")
      DockerConfig.lookup(config.right, { registry: "a.test", repository: "b/c" })
      assert.isTrue(Option.isOption(DockerConfig.helperFor(config.right, "a.test")))
    }
  ],
  "mirror URL": [
    {
      words: ["https://", "http://", "a.test", ":", "5000", "/", "?", "#", "@", "[::1]", "../"],
      examples: ["https://mirror.test", "http://localhost:5000/v2/docker", "https://[::1]:5000/"]
    },
    (input) => {
      const mirror = Schema.decodeUnknownEither(RegistryHosts.Mirror)({ url: input })
      if (Either.isLeft(mirror) || !URL.canParse(input)) return
      const { hash, password, search, username } = new URL(mirror.right.url)
      assert.deepStrictEqual([hash, password, search, username], ["", "", "", ""])
    }
  ],
  "media type": [
    {
      words: ["application", "/", "vnd.oci.image.layer.v1.tar", "+gzip", ";", " ", "charset=utf-8", "+zstd"],
      examples: [MediaType.ociLayerTarGzip, "text/html; charset=utf-8"]
    },
    (input) => {
      assert.strictEqual(MediaType.essence(MediaType.essence(input)), MediaType.essence(input))
      assert.isTrue(Option.isOption(MediaType.compression(input)))
    }
  ]
}

describe("parsers", () => {
  let fed = 0
  for (const [name, [language, parse]] of Object.entries(parsers)) {
    it(`${name}: no input makes it throw`, { timeout: 60_000 }, () => {
      fed += feed(inputs, language, parse)
    })
  }
  // So much work without a turn keeps the runner waiting for an answer, which it gives up on slow machines.
  afterEach(() => new Promise<void>((resolve) => setImmediate(resolve)))

  afterAll(() => console.log(`fuzz: ${Object.keys(parsers).length} parsers, ${fed} inputs`))
})
