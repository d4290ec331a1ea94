import { readdir, readFile, stat, writeFile } from "node:fs/promises"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as FakeHelpers from "../support/FakeHelpers.ts"
import * as Cli from "./Cli.ts"

const password = "s3cret-w0rd"
const users = { ann: { password } }
const hosts = { [Cli.host]: { auth: RegistryOptions.basic({ users }) }, [Cli.other]: { auth: RegistryOptions.bearer({ users }) } }

const text = (file: string) => Effect.promise(() => readFile(file, "utf8"))

const silentAbout = (secret: string, outcomes: ReadonlyArray<Cli.Outcome>) => {
  for (const { err, out } of outcomes) assert.notInclude(out + err, secret)
}

describe("login and logout", () => {
  it.scoped("who was not logged in leaves the files as they are when logging out", () =>
    Effect.gen(function* () {
      const cli = yield* Cli.make({ hosts })
      assert.strictEqual((yield* cli.run("logout", Cli.host)).code, 0)
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(cli.folder)), [])
      const config = cli.path("config.json")
      const content = '{"auths":{"elsewhere.test":{"auth":"YTpi"}}}'
      yield* Effect.promise(() => writeFile(config, content))
      assert.strictEqual((yield* cli.run("logout", Cli.host, "--registry-config", config)).code, 0)
      assert.strictEqual(yield* text(config), content)
    })
  )

  for (const registry of [Cli.host, Cli.other]) {
    it.scoped(`${registry}: credentials are tried, kept for the owner's eyes, used and forgotten`, () =>
      Effect.gen(function* () {
        const cli = yield* Cli.make({ hosts })
        const file = cli.path(".docker", "config.json")
        assert.strictEqual((yield* cli.run("catalog", registry)).code, 4)

        const login = yield* cli.feed(`${password}\n`, "login", registry, "-u", "ann", "--password-stdin", "--json")
        assert.deepStrictEqual(Cli.json(login), { registry, username: "ann", store: file })
        assert.deepStrictEqual(JSON.parse(yield* text(file)), {
          auths: { [registry]: { auth: Buffer.from(`ann:${password}`).toString("base64") } }
        })
        assert.strictEqual((yield* Effect.promise(() => stat(file))).mode & 0o777, 0o600)
        assert.strictEqual((yield* cli.run("catalog", registry)).code, 0)

        const logout = yield* cli.run("logout", registry)
        assert.deepStrictEqual(JSON.parse(yield* text(file)), { auths: {} })
        assert.strictEqual((yield* cli.run("catalog", registry)).code, 4)
        silentAbout(password, [login, logout])
      })
    )

    it.scoped(`${registry}: wrong credentials are not kept`, () =>
      Effect.gen(function* () {
        const cli = yield* Cli.make({ hosts })
        const wrong = yield* cli.feed("wr0ng-w0rd", "login", registry, "--username", "ann", "--password-stdin", "--json")
        assert.deepStrictEqual([wrong.code, wrong.out], [4, ""])
        silentAbout("wr0ng-w0rd", [wrong])
        assert.strictEqual((yield* cli.run("catalog", registry)).code, 4)
      })
    )
  }

  it.scoped("--registry-config names the file", () =>
    Effect.gen(function* () {
      const cli = yield* Cli.make({ hosts })
      const file = cli.path("auth.json")
      yield* cli.feed(password, "login", Cli.host, "-u", "ann", "--password-stdin", "--registry-config", file)
      assert.strictEqual((yield* cli.run("catalog", Cli.host)).code, 4)
      assert.strictEqual((yield* cli.run("catalog", Cli.host, `--registry-config=${file}`)).code, 0)
    })
  )

  it.scoped("a configured helper keeps them instead of the file", () =>
    Effect.gen(function* () {
      const kept = new Map<string, string>()
      const helpers = FakeHelpers.make(({ input, verb }) => {
        if (verb === "store") kept.set(JSON.parse(input).ServerURL, input)
        if (verb === "erase") kept.delete(input)
        const found = kept.get(input)
        if (verb !== "get") return Effect.succeed({ stdout: "", exit: 0 })
        return Effect.succeed(found === undefined ? FakeHelpers.notFound : { stdout: found, exit: 0 })
      })
      const cli = yield* Cli.make({ hosts, helpers: helpers.layer })
      const file = cli.path("config.json")
      yield* Effect.promise(() => writeFile(file, '{"credsStore":"test","HttpHeaders":{"X-Kept":"1"}}'))
      const own = ["--registry-config", file]
      const login = yield* cli.feed(password, "login", Cli.host, "-u", "ann", "--password-stdin", ...own)
      assert.strictEqual(login.out, `Logged in to ${Cli.host} as ann; kept in docker-credential-test\n`)
      assert.deepStrictEqual([...kept.keys()], [Cli.host])
      assert.notInclude(yield* text(file), Buffer.from(`ann:${password}`).toString("base64"))
      assert.deepInclude(JSON.parse(yield* text(file)), { credsStore: "test", HttpHeaders: { "X-Kept": "1" } })
      assert.strictEqual((yield* cli.run("catalog", Cli.host, ...own)).code, 0)
      yield* cli.run("logout", Cli.host, ...own)
      assert.deepStrictEqual([...kept.keys()], [])
    })
  )

  it.scoped("where nobody can be asked, name and password must be given", () =>
    Effect.gen(function* () {
      const cli = yield* Cli.make({ hosts })
      const nameless = yield* cli.feed(password, "login", Cli.host, "--password-stdin")
      assert.deepStrictEqual([nameless.code, nameless.err], [2, "effect-oci: login needs --username where nobody can be asked\n"])
      assert.strictEqual((yield* cli.run("login", Cli.host, "-u", "ann")).code, 2)
      assert.strictEqual((yield* cli.feed("\n", "login", Cli.host, "-u", "ann", "--password-stdin")).code, 2)
    })
  )
})
