import { inspect } from "node:util"
import * as Path from "@effect/platform/Path"
import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as Reference from "../../src/model/Reference.ts"
import { KeychainError } from "../../src/model/RegistryError.ts"
import * as FakeHelpers from "../support/FakeHelpers.ts"
import * as MemoryFiles from "../support/MemoryFiles.ts"
import { withSetBack } from "../support/SetBack.ts"
import * as Vectors from "../vectors/Vectors.ts"

const canary = "s3cr3t-canary"

const base64 = (text: string) => Buffer.from(text, "utf8").toString("base64")

/** Credentials with their secrets in clear, for comparison. */
const reveal = (credentials: Credentials.Credentials) =>
  Credentials.match(credentials, {
    Anonymous: () => ({ kind: "anonymous" }),
    Basic: (_) => ({ kind: "basic", username: _.username, password: Redacted.value(_.password) }),
    IdentityToken: (_) => ({
      kind: "identity token",
      token: Redacted.value(_.token),
      username: _.username ?? "",
      password: _.password === undefined ? "" : Redacted.value(_.password)
    }),
    RegistryToken: (_) => ({ kind: "registry token", token: Redacted.value(_.token) })
  })

type Revealed = ReturnType<typeof reveal>

const resource = (kind: "registry" | "repository", name: string): Keychain.Resource => {
  if (kind === "registry") return { registry: Either.getOrThrow(Reference.parseRegistry(name)) }
  const repository = Either.getOrThrow(Reference.parseRepository(name))
  return { registry: repository.registry, repository: repository.name }
}

interface World {
  readonly files?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  readonly helpers?: ReturnType<typeof FakeHelpers.make>
}

const dockerConfig = (world: World, options?: Keychain.DockerConfigOptions) =>
  Keychain.dockerConfig(options).pipe(
    Effect.provide(Layer.mergeAll(MemoryFiles.make(world.files ?? {}).layer, Path.layer, (world.helpers ?? FakeHelpers.none).layer)),
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(world.env ?? {}))))
  )

const AuthConfig = Schema.Struct({
  username: Schema.optional(Schema.String),
  password: Schema.optional(Schema.String),
  identityToken: Schema.optional(Schema.String),
  registryToken: Schema.optional(Schema.String)
})

/** What go-containerregistry does with such a configuration: a registry token before an identity token before user and password. */
const meaning = (config: typeof AuthConfig.Type): Revealed => {
  const user = { username: config.username ?? "", password: config.password ?? "" }
  if (config.registryToken) return { kind: "registry token", token: config.registryToken }
  if (config.identityToken) return { kind: "identity token", token: config.identityToken, ...user }
  return user.username === "" && user.password === "" ? { kind: "anonymous" } : { kind: "basic", ...user }
}

describe("Keychain", () => {
  describe("vectors: docker's files, environment and helpers", () => {
    const Answer = Schema.Struct({ stdout: Schema.String, exit: Schema.Number })
    const Row = Schema.Struct({
      description: Schema.String,
      files: Schema.Record({ key: Schema.String, value: Schema.String }),
      env: Schema.Record({ key: Schema.String, value: Schema.String }),
      target: Schema.Struct({ kind: Schema.Literal("registry", "repository"), name: Schema.String }),
      credentialHelpers: Schema.optional(
        Schema.Record({
          key: Schema.String,
          value: Schema.Struct({ get: Schema.Record({ key: Schema.String, value: Answer }), default: Schema.optional(Answer) })
        })
      ),
      expected: Schema.Union(
        Schema.Struct({ error: Schema.String }),
        Schema.Struct({ anonymous: Schema.Boolean, authConfig: Schema.optional(AuthConfig) })
      ),
      expectedHelperCalls: Schema.optional(Schema.Array(Schema.String))
    })
    type Row = typeof Row.Type

    const place = <A>(record: Readonly<Record<string, A>>) => Record.mapKeys(record, (_) => _.replaceAll("$TMP", "/tmp/row"))

    const run = Effect.fnUntraced(function* (row: Row, matching: "specific" | "docker") {
      const helpers = FakeHelpers.make((call) => {
        const program = row.credentialHelpers?.[`docker-credential-${call.helper}`]
        return program === undefined ? undefined : Effect.succeed(program.get[call.input] ?? program.default ?? FakeHelpers.notFound)
      })
      const files = place(row.files)
      const env = Record.map(row.env, (_) => _.replaceAll("$TMP", "/tmp/row"))
      const keychain = yield* dockerConfig({ files, env, helpers }, { matching })
      const result = yield* Effect.either(keychain.resolve(resource(row.target.kind, row.target.name)))
      return { result: Either.map(result, reveal), calls: helpers.calls.map((_) => `${_.helper} ${_.verb} ${_.input}`) }
    })

    const File = Schema.Struct({
      auths: Schema.optionalWith(Schema.Record({ key: Schema.String, value: Schema.Struct({ auth: Schema.optional(Schema.String) }) }), {
        default: () => ({})
      }),
      credsStore: Schema.optional(Schema.String),
      credHelpers: Schema.optionalWith(Schema.Record({ key: Schema.String, value: Schema.String }), { default: () => ({}) })
    })

    /** The files of a row as far as they can be read. */
    const configs = (row: Row) =>
      Object.values(row.files).flatMap((text) => Option.toArray(Schema.decodeUnknownOption(Schema.parseJson(File))(text)))
    const hasStore = (row: Row) => configs(row).some((_) => (_.credsStore ?? "") !== "")
    const entries = (row: Row) => configs(row).flatMap((_) => Object.entries(_.auths))
    const basicOf = (auth: string | undefined): Revealed => {
      const [username = "", ...rest] = Buffer.from(auth ?? "", "base64")
        .toString("utf8")
        .split(":")
      return auth === undefined ? { kind: "anonymous" } : { kind: "basic", username, password: rest.join(":") }
    }
    const isHub = (row: Row) => resource(row.target.kind, row.target.name).registry === "docker.io"
    const hostOf = (row: Row) => (isHub(row) ? "index.docker.io" : resource(row.target.kind, row.target.name).registry)
    const pathOf = (row: Row) => resource(row.target.kind, row.target.name).repository ?? ""
    /** The path in a key, none when it stands for the whole host. */
    const keyPath = (key: string) =>
      key
        .replace(/^https?:\/\//, "")
        .split("/")
        .slice(1)
        .filter((_) => _ !== "")
        .join("/")
        .replace(/^v[12]$/, "")
    const keyHost = (key: string) =>
      key
        .replace(/^https?:\/\//, "")
        .split("/", 1)
        .join("")
    const isParent = (path: string, of: string) => path !== "" && of.startsWith(`${path}/`)
    const ofHost = (row: Row) => entries(row).filter(([key]) => keyHost(key) === hostOf(row))

    const failure = "KeychainError"

    /** What a helper of the row says about a server, in our words. */
    const helperSays = (row: Row, helper: string, server: string): Revealed | typeof failure => {
      const program = row.credentialHelpers?.[`docker-credential-${helper}`]
      if (program === undefined) return failure
      const { exit, stdout } = program.get[server] ?? program.default ?? FakeHelpers.notFound
      if (exit !== 0) return stdout.trim() === FakeHelpers.notFound.stdout.trim() ? { kind: "anonymous" } : failure
      const answer = Schema.decodeUnknownOption(Schema.parseJson(Schema.Struct({ Username: Schema.String, Secret: Schema.String })))(stdout)
      if (Option.isNone(answer)) return failure
      const { Secret, Username } = answer.value
      return meaning(Username === "<token>" ? { identityToken: Secret } : { username: Username, password: Secret })
    }
    const storeOf = (row: Row) => configs(row).find((_) => (_.credsStore ?? "") !== "")?.credsStore ?? ""
    const serverOf = (row: Row) => (isHub(row) ? "https://index.docker.io/v1/" : hostOf(row))
    const namedHelper = (row: Row, key: string) => configs(row).find((_) => key in _.credHelpers)?.credHelpers[key]
    const hubHelper = (row: Row) =>
      ["index.docker.io", "docker.io"].map((_) => namedHelper(row, _)).find((_) => _ !== undefined && _ !== "")

    interface KeychainDeviation extends Vectors.Deviation<Row> {
      /** What comes out instead. */
      readonly instead: (row: Row) => Revealed | typeof failure
    }

    const everywhere: ReadonlyArray<KeychainDeviation> = [
      {
        name: "nothing is anonymous",
        reason: "an entry without user, password and token (only an e-mail address) cannot authenticate; newer docker drops it too",
        applies: (row) =>
          !("error" in row.expected) && !row.expected.anonymous && meaning(row.expected.authConfig ?? {}).kind === "anonymous",
        instead: () => ({ kind: "anonymous" })
      },
      {
        name: "DOCKER_AUTH_CONFIG has to be readable",
        reason: "docker warns and goes on without it; a broken secret of a build should not end in anonymous requests",
        applies: (row) => !("error" in row.expected) && Either.isLeft(Either.try(() => JSON.parse(row.env["DOCKER_AUTH_CONFIG"] || "{}"))),
        instead: () => failure
      }
    ]

    const specific: ReadonlyArray<KeychainDeviation> = [
      ...everywhere,
      {
        name: "Docker Hub by any name",
        reason: "podman writes docker.io; a user who has logged in there means the hub",
        applies: (row) =>
          isHub(row) &&
          !("error" in row.expected) &&
          row.expected.anonymous &&
          entries(row).some(([key, { auth }]) => ["docker.io", "index.docker.io"].includes(key) && auth !== undefined),
        instead: (row) => basicOf(entries(row).find(([key]) => ["docker.io", "index.docker.io"].includes(key))?.[1].auth)
      },
      {
        name: "the helper of Docker Hub by any name",
        reason: "podman and people write docker.io there as well; the helper itself is asked for docker's key",
        applies: (row) => isHub(row) && hubHelper(row) !== undefined && namedHelper(row, serverOf(row)) === undefined,
        instead: (row) => helperSays(row, hubHelper(row) ?? "", serverOf(row))
      },
      {
        name: "a credsStore is asked for registries only",
        reason: "helpers keep registries; to ask for every repository first would run a program per repository for nothing",
        applies: (row) => {
          const full = `${hostOf(row)}/${pathOf(row)}`
          const said = helperSays(row, storeOf(row), full)
          return (
            hasStore(row) &&
            pathOf(row) !== "" &&
            [full, serverOf(row)].every((_) => namedHelper(row, _) === undefined) &&
            (said === failure || said.kind !== "anonymous")
          )
        },
        instead: (row) => helperSays(row, storeOf(row), serverOf(row))
      },
      {
        name: "parent paths answer",
        reason: "host/team speaks for host/team/app, as for podman, before host does and beside a credsStore",
        applies: (row) =>
          !("error" in row.expected) &&
          ofHost(row).some(([key, { auth }]) => isParent(keyPath(key), pathOf(row)) && auth !== undefined) &&
          !ofHost(row).some(([key]) => keyPath(key) === pathOf(row)),
        instead: (row) =>
          basicOf(
            ofHost(row)
              .filter(([key]) => isParent(keyPath(key), pathOf(row)))
              .sort(([a], [b]) => keyPath(b).length - keyPath(a).length)[0]?.[1].auth
          )
      },
      {
        name: "the repository's own entry counts beside a credsStore",
        reason: "the file's entry for the repository is more specific than what a helper says about its registry",
        applies: (row) =>
          !("error" in row.expected) &&
          hasStore(row) &&
          pathOf(row) !== "" &&
          ofHost(row).some(([key, { auth }]) => keyPath(key) === pathOf(row) && auth !== undefined),
        instead: (row) => basicOf(ofHost(row).find(([key]) => keyPath(key) === pathOf(row))?.[1].auth)
      },
      {
        name: "a path does not answer for its host",
        reason: "credentials of one team must not be sent for everything on the host",
        applies: (row) =>
          !("error" in row.expected) &&
          !row.expected.anonymous &&
          !hasStore(row) &&
          ofHost(row).length > 0 &&
          ofHost(row).every(([key]) => keyPath(key) !== "" && keyPath(key) !== pathOf(row) && !isParent(keyPath(key), pathOf(row))),
        instead: () => ({ kind: "anonymous" })
      }
    ]

    /** Helpers are asked once per server; and, in our order, for a registry only, unless `credHelpers` names a path. */
    const wantedCalls = (row: Row, matching: "specific" | "docker") => {
      const once = [...new Set(row.expectedHelperCalls ?? [])]
      const named = new Set(configs(row).flatMap((_) => Object.keys(_.credHelpers)))
      return matching === "docker"
        ? once
        : once.filter((call) => {
            const server = call.split(" ")[2] ?? ""
            return keyPath(server) === "" || named.has(server)
          })
    }

    const check = Effect.fnUntraced(function* (row: Row, matching: "specific" | "docker", deviations: ReadonlyArray<KeychainDeviation>) {
      const { calls, result } = yield* run(row, matching)
      const deviation = deviations.find((_) => _.applies(row))
      if (deviation !== undefined) {
        const outcome = Either.getOrElse(result, (_) => _._tag)
        return assert.deepStrictEqual(outcome, deviation.instead(row), deviation.name)
      }
      assert.deepStrictEqual(calls, wantedCalls(row, matching))
      if (!("error" in row.expected)) {
        const wanted: Revealed = row.expected.anonymous ? { kind: "anonymous" } : meaning(row.expected.authConfig ?? {})
        return assert.deepStrictEqual(result, Either.right(wanted))
      }
      const error = Either.getOrThrow(Either.flip(result))
      assert.instanceOf(error, KeychainError)
      const [, file] = /^loading config file: (.*?): /.exec(row.expected.error) ?? []
      if (file === undefined) assert.match(error.source, /^docker-credential-/)
      else assert.strictEqual(error.source, file.replace("$TMP", "/tmp/row"))
    })

    for (const row of Vectors.load("keychain-docker-config", Row)) {
      it.effect(`in docker's order: ${row.description}`, () => check(row, "docker", everywhere))
      it.effect(`most specific first: ${row.description}`, () => check(row, "specific", specific))
    }
  })

  describe("vectors: combinators", () => {
    const Row = Schema.Struct({
      name: Schema.String,
      input: Schema.Union(
        Schema.Struct({ keychains: Schema.Array(Schema.Record({ key: Schema.String, value: Schema.String })), target: Schema.String }),
        Schema.Struct({
          helperKeychain: Schema.Struct({
            username: Schema.optional(Schema.String),
            secret: Schema.optional(Schema.String),
            error: Schema.optional(Schema.String)
          }),
          target: Schema.String
        }),
        Schema.Struct({ authorizations: Schema.Number, clockStepSeconds: Schema.Number, durationSeconds: Schema.Number }),
        Schema.Struct({ configIsDirectory: Schema.Literal(true), target: Schema.String })
      ),
      expected: Schema.optional(Schema.Union(Schema.String, AuthConfig)),
      expectedInnerResolves: Schema.optional(Schema.Number)
    })
    type Row = typeof Row.Type

    const resolveTarget = (keychain: Keychain.Service, target: string) =>
      Effect.map(keychain.resolve(resource(target.includes("/") ? "repository" : "registry", target)), reveal)

    const expectedOf = (row: Row): Revealed => {
      if (typeof row.expected === "string") {
        return row.expected === "anonymous" ? { kind: "anonymous" } : { kind: "basic", username: row.expected, password: row.expected }
      }
      const config = row.expected ?? {}
      // Go keeps `<token>` as the user name; it is a mark of the helper protocol, not a name to send.
      return meaning(config.username === "<token>" ? { ...config, username: "" } : config)
    }

    const check = Effect.fnUntraced(function* (row: Row) {
      if ("keychains" in row.input) {
        const keychains = row.input.keychains.map((_) => Keychain.make(Record.map(_, (name) => Credentials.basic(name, name))))
        assert.deepStrictEqual(yield* resolveTarget(Keychain.first(...keychains), row.input.target), expectedOf(row))
        const layers = Keychain.layerFirst(Keychain.layerAnonymous, ...keychains.map((_) => Layer.succeed(Keychain.Keychain, _)))
        const layered = yield* Effect.provide(Keychain.Keychain, layers)
        assert.deepStrictEqual(yield* resolveTarget(layered, row.input.target), expectedOf(row))
      } else if ("helperKeychain" in row.input) {
        const { error, secret, username } = row.input.helperKeychain
        const answer = error === undefined ? FakeHelpers.json({ Username: username, Secret: secret }) : { stdout: error, exit: 1 }
        const fake = FakeHelpers.make(() => Effect.succeed(answer))
        const keychain = yield* Effect.provide(
          Keychain.fromHelper("test", () => true),
          fake.layer
        )
        // Go's keychain of a helper swallows every error; ours fails unless told to.
        if (error !== undefined) assert.strictEqual((yield* Effect.flip(resolveTarget(keychain, row.input.target)))._tag, "KeychainError")
        assert.deepStrictEqual(yield* resolveTarget(Keychain.orAnonymous(keychain), row.input.target), expectedOf(row))
      } else if ("configIsDirectory" in row.input) {
        const keychain = yield* dockerConfig({ files: { "/h/.docker/config.json/": "" }, env: { HOME: "/h" } })
        assert.deepStrictEqual(yield* resolveTarget(keychain, row.input.target), expectedOf(row))
      } else {
        let resolves = 0
        const inner = Keychain.fromFunction(() => Effect.sync(() => Credentials.basic("u", String(++resolves))))
        const keychain = Keychain.refreshing(inner, `${row.input.durationSeconds} seconds`)
        for (let n = 0; n < row.input.authorizations; n++) {
          yield* TestClock.adjust(`${row.input.clockStepSeconds} seconds`)
          yield* keychain.resolve({ registry: "x.io" })
        }
        assert.strictEqual(resolves, row.expectedInnerResolves)
      }
    })

    for (const row of Vectors.load("keychain-combinators", Row)) it.effect(row.name, () => check(row))
  })

  describe("vectors: which credential a push uses", () => {
    const Row = Schema.Struct({
      name: Schema.String,
      input: Schema.Struct({
        auths: Schema.Record({ key: Schema.String, value: Schema.String }),
        repository: Schema.String,
        serverAccepts: Schema.String
      }),
      expectedWriteSucceeds: Schema.Boolean
    })

    const place = (text: string) => text.replace("HOST", "localhost:5000")

    for (const row of Vectors.load("check-push-keychain", Row)) {
      it.effect(row.name, () =>
        Effect.gen(function* () {
          const target = resource("repository", place(row.input.repository))
          const auths = Record.map(Record.mapKeys(row.input.auths, place), (user) => ({ auth: base64(user) }))
          const table = Record.map(Record.mapKeys(row.input.auths, place), (user) => {
            const [username = "", password = ""] = user.split(":")
            return Credentials.basic(username, password)
          })
          const files = { "/c.json": JSON.stringify({ auths }) }
          const keychains = [
            Keychain.make(table),
            yield* dockerConfig({ files }, { path: "/c.json" }),
            yield* dockerConfig({ files }, { path: "/c.json", matching: "docker" })
          ]
          for (const keychain of keychains) {
            const credentials = yield* keychain.resolve(target)
            const sent = credentials._tag === "Basic" ? `${credentials.username}:${Redacted.value(credentials.password)}` : ""
            assert.strictEqual(sent === row.input.serverAccepts, row.expectedWriteSucceeds)
          }
        })
      )
    }
  })

  describe("a fixed table", () => {
    const names = (patterns: ReadonlyArray<string>) =>
      Keychain.make(Object.fromEntries(patterns.map((pattern) => [pattern, Credentials.basic(pattern, "p")])))
    const winner = (keychain: Keychain.Service, registry: string, repository?: string) =>
      Effect.map(keychain.resolve({ registry, repository }), (_) => (_._tag === "Basic" ? _.username : _._tag))

    it.effect("the most specific pattern wins", () =>
      Effect.gen(function* () {
        const keychain = names(["*", "*.x.io", "a.x.io", "*.x.io/team", "a.x.io/team/app"])
        assert.strictEqual(yield* winner(keychain, "a.x.io", "team/app"), "a.x.io/team/app")
        assert.strictEqual(yield* winner(keychain, "a.x.io", "team/other"), "*.x.io/team")
        assert.strictEqual(yield* winner(keychain, "a.x.io", "else"), "a.x.io")
        assert.strictEqual(yield* winner(keychain, "b.x.io"), "*.x.io")
        assert.strictEqual(yield* winner(keychain, "localhost"), "*")
      })
    )

    it.effect("a star stays within one label of the host", () =>
      Effect.gen(function* () {
        const keychain = names(["*.x.io", "reg-*.y.io", "*.z.io:5000"])
        assert.strictEqual(yield* winner(keychain, "reg-7.y.io"), "reg-*.y.io")
        assert.strictEqual(yield* winner(keychain, "a.z.io:5000"), "*.z.io:5000")
        for (const host of ["x.io", "a.b.x.io", "a.x.io.evil.org", "evil.org/a.x.io", "reg-.y.io", "a.z.io", "a.x.io:443", "axxio"]) {
          assert.strictEqual(yield* winner(keychain, host), "Anonymous", host)
        }
      })
    )

    it.effect("comes from the configuration too", () =>
      Effect.gen(function* () {
        const layer = Keychain.layerConfig({
          "ghcr.io": Config.zipWith(Config.string("REG_USER"), Config.redacted("REG_TOKEN"), Credentials.basic)
        })
        const provide = (env: Record<string, string>) =>
          Effect.provide(Keychain.Keychain, layer).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(env)))))
        const keychain = yield* provide({ REG_USER: "me", REG_TOKEN: "t" })
        assert.deepStrictEqual(reveal(yield* keychain.resolve({ registry: "ghcr.io" })), { kind: "basic", username: "me", password: "t" })
        assert.isTrue(Either.isLeft(yield* Effect.either(provide({ REG_USER: "me" }))))
        const whole = Keychain.layerConfig(Config.map(Config.redacted("T"), (token) => ({ "x.io": Credentials.registryToken(token) })))
        const other = yield* Effect.provide(Keychain.Keychain, whole).pipe(
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["T", "t"]])))
        )
        assert.deepStrictEqual(reveal(yield* other.resolve({ registry: "x.io" })), { kind: "registry token", token: "t" })
      })
    )
  })

  describe("first and refreshing", () => {
    it.effect("the first failure ends the search", () =>
      Effect.gen(function* () {
        const broken = Keychain.fromFunction(() => Effect.fail(new KeychainError({ source: "x", reason: "broken" })))
        const known = Keychain.make({ "x.io": Credentials.registryToken("t") })
        const resolve = (...chain: ReadonlyArray<Keychain.Service>) => Keychain.first(...chain).resolve({ registry: "x.io" })
        assert.strictEqual((yield* resolve(known, broken))._tag, "RegistryToken")
        assert.strictEqual((yield* Effect.flip(resolve(Keychain.anonymous, broken, known))).reason, "broken")
        assert.strictEqual((yield* resolve(Keychain.orAnonymous(broken), known))._tag, "RegistryToken")
        assert.strictEqual((yield* resolve())._tag, "Anonymous")
      })
    )

    it.effect("layers are asked in their order and may need different things", () =>
      Effect.gen(function* () {
        const layer = Keychain.layerFirst(Keychain.layerAnonymous, Keychain.layerDockerConfig({ path: "/c.json" }), Keychain.layerEcr())
        const fake = FakeHelpers.make(() => Effect.succeed(FakeHelpers.json({ Username: "AWS", Secret: "p" })))
        const files = MemoryFiles.make({ "/c.json": JSON.stringify({ auths: { "x.io": { registrytoken: "t" } } }) })
        const keychain = yield* Effect.provide(Keychain.Keychain, Layer.provide(layer, Layer.mergeAll(files.layer, Path.layer, fake.layer)))
        assert.strictEqual((yield* keychain.resolve({ registry: "x.io" }))._tag, "RegistryToken")
        assert.strictEqual((yield* keychain.resolve({ registry: "public.ecr.aws" }))._tag, "Basic")
      })
    )

    it.effect("refreshing keeps nothing longer because the clock was set back", () =>
      withSetBack((setBack) =>
        Effect.gen(function* () {
          let resolves = 0
          const inner = Keychain.fromFunction(() => Effect.sync(() => Credentials.basic("u", String(++resolves))))
          const keychain = Keychain.refreshing(inner, "1 minutes")
          yield* keychain.resolve({ registry: "x.io" })
          yield* setBack(3)
          yield* TestClock.adjust("61 seconds")
          yield* keychain.resolve({ registry: "x.io" })
          assert.strictEqual(resolves, 2)
        })
      )
    )

    it.effect("refreshing asks once for all, per resource, and not again for what failed", () =>
      Effect.gen(function* () {
        const asked: Array<string> = []
        const keychain = Keychain.refreshing(
          Keychain.fromFunction(({ registry, repository }) =>
            Effect.delay(
              Effect.suspend(() => {
                asked.push(`${registry}/${repository}`)
                return asked.length === 1
                  ? Effect.fail(new KeychainError({ source: "x", reason: "first" }))
                  : Effect.succeed(Credentials.anonymous)
              }),
              "1 seconds"
            )
          ),
          "1 minutes"
        )
        const both = Effect.all([keychain.resolve({ registry: "a" }), keychain.resolve({ registry: "a" })], {
          concurrency: "unbounded",
          mode: "either"
        })
        for (const expected of [1, 2, 2]) {
          const fiber = yield* Effect.fork(both)
          yield* TestClock.adjust("1 seconds")
          yield* Fiber.join(fiber)
          assert.strictEqual(asked.length, expected)
        }
        const other = yield* Effect.fork(keychain.resolve({ registry: "a", repository: "b" }))
        yield* TestClock.adjust("1 seconds")
        yield* Fiber.join(other)
        assert.deepStrictEqual(asked, ["a/undefined", "a/undefined", "a/b"])
      })
    )
  })

  describe("docker config", () => {
    const auths = (entries: Readonly<Record<string, string>>) =>
      JSON.stringify({ auths: Record.map(entries, (user) => ({ auth: base64(user) })) })

    it.effect("is read again only when it changed", () =>
      Effect.gen(function* () {
        const files = MemoryFiles.make({ "/c.json": auths({ "x.io": "u:1" }) })
        const keychain = yield* Keychain.dockerConfig({ path: "/c.json" }).pipe(
          Effect.provide(Layer.mergeAll(files.layer, Path.layer, FakeHelpers.none.layer))
        )
        const password = Effect.map(keychain.resolve({ registry: "x.io" }), reveal)
        yield* password
        assert.deepStrictEqual(yield* password, { kind: "basic", username: "u", password: "1" })
        assert.strictEqual(files.reads.length, 1)
        files.write("/c.json", auths({ "x.io": "u:2" }))
        assert.deepStrictEqual(yield* password, { kind: "basic", username: "u", password: "2" })
        assert.strictEqual(files.reads.length, 2)
        files.write("/c.json", "{")
        assert.strictEqual((yield* Effect.flip(password)).reason, "is not valid JSON")
      })
    )

    it.effect("a login while running is seen, and so is a logout", () =>
      Effect.gen(function* () {
        const files = MemoryFiles.make({})
        const keychain = yield* Keychain.dockerConfig().pipe(
          Effect.provide(Layer.mergeAll(files.layer, Path.layer, FakeHelpers.none.layer)),
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["HOME", "/h"]])))
        )
        const kind = Effect.map(keychain.resolve({ registry: "x.io" }), (_) => _._tag)
        assert.strictEqual(yield* kind, "Anonymous")
        files.write("/h/.docker/config.json", auths({ "x.io": "u:p" }))
        assert.strictEqual(yield* kind, "Basic")
        files.write("/h/.docker/config.json", undefined)
        assert.strictEqual(yield* kind, "Anonymous")
      })
    )

    it.effect("a file named by the user has to exist", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Effect.flatMap(dockerConfig({}, { path: "/typo.json" }), (_) => _.resolve({ registry: "x.io" })))
        assert.strictEqual(error.message, "/typo.json: does not exist")
        assert.strictEqual(error.registry, "x.io")
      })
    )

    it.effect("DOCKER_AUTH_CONFIG comes before the file and its helpers, and fails when it cannot be read", () =>
      Effect.gen(function* () {
        const world = {
          files: { "/h/.docker/config.json": JSON.stringify({ credsStore: "x" }) },
          helpers: FakeHelpers.make(({ input }) =>
            Effect.succeed(input === "y.io" ? FakeHelpers.json({ Username: "helper", Secret: "p" }) : FakeHelpers.notFound)
          )
        }
        for (const matching of ["specific", "docker"] as const) {
          const keychain = yield* dockerConfig(
            { ...world, env: { HOME: "/h", DOCKER_AUTH_CONFIG: auths({ "x.io": "env:p" }) } },
            { matching }
          )
          assert.deepStrictEqual(reveal(yield* keychain.resolve({ registry: "x.io", repository: "a" })), {
            kind: "basic",
            username: "env",
            password: "p"
          })
          assert.deepStrictEqual(reveal(yield* keychain.resolve({ registry: "y.io" })), {
            kind: "basic",
            username: "helper",
            password: "p"
          })
        }
        const broken = yield* dockerConfig({ ...world, env: { DOCKER_AUTH_CONFIG: canary } })
        const error = yield* Effect.flip(broken.resolve({ registry: "x.io" }))
        assert.strictEqual(error.message, "DOCKER_AUTH_CONFIG: is not valid JSON")
      })
    )

    it.effect("a helper named for a repository is asked for that repository only", () =>
      Effect.gen(function* () {
        const helpers = FakeHelpers.make((call) => Effect.succeed(FakeHelpers.json({ Username: call.input, Secret: "p" })))
        const files = {
          "/c.json": JSON.stringify({ credHelpers: { "x.io/team/app": "a" }, auths: { "x.io": { auth: base64("file:p") } } })
        }
        const keychain = yield* dockerConfig({ files, helpers }, { path: "/c.json" })
        const user = (repository?: string) =>
          Effect.map(keychain.resolve({ registry: "x.io", repository }), (_) => (_._tag === "Basic" ? _.username : _._tag))
        assert.strictEqual(yield* user("team/app"), "x.io/team/app")
        assert.strictEqual(yield* user("team/app/part"), "file")
        assert.strictEqual(yield* user("other"), "file")
        assert.strictEqual(yield* user(), "file")
        assert.strictEqual(helpers.calls.length, 1)
      })
    )

    it.effect("many repositories cost one run of the helper", () =>
      Effect.gen(function* () {
        const helpers = FakeHelpers.make(() => Effect.succeed(FakeHelpers.json({ Username: "u", Secret: "p" })))
        const keychain = yield* dockerConfig({ files: { "/c.json": '{"credsStore":"x"}' }, helpers }, { path: "/c.json" })
        yield* Effect.forEach(
          Array.from({ length: 200 }, (_, n) => `team/app-${n}`),
          (repository) => keychain.resolve({ registry: "x.io", repository }),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(helpers.calls.length, 1)
      })
    )

    it.effect("shows no secret: not in credentials, not in failures", () =>
      Effect.gen(function* () {
        const files = {
          "/good.json": auths({ "x.io": `u:${canary}` }),
          "/bad.json": `{"auths": {"x.io": {"auth": "${canary}"}}}`,
          "/worse.json": `{"auths": "${canary}"}`
        }
        const resolve = (path: string) => Effect.flatMap(dockerConfig({ files }, { path }), (_) => _.resolve({ registry: "x.io" }))
        const shown = yield* Effect.forEach(Object.keys(files), (path) =>
          Effect.map(Effect.either(resolve(path)), (_) => inspect(_, { depth: 10 }) + JSON.stringify(_) + String(_))
        )
        assert.notInclude(shown.join(), canary)
        assert.notInclude(shown.join(), base64(`u:${canary}`))
      })
    )
  })

  describe("clouds", () => {
    const account = "123456789012"
    const hosts: Readonly<Record<string, ReadonlyArray<string>>> = {
      "ecr-login": [
        `${account}.dkr.ecr.eu-west-1.amazonaws.com`,
        `${account}.dkr.ecr.cn-north-1.amazonaws.com.cn`,
        `${account}.dkr.ecr-fips.us-gov-west-1.amazonaws.com`,
        `${account}.dkr-ecr.eu-west-1.on.aws`,
        "public.ecr.aws"
      ],
      gcr: ["gcr.io", "eu.gcr.io", "europe-docker.pkg.dev"],
      "acr-env": ["my.azurecr.io", "my.azurecr.cn", "my.azurecr.us"]
    }
    const strangers = [
      "docker.io",
      "evil.dkr.ecr.s3.amazonaws.com",
      `${account}.dkr.ecr.eu-west-1.amazonaws.com.evil.org`,
      "gcr.io.evil.org",
      "evilgcr.io",
      "pkg.dev.evil.org",
      "azurecr.io",
      "a.my.azurecr.io",
      "my.azurecr.io.evil.org",
      "my.azurecr.io:5000"
    ]
    const layers: Readonly<Record<string, Keychain.HelperLayer>> = {
      "ecr-login": Keychain.layerEcr(),
      gcr: Keychain.layerGoogle(),
      "acr-env": Keychain.layerAzure()
    }

    for (const [suffix, layer] of Object.entries(layers)) {
      it.effect(`docker-credential-${suffix} is asked for its registries and for no other`, () =>
        Effect.gen(function* () {
          const fake = FakeHelpers.make(() => Effect.succeed(FakeHelpers.json({ Username: "u", Secret: "p" })))
          const keychain = yield* Effect.provide(Keychain.Keychain, Layer.provide(layer, fake.layer))
          const every = [...Object.values(hosts).flat(), ...strangers]
          yield* Effect.forEach(every, (registry) => keychain.resolve({ registry, repository: "a/b" }))
          assert.deepStrictEqual(
            fake.calls.map((_) => [_.helper, _.verb, _.input]),
            (hosts[suffix] ?? []).map((host) => [suffix, "get", host])
          )
        })
      )
    }

    it.effect("another helper may do the work, and Docker Hub is asked for by docker's key", () =>
      Effect.gen(function* () {
        const fake = FakeHelpers.make(() => Effect.succeed(FakeHelpers.json({ Username: "<token>", Secret: "t" })))
        const resolve = (layer: Keychain.HelperLayer, registry: string) =>
          Effect.provide(Keychain.Keychain, Layer.provide(layer, fake.layer)).pipe(Effect.flatMap((_) => _.resolve({ registry })))
        assert.strictEqual((yield* resolve(Keychain.layerGoogle({ helper: "gcloud" }), "gcr.io"))._tag, "IdentityToken")
        yield* resolve(Keychain.layerHelper("desktop", ["docker.io"]), "docker.io")
        assert.deepStrictEqual(
          fake.calls.map((_) => `${_.helper} ${_.input}`),
          ["gcloud gcr.io", "desktop https://index.docker.io/v1/"]
        )
      })
    )

    it.effect("GitHub's token goes to GitHub only", () =>
      Effect.gen(function* () {
        const resolve = (env: Record<string, string>, registry: string) =>
          Effect.provide(Keychain.Keychain, Keychain.layerGitHub).pipe(
            Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(env)))),
            Effect.flatMap((_) => _.resolve({ registry, repository: "acme/app" })),
            Effect.map(reveal)
          )
        const env = { GITHUB_TOKEN: "a", GH_TOKEN: "b", GITHUB_ACTOR: "me" }
        assert.deepStrictEqual(yield* resolve(env, "ghcr.io"), { kind: "basic", username: "me", password: "a" })
        assert.deepStrictEqual(yield* resolve({ GITHUB_TOKEN: "", GH_TOKEN: "b" }, "docker.pkg.github.com"), {
          kind: "basic",
          username: "unset",
          password: "b"
        })
        for (const host of ["docker.io", "ghcr.io.evil.org", "a.ghcr.io", "ghcr.io:8080"]) {
          assert.deepStrictEqual(yield* resolve(env, host), { kind: "anonymous" })
        }
        assert.deepStrictEqual(yield* resolve({ GITHUB_ACTOR: "me" }, "ghcr.io"), { kind: "anonymous" })
      })
    )
  })
})
