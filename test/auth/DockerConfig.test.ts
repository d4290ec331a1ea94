import { execFileSync } from "node:child_process"
import { inspect } from "node:util"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as DockerConfig from "../../src/auth/DockerConfig.ts"
import { engineHostname } from "../../src/auth/internal/hostname.ts"
import * as MemoryFiles from "../support/MemoryFiles.ts"
import * as Vectors from "../vectors/Vectors.ts"

const canary = "s3cr3t-canary"

const base64 = (text: string) => Buffer.from(text, "utf8").toString("base64")

const clear = (secret: Redacted.Redacted | undefined) => (secret === undefined ? "" : Redacted.value(secret))

const reveal = (auth: DockerConfig.AuthConfig) => ({
  username: auth.username ?? "",
  password: clear(auth.password),
  auth: clear(auth.auth),
  identityToken: clear(auth.identityToken),
  registryToken: clear(auth.registryToken)
})

const parse = (input: unknown) => Either.getOrThrow(DockerConfig.parse(typeof input === "string" ? input : JSON.stringify(input)))

const same = (actual: Option.Option<Credentials.Credentials>, expected: Credentials.Credentials) =>
  assert.strictEqual(Option.getOrNull(Option.map(actual, Credentials.identity)), Credentials.identity(expected))

describe("DockerConfig", () => {
  describe("vectors", () => {
    const Config = Schema.Struct({
      username: Schema.optional(Schema.String),
      password: Schema.optional(Schema.String),
      auth: Schema.optional(Schema.String),
      identityToken: Schema.optional(Schema.String),
      registryToken: Schema.optional(Schema.String)
    })
    const Row = Schema.Union(
      Schema.Struct({
        op: Schema.Literal("unmarshal"),
        json: Schema.String,
        expected: Schema.Union(
          Schema.Struct({
            ok: Schema.Literal(true),
            username: Schema.String,
            password: Schema.String,
            auth: Schema.String,
            identityToken: Schema.String,
            registryToken: Schema.String
          }),
          Schema.Struct({ ok: Schema.Literal(false), error: Schema.String })
        )
      }),
      Schema.Struct({ op: Schema.Literal("marshal"), config: Config, expectedJson: Schema.String })
    )

    const secret = (text: string | undefined) => (text === undefined || text === "" ? undefined : Redacted.make(text))

    for (const row of Vectors.load("auth-config-json", Row)) {
      it(row.op === "unmarshal" ? `reads ${row.json}` : `writes ${JSON.stringify(row.config)}`, () => {
        if (row.op === "unmarshal") {
          const actual = Either.map(Schema.decodeEither(Schema.parseJson(DockerConfig.AuthConfig))(row.json), reveal)
          if (!row.expected.ok) return assert.isTrue(Either.isLeft(actual))
          const { ok: _, ...expected } = row.expected
          return assert.deepStrictEqual(actual, Either.right(expected))
        }
        const { auth, identityToken, password, registryToken, username } = row.config
        const written = Schema.encodeSync(Schema.parseJson(DockerConfig.AuthConfig))({
          username,
          password: secret(password),
          auth: secret(auth),
          identityToken: secret(identityToken),
          registryToken: secret(registryToken)
        })
        // Parsed, for Go escapes <, > and & in strings; printed again, to compare the order of the keys too.
        assert.strictEqual(written, JSON.stringify(JSON.parse(row.expectedJson)))
      })
    }

    it("reads an entry with line breaks in it, padded or not", () => {
      for (const auth of ["dXNlcjpwYXNz\n", "dXNlcjpwYXNzMQ\n", "dXNlcjpw\r\nYXNzMTI", "dXNlcjpw\nYXNzMQ==\n"]) {
        const user = Either.map(Schema.decodeEither(DockerConfig.AuthConfig)({ auth }), (_) => _.username)
        assert.deepStrictEqual(user, Either.right("user"), JSON.stringify(auth))
      }
    })

    const HostRow = Schema.Struct({
      input: Schema.String,
      expected: Schema.String,
      expectedBalenaRegistry: Schema.optional(Schema.String)
    })

    for (const row of Vectors.load("convert-to-hostname", HostRow)) {
      it(`the hostname of ${JSON.stringify(row.input)}`, () => {
        assert.strictEqual(DockerConfig.convertToHostname(row.input), row.expected)
        assert.strictEqual(engineHostname(row.input), row.expectedBalenaRegistry ?? row.expected)
      })
    }

    // docker/cli v29.7.2, `TestConvertToHostname`, and what Go makes of other URLs that it cannot read.
    const hostnames: ReadonlyArray<readonly [key: string, expected: string]> = [
      ["unix:///var/run/docker.sock", "unix:"],
      ["ftp://example.com", "example.com"],
      ["::1:6556", "::1:6556"],
      ["[::1]:6556", "[::1]:6556"],
      ["https://::1:6555/v2/", "[::1]:6555"],
      ["https://::1/v2/", "[:]:1"],
      ["https://[::1]/v2/", "::1"],
      ["https://[fe80::1%25eth0]:5000/v2/", "[fe80::1%eth0]:5000"],
      ["https://[zz::1]:5000/v2/", "[zz::1]:5000"],
      ["https://example.com:port/v2/", "example.com:port"],
      ["https://exa mple.com/v2/", "exa mple.com"],
      ["https://example.com\n/v2/", "example.com\n"],
      ["https://example.com?%zz", "example.com"],
      ["https://us er@example.com/v2/", "us er@example.com"],
      ["registry example://example.com/v2/", "example.com"],
      ["http://?x", "?x"],
      ["http:///v2/", "http:"]
    ]
    for (const [key, expected] of hostnames) {
      it(`the hostname of ${JSON.stringify(key)} is ${JSON.stringify(expected)}`, () => {
        assert.strictEqual(DockerConfig.convertToHostname(key), expected)
      })
    }

    const ResolveRow = Schema.Struct({
      authConfigs: Schema.Record({ key: Schema.String, value: Config }),
      index: Schema.Struct({ name: Schema.String, official: Schema.Boolean }),
      expected: Schema.Struct({ authConfigKey: Schema.String, username: Schema.String, password: Schema.String })
    })

    for (const row of Vectors.load("resolve-auth-config", ResolveRow)) {
      it(`the entry of ${JSON.stringify(row.index)} in ${Object.keys(row.authConfigs).join(", ")}`, () => {
        const found = Option.getOrElse(DockerConfig.resolveAuthConfig(row.authConfigs, row.index), (): typeof Config.Type => ({}))
        assert.deepStrictEqual(
          { authConfigKey: DockerConfig.authKey(row.index), username: found.username ?? "", password: found.password ?? "" },
          row.expected
        )
      })
    }
  })

  describe("parse", () => {
    it("keeps what it does not know", () => {
      const text = JSON.stringify({
        auths: { "ghcr.io": { auth: base64("u:p"), email: "a@b", extra: { deep: [1] } }, "x.io": {} },
        HttpHeaders: { "X-Meta": "v" },
        currentContext: "remote",
        credHelpers: { "y.io": "pass" }
      })
      assert.deepStrictEqual(JSON.parse(DockerConfig.encode(parse(text))), JSON.parse(text))
    })

    it("knows names whatever their case, as docker does, and writes them as docker does", () => {
      const config = parse({
        Auths: { "x.io": { Auth: base64("u:p") }, "y.io": { identityToken: "idt" }, "Z.io": { USERNAME: "u", Password: "p" } },
        CredHelpers: { "A.io": "pass" },
        credsstore: "desktop"
      })
      same(DockerConfig.lookup(config, { registry: "x.io" }), Credentials.basic("u", "p"))
      same(DockerConfig.lookup(config, { registry: "y.io" }), Credentials.identityToken("idt"))
      same(DockerConfig.lookup(config, { registry: "z.io" }), Credentials.basic("u", "p"))
      assert.deepStrictEqual([config.credHelpers, config.credsStore], [{ "A.io": "pass" }, "desktop"])
      const written = JSON.parse(DockerConfig.encode(DockerConfig.set(config, { registry: "x.io" }, Credentials.basic("v", "w"))))
      assert.deepStrictEqual(Object.keys(written), ["auths", "credHelpers", "credsStore"])
      assert.deepStrictEqual(Object.keys(written.auths).sort(), ["Z.io", "x.io", "y.io"])
    })

    it("of a name in several cases takes the last that is not null", () => {
      const twice = parse({ auths: { "x.io": { auth: base64("u:1"), Auth: base64("u:2"), AUTH: null } } })
      same(DockerConfig.lookup(twice, { registry: "x.io" }), Credentials.basic("u", "2"))
      const wrong = DockerConfig.parse('{"auths": {"x.io": {"Auth": 5}}}')
      assert.strictEqual(Either.getOrThrow(Either.flip(wrong)).reason, 'has an unexpected type of value at ["auths","x.io","auth"]')
    })

    it("an entry on its own has names of any case, too", () => {
      const read = Schema.decodeUnknownEither(DockerConfig.AuthConfig)
      assert.deepStrictEqual(
        Either.map(read({ Auth: base64("u:p"), registryToken: "rt" }), reveal),
        Either.right({ username: "u", password: "p", auth: base64("u:p"), identityToken: "", registryToken: "rt" })
      )
      assert.isTrue(Either.isLeft(read({ Username: 5 })))
    })

    it("takes null for absent, at every place", () => {
      for (const input of [
        "",
        " \n",
        "null",
        { auths: null, credHelpers: null, credsStore: null },
        { auths: { "x.io": null } },
        { auths: { "x.io": { auth: null, username: null } } }
      ]) {
        assert.isTrue(Option.isNone(DockerConfig.lookup(parse(input), { registry: "x.io" })))
      }
      // Like an empty name: no helper, whatever there is for the others.
      const unhelped = parse({ credHelpers: { "x.io": null }, credsStore: "desktop" })
      assert.isNull(Option.getOrNull(DockerConfig.helperFor(unhelped, "x.io")))
      assert.strictEqual(Option.getOrNull(DockerConfig.helperFor(unhelped, "y.io")), "desktop")
    })

    it("says where the file is wrong and never what it holds", () => {
      const wrong: ReadonlyArray<readonly [string, string]> = [
        [`{"auths": ${canary}`, "is not valid JSON"],
        [`"${canary}"`, "is not a JSON object"],
        [`{"auths": {"x.io": "${canary}"}}`, 'has an unexpected type of value at ["auths","x.io"]'],
        [`{"auths": {"x.io": {"auth": ["${canary}"]}}}`, 'has an unexpected type of value at ["auths","x.io","auth"]'],
        [`{"credHelpers": {"x.io": {"${canary}": 1}}}`, 'has an unexpected type of value at ["credHelpers","x.io"]'],
        [`{"auths": {"x.io": {"auth": "!${canary}"}}}`, 'the field "auth" of "x.io" is not base64'],
        [`{"auths": {"x.io": {"auth": "${base64(canary)}"}}}`, 'the field "auth" of "x.io" is not the base64 of user:password'],
        [`{"auths": {"x.io": {"auth": "${base64(`:${canary}`)}"}}}`, 'the field "auth" of "x.io" has no user']
      ]
      for (const [input, reason] of wrong) {
        const error = Either.getOrThrow(Either.flip(DockerConfig.parse(input, "/etc/config.json")))
        assert.strictEqual(error.reason, reason)
        assert.strictEqual(error.source, "/etc/config.json")
        for (const secret of [canary, base64(canary), base64(`:${canary}`)]) {
          assert.notInclude(inspect(error, { depth: 10 }) + JSON.stringify(error) + String(error), secret)
        }
      }
    })

    it("shows no secret, printed or as JSON", () => {
      const config = parse({
        auths: {
          "a.io": { auth: base64(`u:${canary}`) },
          "b.io": { username: "u", password: canary },
          "c.io": { identitytoken: canary, registrytoken: canary }
        },
        HttpHeaders: { Authorization: canary }
      })
      const shown = inspect(config, { depth: 10 }) + JSON.stringify(config)
      assert.notInclude(shown, canary)
      assert.notInclude(shown, base64(`u:${canary}`))
    })

    it("shows no secret when an entry on its own is wrong", () => {
      const error = Either.getOrThrow(
        Either.flip(Schema.decodeUnknownEither(DockerConfig.AuthConfig)({ auth: { token: canary }, password: canary }))
      )
      assert.notInclude(String(error) + JSON.stringify(error) + error.message + inspect(error), canary)
    })

    it("any user without a colon and any password survive the auth field", () => {
      fc.assert(
        fc.property(
          fc.string({ unit: "binary", minLength: 1 }).filter((_) => !_.includes(":")),
          fc.string({ unit: "binary" }).filter((_) => !/^\0|\0$/.test(_)),
          (username, password) => {
            const config = parse({ auths: { "x.io": { auth: base64(`${username}:${password}`) } } })
            same(DockerConfig.lookup(config, { registry: "x.io" }), Credentials.basic(username, password))
          }
        )
      )
    })
  })

  describe("lookup", () => {
    const entries = (...keys: ReadonlyArray<string>) =>
      parse({ auths: Object.fromEntries(keys.map((key) => [key, { auth: base64(`u:${key}`) }])) })
    const winner = (config: DockerConfig.DockerConfig, registry: string, repository?: string) =>
      Option.getOrNull(
        Option.map(DockerConfig.lookup(config, { registry, repository }), (_) => (_._tag === "Basic" ? Redacted.value(_.password) : _._tag))
      )

    it("finds an IPv6 address that was written without brackets", () => {
      assert.strictEqual(winner(entries("https://::1:5000/v1/"), "[::1]:5000", "a/b"), "https://::1:5000/v1/")
      assert.isNull(winner(entries("https://::1:5000/v1/"), "[::1]:5001"))
    })

    it("prefers the repository, then its parents, then the registry", () => {
      const all = ["x.io/a/b/c", "x.io/a/b", "https://x.io/a", "x.io"]
      for (const [dropped, key] of all.entries()) {
        assert.strictEqual(winner(entries(...all.slice(dropped).reverse()), "x.io", "a/b/c"), key)
      }
    })

    it("prefers the spellings of a registry in a fixed order, whatever the order in the file", () => {
      const spellings = ["x.io", "https://x.io/v1/", "https://x.io", "https://x.io/v2/", "x.io/v1/", "http://x.io/v1/"]
      fc.assert(
        fc.property(fc.shuffledSubarray(spellings, { minLength: 1 }), (some) => {
          assert.strictEqual(
            winner(entries(...some), "x.io", "a/b"),
            spellings.find((_) => some.includes(_))
          )
        })
      )
    })

    it("a key with a path answers neither for its host nor for a neighbour", () => {
      const config = entries("x.io/team", "https://y.io/team/")
      assert.isNull(winner(config, "x.io"))
      assert.isNull(winner(config, "x.io", "teammate/app"))
      assert.isNull(winner(config, "x.io", "other/team"))
      assert.isNull(winner(config, "y.io", "tea"))
      assert.strictEqual(winner(config, "x.io", "team/app"), "x.io/team")
      assert.strictEqual(winner(config, "y.io", "team"), "https://y.io/team/")
    })

    it("knows Docker Hub by all its names, docker's own key first", () => {
      for (const key of ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "https://registry-1.docker.io"]) {
        assert.strictEqual(winner(entries(key), "docker.io", "library/ubuntu"), key)
        assert.strictEqual(winner(entries(key), "index.docker.io"), key)
      }
      assert.strictEqual(winner(entries("docker.io", "https://index.docker.io/v1/"), "docker.io"), "https://index.docker.io/v1/")
      assert.strictEqual(winner(entries("docker.io/library", "https://index.docker.io/v1/"), "docker.io", "library/x"), "docker.io/library")
    })

    it("compares hosts without regard to case, ports exactly, and takes no pattern", () => {
      assert.strictEqual(winner(entries("X.io"), "x.IO"), "X.io")
      assert.isNull(winner(entries("x.io:443"), "x.io"))
      assert.isNull(winner(entries("x.io"), "x.io:443"))
      assert.isNull(winner(entries("*.io", "*"), "x.io"))
      assert.isNull(winner(entries("", "https://", "ftp://x.io", "://"), "x.io"))
    })

    it("passes over entries without credentials", () => {
      const config = parse({ auths: { "x.io": {}, "https://x.io": { email: "a@b" }, "http://x.io": { registrytoken: "t" } } })
      same(DockerConfig.lookup(config, { registry: "x.io" }), Credentials.registryToken("t"))
    })

    it("names the helper of a registry; an empty name turns the common one off", () => {
      const config = parse({
        credsStore: "common",
        credHelpers: { "x.io": "own", "y.io": "", "docker.io": "hub", "https://z.io": "no", "z.io/team": "no" }
      })
      assert.deepStrictEqual(
        ["x.io", "y.io", "z.io", "docker.io"].map((_) => Option.getOrNull(DockerConfig.helperFor(config, _))),
        ["own", null, "common", "hub"]
      )
    })
  })

  describe("set and erase", () => {
    const kinds = {
      basic: Credentials.basic("u", "p:ä"),
      identity: Credentials.identityToken("idt", { username: "u", password: "p" }),
      bare: Credentials.identityToken("idt"),
      registry: Credentials.registryToken("rt")
    }

    for (const [name, credentials] of Object.entries(kinds)) {
      it(`what is set is found again, also from the text (${name})`, () => {
        for (const resource of [{ registry: "docker.io" }, { registry: "x.io:5000" }, { registry: "x.io", repository: "team/app" }]) {
          const config = DockerConfig.set(DockerConfig.empty, resource, credentials)
          same(DockerConfig.lookup(config, resource), credentials)
          same(DockerConfig.lookup(parse(DockerConfig.encode(config)), resource), credentials)
        }
      })
    }

    it("writes docker's keys, and user and password never in clear", () => {
      const config = DockerConfig.set(
        DockerConfig.set(DockerConfig.empty, { registry: "docker.io" }, kinds.basic),
        { registry: "x.io" },
        kinds.basic
      )
      assert.deepStrictEqual(JSON.parse(DockerConfig.encode(config)), {
        auths: { "https://index.docker.io/v1/": { auth: base64("u:p:ä") }, "x.io": { auth: base64("u:p:ä") } }
      })
    })

    it("replaces other spellings, and leaves paths and the rest of the file alone", () => {
      const before = parse({
        HttpHeaders: { a: "b" },
        auths: { "https://x.io/v1/": { auth: base64("old:old") }, "x.io/team": { auth: base64("t:t") }, "y.io": { email: "kept" } }
      })
      const after = DockerConfig.set(before, { registry: "x.io" }, kinds.basic)
      assert.deepStrictEqual(JSON.parse(DockerConfig.encode(after)), {
        HttpHeaders: { a: "b" },
        auths: { "x.io/team": { auth: base64("t:t") }, "y.io": { email: "kept" }, "x.io": { auth: base64("u:p:ä") } }
      })
      const erased = DockerConfig.erase(after, { registry: "x.io" })
      assert.deepStrictEqual(Object.keys(erased.auths), ["x.io/team", "y.io"])
      assert.deepStrictEqual(Object.keys(DockerConfig.erase(erased, { registry: "x.io", repository: "team" }).auths), ["y.io"])
    })
  })

  describe("on disk", () => {
    const inFolder = <A, E>(test: (folder: string) => Effect.Effect<A, E, FileSystem.FileSystem | Path.Path>) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        yield* test(yield* fs.makeTempDirectoryScoped())
      }).pipe(Effect.provide(NodeContext.layer))

    it.scoped("update makes the folder, is readable by the owner only and leaves nothing beside", () =>
      inFolder((folder) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          const file = `${folder}/deep/config.json`
          yield* DockerConfig.update(file, (_) => DockerConfig.set(_, { registry: "x.io" }, Credentials.basic("u", "p")))
          yield* DockerConfig.update(file, (_) => DockerConfig.set(_, { registry: "y.io" }, Credentials.basic("v", "q")))
          assert.strictEqual((yield* fs.stat(file)).mode & 0o777, 0o600)
          assert.deepStrictEqual(yield* fs.readDirectory(`${folder}/deep`), ["config.json"])
          const config = yield* DockerConfig.load(file)
          assert.deepStrictEqual(Object.keys(config.auths), ["x.io", "y.io"])
        })
      )
    )

    it.scoped("a symbolic link stays one", () =>
      inFolder((folder) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          yield* fs.makeDirectory(`${folder}/dotfiles`)
          yield* fs.writeFileString(`${folder}/dotfiles/docker.json`, "{}")
          yield* fs.symlink(`${folder}/dotfiles/docker.json`, `${folder}/config.json`)
          yield* DockerConfig.save(`${folder}/config.json`, parse({ credsStore: "x" }))
          assert.strictEqual(yield* fs.readLink(`${folder}/config.json`), `${folder}/dotfiles/docker.json`)
          assert.deepStrictEqual(JSON.parse(yield* fs.readFileString(`${folder}/dotfiles/docker.json`)), { credsStore: "x" })
        })
      )
    )

    it.scoped("a symbolic link stays one though nothing is where it leads", () =>
      inFolder((folder) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          yield* fs.makeDirectory(`${folder}/dotfiles`)
          yield* fs.symlink("dotfiles/docker.json", `${folder}/config.json`)
          yield* DockerConfig.save(`${folder}/config.json`, parse({ credsStore: "x" }))
          assert.strictEqual(yield* fs.readLink(`${folder}/config.json`), "dotfiles/docker.json")
          assert.deepStrictEqual(yield* fs.readDirectory(`${folder}/dotfiles`), ["docker.json"])
          assert.deepStrictEqual(JSON.parse(yield* fs.readFileString(`${folder}/dotfiles/docker.json`)), { credsStore: "x" })
        })
      )
    )

    it.scoped("a file that cannot be replaced leaves nothing beside it", () =>
      inFolder((folder) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          yield* fs.makeDirectory(`${folder}/config.json/occupied`, { recursive: true })
          const error = yield* Effect.flip(DockerConfig.save(`${folder}/config.json`, parse({ credsStore: canary })))
          assert.match(error.reason, /^cannot be written/)
          assert.deepStrictEqual(yield* fs.readDirectory(folder), ["config.json"])
          assert.match((yield* Effect.flip(DockerConfig.load(`${folder}/config.json`))).reason, /^cannot be read/)
        })
      )
    )

    it.scoped("what is no file stays what it is", () =>
      inFolder((folder) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          execFileSync("mkfifo", [`${folder}/pipe`])
          const error = yield* Effect.flip(DockerConfig.save(`${folder}/pipe`, parse({ credsStore: "x" })))
          assert.strictEqual(error.reason, "cannot be written: it is no file")
          assert.strictEqual((yield* fs.stat(`${folder}/pipe`)).type, "FIFO")
          assert.deepStrictEqual(yield* fs.readDirectory(folder), ["pipe"])
        })
      )
    )

    it.scoped("a file that is not there is empty; a broken one is not overwritten", () =>
      inFolder((folder) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          assert.deepStrictEqual((yield* DockerConfig.load(`${folder}/none.json`)).auths, {})
          yield* fs.writeFileString(`${folder}/config.json`, "{broken")
          const error = yield* Effect.flip(
            DockerConfig.update(`${folder}/config.json`, (_) => DockerConfig.set(_, { registry: "x.io" }, Credentials.anonymous))
          )
          assert.strictEqual(error.reason, "is not valid JSON")
          assert.strictEqual(yield* fs.readFileString(`${folder}/config.json`), "{broken")
        })
      )
    )
  })

  describe("which file", () => {
    const env = (variables: Record<string, string>) => Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))
    const located = (files: ReadonlyArray<string>, variables: Record<string, string>) =>
      DockerConfig.locate.pipe(
        env(variables),
        Effect.provide(MemoryFiles.make(Object.fromEntries(files.map((_) => [_, "{}"]))).layer),
        Effect.provide(Path.layer),
        Effect.map(Option.getOrNull)
      )
    const home = "/h/.docker/config.json"
    const runtime = "/run/containers/auth.json"
    const config = "/c/containers/auth.json"
    const everything = { HOME: "/h", DOCKER_CONFIG: "/d", REGISTRY_AUTH_FILE: "/a.json", XDG_RUNTIME_DIR: "/run", XDG_CONFIG_HOME: "/c" }

    it.effect("docker's, else REGISTRY_AUTH_FILE, else podman's", () =>
      Effect.gen(function* () {
        const files = ["/d/config.json", "/a.json", runtime, config]
        for (const [index, file] of files.entries()) {
          assert.strictEqual(yield* located(files.slice(index), everything), file)
        }
        assert.isNull(yield* located([], everything))
        assert.isNull(yield* located(files, {}))
      })
    )

    it.effect("DOCKER_CONFIG hides the home directory's file even when it has none", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* located([home], everything), "/d/config.json")
        assert.strictEqual(yield* located([home], { HOME: "/h" }), home)
        assert.strictEqual(yield* located([home], { USERPROFILE: "/h", DOCKER_CONFIG: "" }), home)
      })
    )

    it.effect("login writes docker's", () =>
      Effect.gen(function* () {
        const path = (variables: Record<string, string>) => DockerConfig.defaultPath.pipe(env(variables), Effect.provide(Path.layer))
        assertSome(yield* path(everything), "/d/config.json")
        assertSome(yield* path({ HOME: "/h" }), home)
        assertNone(yield* path({}))
      })
    )
  })
})
