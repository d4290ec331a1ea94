import { SystemError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as EngineConfig from "../../src/engine/EngineConfig.ts"
import * as HostAddresses from "../../src/engine/HostAddresses.ts"
import * as MemoryFiles from "../support/MemoryFiles.ts"
import * as Vectors from "../vectors/Vectors.ts"
import { Dns, Outcome, Texts, told } from "./tables.ts"

const configOf = (options: EngineConfig.Options) => Either.getOrThrow(EngineConfig.make(options))

const complaintOf = <A>(result: Either.Either<A, EngineConfig.InvalidEngineConfig>) => Either.getOrThrow(Either.flip(result))

/** The engine keeps some of its lists in random order. */
const sorted = (texts: ReadonlyArray<string>) => [...texts].sort()

const MirrorRow = Schema.Struct({ input: Schema.String, expected: Outcome({ value: Schema.String }) })

const mirrorDeviations: ReadonlyArray<Vectors.Deviation<typeof MirrorRow.Type>> = [
  {
    name: "a user without password is not shown",
    reason: "it may be a token",
    applies: ({ input }) => /^\w+:\/\/[^/:@]*@/.test(input)
  }
]

describe("EngineConfig, by the engine's tables", () => {
  for (const row of Vectors.load("mirror-validation", MirrorRow)) {
    it(`the mirror ${JSON.stringify(row.input)}`, () => {
      const actual = told(EngineConfig.mirror(row.input), (_) => _)
      const error = row.expected.ok ? "" : row.expected.error
      const masked = Vectors.deviation(mirrorDeviations, row) !== undefined
      const said = masked ? error.replace(/\/\/[^/@]*@/, "//xxxxx:xxxxx@") : error
      assert.deepStrictEqual(actual, row.expected.ok ? Either.right(row.expected.value) : Either.left(said))
    })
  }

  const MirrorsRow = Schema.Struct({ mirrors: Texts, expected: Outcome({ mirrors: Texts }) })

  for (const { expected, mirrors } of Vectors.load("load-mirrors", MirrorsRow)) {
    it(`the mirrors ${JSON.stringify(mirrors)}`, () => {
      const actual = told(EngineConfig.make({ "registry-mirrors": mirrors }), (_) => _.mirrors)
      assert.deepStrictEqual(actual, expected.ok ? Either.right(expected.mirrors) : Either.left(expected.error))
    })
  }

  const NameRow = Schema.Struct({ input: Schema.String, expected: Outcome({ value: Schema.String }) })

  for (const { expected, input } of Vectors.load("index-name-validation", NameRow)) {
    it(`the index name ${JSON.stringify(input)}`, () => {
      const actual = told(EngineConfig.indexName(input), (_) => _)
      assert.deepStrictEqual(actual, expected.ok ? Either.right(expected.value) : Either.left(expected.error))
    })
  }

  const InsecureRow = Schema.Struct({ registries: Texts, expected: Outcome({ insecureHosts: Texts, cidrs: Texts }) })

  for (const { expected, registries } of Vectors.load("insecure-registries", InsecureRow)) {
    it(`the insecure registries ${JSON.stringify(registries)}`, () => {
      const actual = told(EngineConfig.make({ "insecure-registries": registries }), ({ insecure }) => ({
        hosts: sorted(insecure.hosts),
        cidrs: insecure.cidrs
      }))
      assert.deepStrictEqual(
        actual,
        expected.ok ? Either.right({ hosts: sorted(expected.insecureHosts), cidrs: expected.cidrs }) : Either.left(expected.error)
      )
    })
  }

  const NondistributableRow = Schema.Struct({ registries: Texts, expected: Outcome({ hostnames: Texts, cidrs: Texts }) })

  for (const { expected, registries } of Vectors.load("allow-nondistributable-config", NondistributableRow)) {
    it(`the registries for non-distributable layers ${JSON.stringify(registries)}`, () => {
      const actual = told(EngineConfig.make({ "allow-nondistributable-artifacts": registries }), ({ nondistributable }) => ({
        hosts: sorted(nondistributable.hosts),
        cidrs: sorted(nondistributable.cidrs)
      }))
      assert.deepStrictEqual(
        actual,
        expected.ok ? Either.right({ hosts: sorted(expected.hostnames), cidrs: sorted(expected.cidrs) }) : Either.left(expected.error)
      )
    })
  }

  const OptionsRow = Schema.Struct({ options: EngineConfig.Options, expectedError: Schema.NullOr(Schema.String) })

  for (const { expectedError, options } of Vectors.load("service-options", OptionsRow)) {
    it(`the options ${JSON.stringify(options)}`, () => {
      const actual = Either.match(EngineConfig.make(options), { onLeft: (_) => _.message, onRight: () => null })
      assert.strictEqual(actual, expectedError)
      const text = JSON.stringify(Schema.encodeSync(EngineConfig.Options)(options))
      assert.strictEqual(Either.match(EngineConfig.parse(text), { onLeft: (_) => _.message, onRight: () => null }), expectedError)
    })
  }

  const SecureRow = Schema.Struct({ host: Schema.String, insecureRegistries: Texts, dns: Dns, expectedSecure: Schema.Boolean })

  for (const { dns, expectedSecure, host, insecureRegistries } of Vectors.load("is-secure-index", SecureRow)) {
    it.effect(`whether ${host} is secure with ${JSON.stringify(insecureRegistries)}`, () =>
      Effect.gen(function* () {
        const config = yield* EngineConfig.make({ "insecure-registries": insecureRegistries })
        assert.strictEqual(yield* EngineConfig.isSecure(config, host), expectedSecure)
      }).pipe(Effect.provide(HostAddresses.layer(dns)))
    )
  }

  const MatchRow = Schema.Struct({
    host: Schema.String,
    allowNondistributableArtifacts: Texts,
    dns: Dns,
    expected: Schema.Boolean
  })

  for (const { allowNondistributableArtifacts, dns, expected, host } of Vectors.load("allow-nondistributable-match", MatchRow)) {
    it.effect(`whether ${host} may have non-distributable layers with ${JSON.stringify(allowNondistributableArtifacts)}`, () =>
      Effect.gen(function* () {
        const config = yield* EngineConfig.make({ "allow-nondistributable-artifacts": allowNondistributableArtifacts })
        assert.strictEqual(yield* EngineConfig.allowsNondistributable(config, host), expected)
      }).pipe(Effect.provide(HostAddresses.layer(dns)))
    )
  }

  const IndexRow = Schema.Struct({
    indexName: Schema.String,
    mirrors: Texts,
    insecureRegistries: Texts,
    dns: Dns,
    expected: Schema.Struct({ name: Schema.String, mirrors: Texts, official: Schema.Boolean, secure: Schema.Boolean })
  })

  for (const { dns, expected, indexName, insecureRegistries, mirrors } of Vectors.load("index-info", IndexRow)) {
    it.effect(`the index ${indexName} with ${JSON.stringify({ mirrors, insecureRegistries })}`, () =>
      Effect.gen(function* () {
        const config = yield* EngineConfig.make({ "registry-mirrors": mirrors, "insecure-registries": insecureRegistries })
        assert.deepStrictEqual(yield* EngineConfig.indexInfo(config, indexName), expected)
      }).pipe(Effect.provide(HostAddresses.layer(dns)))
    )
  }
})

// Computed with Go 1.26, whose net, net/url and strconv read these as Go 1.19 did, by the functions of balena-engine v18.9.17.
describe("EngineConfig, by what Go makes of odd entries", () => {
  const insecure: ReadonlyArray<readonly [entry: string, expected: string]> = [
    ["10.1.2.3/8", "cidr 10.0.0.0/8"],
    ["10.1.2.3/008", "cidr 10.0.0.0/8"],
    ["0.0.0.0/0", "cidr 0.0.0.0/0"],
    ["255.255.255.255/32", "cidr 255.255.255.255/32"],
    ["10.0.0.0/33", 'insecure registry 10.0.0.0/33 is not valid: invalid host "10.0.0.0/33"'],
    ["10.0.0.0/", 'insecure registry 10.0.0.0/ is not valid: invalid host "10.0.0.0/"'],
    ["10.0.0/8", 'insecure registry 10.0.0/8 is not valid: invalid host "10.0.0/8"'],
    ["010.0.0.0/8", 'insecure registry 010.0.0.0/8 is not valid: invalid host "010.0.0.0/8"'],
    ["2001:DB8:0:0:1::/64", "cidr 2001:db8::/64"],
    ["2001:db8:0:1:1:1:1:1/128", "cidr 2001:db8:0:1:1:1:1:1/128"],
    ["1:0:0:2:0:0:0:3/128", "cidr 1:0:0:2::3/128"],
    ["1:0:0:2:3:0:0:4/128", "cidr 1::2:3:0:0:4/128"],
    ["::/0", "cidr ::/0"],
    ["::1/128", "cidr ::1/128"],
    ["fe80::1/10", "cidr fe80::/10"],
    ["fe80::1%eth0/10", 'insecure registry fe80::1%eth0/10 is not valid: invalid host "fe80::1%eth0/10"'],
    ["[fe80::1]/10", 'insecure registry [fe80::1]/10 is not valid: invalid host "[fe80::1]/10"'],
    ["::ffff:10.1.2.3/104", "cidr 10.0.0.0/8"],
    ["::ffff:10.1.2.3/96", "cidr 0.0.0.0/0"],
    ["::ffff:10.1.2.3/90", "cidr ::ffc0:0:0/90"],
    ["::1.2.3.4/128", "cidr ::102:304/128"],
    ["https://10.1.2.3/8", "cidr 10.0.0.0/8"],
    ["1:2:3:4:5:6:7::/128", "cidr 1:2:3:4:5:6:7:0/128"],
    ["1:2:3:4:5:6:7::8/128", 'insecure registry 1:2:3:4:5:6:7::8/128 is not valid: invalid host "1:2:3:4:5:6:7::8/128"'],
    ["", 'insecure registry  is not valid: invalid host ""'],
    ["http://", 'insecure registry  is not valid: invalid host ""'],
    ["http://-host", 'insecure registry -host is not valid: invalid host "-host"'],
    ["http://host/", 'insecure registry host/ is not valid: invalid host "host/"'],
    ["http://http://host", 'insecure registry http://host is not valid: invalid host "http"'],
    ["svn://host", "insecure registry svn://host should not contain '://'"],
    ["host-", "invalid index name (host-). Cannot begin or end with a hyphen"],
    ["index.docker.io", "host index.docker.io"],
    ["HOST:5000", "host HOST:5000"],
    ["host:0", "host host:0"],
    ["host:00080", "host host:00080"],
    ["host:65535", "host host:65535"],
    ["host:65536", 'insecure registry host:65536 is not valid: invalid port "65536"'],
    ["host:", 'insecure registry host: is not valid: invalid host "host"'],
    ["host:http", 'insecure registry host:http is not valid: invalid host "host"'],
    [
      "host:99999999999999999999",
      'insecure registry host:99999999999999999999 is not valid: strconv.Atoi: parsing "99999999999999999999": value out of range'
    ],
    ["127.0.0.1:", "host 127.0.0.1:"],
    ["[::1]:", "host [::1]:"],
    ["[::1]:+80", "host [::1]:+80"],
    ["[::1]:-1", 'insecure registry [::1]:-1 is not valid: invalid port "-1"'],
    ["[::1]:http", 'insecure registry [::1]:http is not valid: strconv.Atoi: parsing "http": invalid syntax'],
    ["[::1]", 'insecure registry [::1] is not valid: invalid host "[::1]"'],
    ["[::1]:80:90", 'insecure registry [::1]:80:90 is not valid: invalid host "[::1]:80:90"'],
    ["[127.0.0.1]:80", "host [127.0.0.1]:80"],
    ["a_b", 'insecure registry a_b is not valid: invalid host "a_b"'],
    [".example.com", 'insecure registry .example.com is not valid: invalid host ".example.com"'],
    ["*.example.com", 'insecure registry *.example.com is not valid: invalid host "*.example.com"'],
    ["exämple.com", 'insecure registry exämple.com is not valid: invalid host "exämple.com"'],
    ["a\tb\u0001\u200b", 'insecure registry a\tb\u0001\u200b is not valid: invalid host "a\\tb\\x01\\u200b"']
  ]

  for (const [entry, expected] of insecure) {
    it(`the insecure registry ${JSON.stringify(entry)}`, () => {
      const actual = told(EngineConfig.make({ "insecure-registries": [entry] }), ({ insecure: { cidrs, hosts } }) => {
        assert.strictEqual(cidrs.at(-1), "127.0.0.0/8")
        return [...cidrs.slice(0, -1).map((_) => `cidr ${_}`), ...hosts.map((_) => `host ${_}`)].join()
      })
      assert.strictEqual(Either.merge(actual), expected)
    })
  }

  const mirrors: ReadonlyArray<readonly [entry: string, expected: string]> = [
    ["http://", "http://"],
    ["http:/", "http:/"],
    ["http:host", "http:host/"],
    ["https://host?", "https://host?/"],
    ["https://host#", "https://host#/"],
    ["https://host:", "https://host:/"],
    ["https://host:99999", "https://host:99999/"],
    ["https://host:port", 'invalid mirror: "https://host:port" is not a valid URI'],
    ["https://exämple.com", "https://exämple.com/"],
    ["https://ex%C3%A4mple.com", "https://ex%C3%A4mple.com/"],
    ["https://ex%61mple.com", 'invalid mirror: "https://ex%61mple.com" is not a valid URI'],
    ["https://a b", 'invalid mirror: "https://a b" is not a valid URI'],
    ["https://[::1", 'invalid mirror: "https://[::1" is not a valid URI'],
    ["https://[fe80::1%25eth0]:5000", "https://[fe80::1%25eth0]:5000/"],
    ["https://[fe80::1%eth0]", 'invalid mirror: "https://[fe80::1%eth0]" is not a valid URI'],
    ["127.0.0.1:5000", 'invalid mirror: "127.0.0.1:5000" is not a valid URI'],
    ["localhost:5000", 'invalid mirror: unsupported scheme "localhost" in "localhost:5000"'],
    ["://host", 'invalid mirror: "://host" is not a valid URI'],
    [" https://host", 'invalid mirror: " https://host" is not a valid URI'],
    ["https://host\n", 'invalid mirror: "https://host\\n" is not a valid URI'],
    ["https://host/ä%2f", 'invalid mirror: path, query, or fragment at end of the URI "https://host/%C3%A4/"'],
    ["https://host/a!b%2fc", 'invalid mirror: path, query, or fragment at end of the URI "https://host/a!b%2fc"'],
    ["https://host/%zz", 'invalid mirror: "https://host/%zz" is not a valid URI'],
    ["HTTPS://HOST/V2", 'invalid mirror: path, query, or fragment at end of the URI "https://HOST/V2"'],
    ["https:/v2", 'invalid mirror: path, query, or fragment at end of the URI "https:/v2"'],
    ["https:///v2", 'invalid mirror: path, query, or fragment at end of the URI "https:///v2"'],
    ["https://host??", 'invalid mirror: path, query, or fragment at end of the URI "https://host??"'],
    ["https://host#a'b c", 'invalid mirror: path, query, or fragment at end of the URI "https://host#a%27b%20c"'],
    ["FTP:host", 'invalid mirror: unsupported scheme "ftp" in "ftp:host"'],
    ["//host/a", 'invalid mirror: unsupported scheme "" in "//host/a"'],
    ["///a", 'invalid mirror: unsupported scheme "" in "///a"'],
    ["*", 'invalid mirror: unsupported scheme "" in "*"'],
    ["http://user:pass@host/", 'invalid mirror: username/password not allowed in URI "http://user:xxxxx@host/"'],
    ["http://us%41!:pa%3Ass@host/", 'invalid mirror: username/password not allowed in URI "http://usA%21:xxxxx@host/"'],
    ["http://:@host/", 'invalid mirror: username/password not allowed in URI "http://:xxxxx@host/"']
  ]

  for (const [entry, expected] of mirrors) {
    it(`the mirror ${JSON.stringify(entry)}`, () => {
      assert.strictEqual(Either.merge(told(EngineConfig.mirror(entry), (_) => _)), expected)
    })
  }
})

describe("EngineConfig", () => {
  it("is empty without any daemon.json", () => {
    assert.deepStrictEqual(EngineConfig.empty, {
      mirrors: [],
      insecure: { cidrs: ["127.0.0.0/8"], hosts: [] },
      nondistributable: { cidrs: [], hosts: [] },
      v2Only: false
    })
  })

  it("keeps every entry once, this machine last unless it is listed", () => {
    const { insecure } = configOf({ "insecure-registries": ["b:1", "127.1.1.1/8", "a", "10.0.0.1/8", "b:1", "10.2.0.0/8", "docker.io"] })
    assert.deepStrictEqual(insecure, { cidrs: ["127.0.0.0/8", "10.0.0.0/8"], hosts: ["b:1", "a"] })
  })

  it("names the setting of the first mistake, in the order of the engine", () => {
    const options: EngineConfig.Options = {
      "insecure-registries": ["-"],
      "registry-mirrors": ["x"],
      "allow-nondistributable-artifacts": ["/"]
    }
    assert.strictEqual(complaintOf(EngineConfig.make(options)).setting, "allow-nondistributable-artifacts")
    assert.strictEqual(complaintOf(EngineConfig.make({ ...options, "allow-nondistributable-artifacts": [] })).setting, "registry-mirrors")
    assert.strictEqual(complaintOf(EngineConfig.make({ "insecure-registries": ["a", "-"] })).setting, "insecure-registries")
  })

  it("shows no password, wherever it stands", () => {
    const secret = "hunter2"
    const entries = [
      `https://user:${secret}@host`,
      `https://${secret}@host`,
      `https://user:${secret}@host/v1/?a=b#c`,
      `ftp://user:${secret}@host`,
      `https://user:${secret}%@host`,
      `https://user:${secret}/@host`,
      `https://user:1/${secret}@host`,
      `http:user:${secret}@host`,
      `user:${secret}@host`,
      `user:${secret}@host-`,
      `svn://user:${secret}@host`,
      `https://host/?token=${secret}`,
      `https://host/?a=b&X-Signature=${secret}&c`
    ]
    for (const entry of entries) {
      for (const setting of ["registry-mirrors", "insecure-registries", "allow-nondistributable-artifacts"] as const) {
        const result = EngineConfig.make({ [setting]: [entry] })
        if (Either.isRight(result)) continue
        const shown = JSON.stringify(Schema.encodeSync(EngineConfig.InvalidEngineConfig)(result.left)) + result.left.message
        assert.notInclude(shown, secret, `${setting} ${entry}`)
      }
      if (!entry.includes("?")) assert.isTrue(Either.isLeft(EngineConfig.mirror(entry)), entry)
    }
  })

  it("takes no longer for a wrong entry than it is long", () => {
    for (const end of ["", "="]) {
      const entry = `https://host/?${"key".repeat(50_000)}${end}`
      const start = performance.now()
      for (const setting of ["registry-mirrors", "insecure-registries"] as const) {
        assert.isTrue(Either.isLeft(EngineConfig.make({ [setting]: [entry] })))
      }
      assert.isBelow(performance.now() - start, 5000)
    }
  })

  it.prop("takes any text for a setting, or says what is wrong", [fc.fullUnicodeString()], ([text]) => {
    for (const setting of ["registry-mirrors", "insecure-registries", "allow-nondistributable-artifacts"] as const) {
      const result = EngineConfig.make({ [setting]: [text] })
      if (Either.isLeft(result)) assert.strictEqual(result.left.setting, setting)
    }
  })

  it.prop("networks that it prints are read as the same", [fc.ipV4(), fc.ipV6(), fc.nat(32), fc.nat(128)], ([four, six, bits4, bits6]) => {
    // An IPv4 address in IPv6 clothes is in no network of IPv6, to Go.
    fc.pre(!/ffff/i.test(six))
    const { cidrs } = configOf({ "insecure-registries": [`${four}/${bits4}`, `${six}/${bits6}`] }).insecure
    assert.deepStrictEqual(configOf({ "insecure-registries": cidrs }).insecure.cidrs, cidrs)
    const config = configOf({ "insecure-registries": cidrs })
    assert.isFalse(EngineConfig.isSecureAt(config, "host", [four]))
    assert.isFalse(EngineConfig.isSecureAt(config, `[${six}]:5000`, []))
  })
})

describe("EngineConfig.parse and load", () => {
  const file = JSON.stringify({
    "registry-mirrors": ["https://mirror.example.com"],
    "insecure-registries": null,
    "disable-legacy-registry": true,
    debug: true,
    "log-opts": { "max-size": "10m" }
  })

  it("reads the keys it knows", () => {
    assert.deepStrictEqual(
      EngineConfig.parse(file),
      Either.right({ ...EngineConfig.empty, mirrors: ["https://mirror.example.com/"], v2Only: true })
    )
    assert.deepStrictEqual(EngineConfig.parse(`\ufeff${file}`), EngineConfig.parse(file))
  })

  it("takes empty text for an empty file", () => {
    for (const text of ["", " \n", "\ufeff", "{}"]) assert.deepStrictEqual(EngineConfig.parse(text), Either.right(EngineConfig.empty))
  })

  it("says what is wrong with the file without quoting it", () => {
    const secret = "hunter2"
    for (const text of [
      `{"registry-mirrors": ["https://${secret}`,
      `["${secret}"]`,
      `{"registry-mirrors": "${secret}"}`,
      "null",
      `{"insecure-registries": [{"${secret}": 1}]}`
    ]) {
      const error = complaintOf(EngineConfig.parse(text, "/etc/docker/daemon.json"))
      assert.strictEqual(error.setting, "daemon.json")
      assert.strictEqual(error.value, "/etc/docker/daemon.json")
      assert.match(error.message, /^\/etc\/docker\/daemon\.json: ./)
      assert.notInclude(error.message, secret)
    }
  })

  it.effect("loads a file, and takes one that does not exist for an empty one", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* EngineConfig.load("/daemon.json")).mirrors, ["https://mirror.example.com/"])
      assert.deepStrictEqual(yield* EngineConfig.load("/absent.json"), EngineConfig.empty)
      const wrong = yield* Effect.flip(EngineConfig.load("/wrong.json"))
      assert.strictEqual(wrong.message, "/wrong.json: it is not JSON")
    }).pipe(Effect.provide(MemoryFiles.make({ "/daemon.json": file, "/wrong.json": "{" }).layer))
  )

  it.effect("fails for a file that may not be read", () => {
    const denied = new SystemError({ module: "FileSystem", method: "stat", reason: "PermissionDenied", pathOrDescriptor: "/daemon.json" })
    return Effect.gen(function* () {
      const error = yield* Effect.flip(EngineConfig.load("/daemon.json"))
      assert.strictEqual(error._tag, "StoreError")
      assert.match(error.message, /^load \/daemon\.json: PermissionDenied/)
    }).pipe(Effect.provide(FileSystem.layerNoop({ stat: () => Effect.fail(denied) })))
  })

  it.effect("reads no file that is larger than 16 MiB", () => {
    const files = MemoryFiles.make({ "/daemon.json": " ".repeat(16 * 1024 * 1024 + 1) })
    return Effect.gen(function* () {
      const error = yield* Effect.flip(EngineConfig.load("/daemon.json"))
      assert.strictEqual(error.message, "load /daemon.json: it is larger than 16777216 bytes")
      assert.deepStrictEqual(files.reads, [])
    }).pipe(Effect.provide(files.layer))
  })
})

describe("EngineConfig.isSecure", () => {
  const config = configOf({ "insecure-registries": ["Registry.Corp:5000", "10.0.0.0/8", "fd00::/8"] })
  const corp = HostAddresses.layer({
    "inside.corp": ["192.0.2.1", "10.1.2.3"],
    "six.corp": ["fd00::1"],
    "docker.io": ["10.1.1.1"],
    "mapped.corp": ["::ffff:10.0.0.1"]
  })

  const hosts: ReadonlyArray<readonly [host: string, secure: boolean]> = [
    ["inside.corp", false],
    ["INSIDE.corp:443", false],
    ["six.corp", false],
    ["mapped.corp", false],
    ["outside.corp", true],
    ["registry.corp:5000", false],
    ["Registry.Corp:5000", false],
    ["REGISTRY.CORP:5000", true],
    ["registry.corp", true],
    ["docker.io", true],
    ["[fd00::2]", false],
    ["[fd00::2]:5000", false],
    ["fd00::2", false],
    ["[fd00::2%eth0]:5000", false],
    ["[::ffff:10.0.0.1]:5000", false],
    ["[fe80::2]:5000", true],
    ["11.0.0.1", true]
  ]

  for (const [host, secure] of hosts) {
    it.effect(`${host} is ${secure ? "" : "not "}secure`, () =>
      Effect.map(EngineConfig.isSecure(config, host), (actual) => assert.strictEqual(actual, secure)).pipe(Effect.provide(corp))
    )
  }

  it.effect("looks nothing up that is an address, is listed, or is Docker Hub", () => {
    const asked: Array<string> = []
    const lookup = (host: string) =>
      Effect.sync(() => {
        asked.push(host)
        return []
      })
    return Effect.gen(function* () {
      for (const host of ["10.0.0.1:5000", "[::1]:5000", "registry.corp:5000", "docker.io"]) {
        yield* EngineConfig.isSecure(config, host)
        yield* EngineConfig.allowsNondistributable(config, host)
      }
      yield* EngineConfig.allowsNondistributable(config, "other.corp")
      assert.deepStrictEqual(asked, [])
      yield* EngineConfig.isSecure(config, "other.corp:5000")
      assert.deepStrictEqual(asked, ["other.corp"])
    }).pipe(Effect.provideService(HostAddresses.HostAddresses, { lookup }))
  })

  it.effect("knows localhost when nothing is provided", () =>
    Effect.gen(function* () {
      assert.isFalse(yield* EngineConfig.isSecure(EngineConfig.empty, "localhost:5000"))
      assert.isTrue(yield* EngineConfig.isSecure(EngineConfig.empty, "example.com"))
    })
  )

  it.effect("fails for an index whose name is none", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(EngineConfig.indexInfo(config, "-a"))
      assert.strictEqual(error.setting, "index-name")
    })
  )
})
