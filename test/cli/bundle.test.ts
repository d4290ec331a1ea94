import { execFileSync, spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { stripVTControlCharacters } from "node:util"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { bundle } from "../../src/cli/bundle.ts"
import { version } from "../../src/model/internal/version.ts"
import type * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as RegistryServer from "../../src/testing/RegistryServer.ts"
import { eventually } from "../support/Eventually.ts"
import * as Folder from "../support/Folder.ts"

class Bundle extends Context.Tag("test/Bundle")<Bundle, { readonly file: string; readonly folder: string }>() {}

/** In a folder without `node_modules`, so that nothing but the file itself can be loaded. */
const built = Layer.scoped(
  Bundle,
  Effect.gen(function* () {
    const folder = yield* Folder.temporary("bundle")
    const file = Path.join(folder, "cli.mjs")
    yield* Effect.promise(() => bundle(file))
    return { file, folder }
  })
)

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

interface Started {
  /** Null for one that stays open and says nothing. */
  readonly input?: string | null
  readonly env?: Readonly<Record<string, string>>
}

const start = (args: ReadonlyArray<string>, { env, input = "" }: Started = {}) =>
  Effect.gen(function* () {
    const { file, folder } = yield* Bundle
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [file, ...args], { cwd: folder, env: env ?? { HOME: folder }, stdio: ["pipe", "pipe", "pipe"] })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const texts = { out: "", err: "" }
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      texts.out += text
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      texts.err += text
    })
    // It may end before it has read all of it.
    child.stdin.on("error", () => {})
    if (input !== null) child.stdin.end(input)
    const ended = new Promise<Ended>((resolve) => child.once("close", (code) => resolve({ code, ...texts })))
    return { child, texts, ended: Effect.promise(() => ended) }
  })

const run = (...args: ReadonlyArray<string>) => Effect.flatMap(start(args), ({ ended }) => ended)

const serve = (options: RegistryServer.RegistryServerOptions = {}) =>
  Effect.map(Layer.build(RegistryServer.layer(options)), Context.get(RegistryServer.RegistryServer))

/** The first bytes of each blob, and then nothing for ever. */
const stalling: RegistryOptions.Adjustment = {
  name: "stalling",
  after: (request, endpoint, response) =>
    endpoint === "blob" && request.method === "GET"
      ? { ...response, body: Stream.concat(Stream.make(new Uint8Array(10)), Stream.never) }
      : response
}

layer(built, { excludeTestServices: true, timeout: "1 minute" })("the bundled command", (it) => {
  it.effect("is one executable file that package.json names", () =>
    Effect.gen(function* () {
      const { file } = yield* Bundle
      Fs.accessSync(file, Fs.constants.X_OK)
      assert.match(Fs.readFileSync(file, "utf8"), /^#!\/usr\/bin\/env node\n/)
      const { bin } = JSON.parse(Fs.readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
      assert.deepStrictEqual(bin, { "effect-oci": "./dist/cli.js" })
    })
  )

  it.scoped("--version and --help", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run("--version"), { code: 0, out: `${version}\n`, err: "" })
      assert.deepStrictEqual(yield* run("-v"), { code: 0, out: `${version}\n`, err: "" })
      const { code, out } = yield* run("copy", "--help")
      assert.strictEqual(code, 0)
      assert.include(out, "$ effect-oci copy [--json]")
      assert.notInclude(out, "\u001b")
      const { folder } = yield* Bundle
      const forced = yield* Effect.flatMap(start(["copy", "--help"], { env: { HOME: folder, FORCE_COLOR: "1" } }), ({ ended }) => ended)
      assert.strictEqual(stripVTControlCharacters(forced.out), out)
      assert.include(forced.out, "\u001b[")
    })
  )

  it.scoped("talks to registries, and says how it went", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const { host } = new URL(server.url)
      const { manifest } = yield* server.seedImage("team/app", { tag: "v1" })
      const copied = yield* run("copy", `${host}/team/app:v1`, "oci:layout", "--json")
      assert.strictEqual(copied.code, 0)
      assert.deepInclude(JSON.parse(copied.out), { target: "oci:layout:v1", digest: manifest.digest, blobs: 2 })
      assert.deepStrictEqual(yield* run("digest", "oci:layout"), { code: 0, out: `${manifest.digest}\n`, err: "" })
      const missing = yield* run("digest", `${host}/team/app:none`)
      assert.deepStrictEqual([missing.code, missing.out], [3, ""])
      assert.match(missing.err, /^effect-oci: [^\n]*Check the tag or digest\n$/)
      const verbose = yield* run("digest", `${host}/team/app:none`, "--log-level", "debug")
      assert.deepStrictEqual([verbose.code, verbose.out], [3, ""])
      assert.match(verbose.err, /level=DEBUG /)
    })
  )

  it.scoped("login reads the password from standard input", () =>
    Effect.gen(function* () {
      const server = yield* serve({ auth: { _tag: "Basic", users: { ann: { password: "s3cret" } } } })
      const { host } = new URL(server.url)
      const { ended } = yield* start(["login", host, "-u", "ann", "--password-stdin"], { input: "s3cret\n" })
      assert.include((yield* ended).out, `Logged in to ${host} as ann`)
      assert.strictEqual((yield* run("catalog", host)).code, 0)
    })
  )

  it.scoped("an interruption cancels uploads", () =>
    Effect.gen(function* () {
      const source = yield* serve({ adjustments: [stalling] })
      const target = yield* serve()
      yield* source.seedImage("team/app", { tag: "v1", layerBytes: 4096 })
      const { child, ended } = yield* start(["copy", `${new URL(source.url).host}/team/app:v1`, `${new URL(target.url).host}/copy/app:v1`])
      yield* eventually(Effect.map(target.openUploads, (uploads) => uploads.length > 0))
      child.kill("SIGINT")
      assert.strictEqual((yield* ended).code, 130)
      assert.deepStrictEqual(yield* target.openUploads, [])
      assert.deepStrictEqual(yield* target.tags("copy/app"), [])
    })
  )

  it.scoped("serve is a registry until it is interrupted", () =>
    Effect.gen(function* () {
      const { child, ended, texts } = yield* start(["serve", "--port", "0", "--user", "ann:s3cret"])
      yield* eventually(Effect.sync(() => texts.out.endsWith("\n")))
      const { code, err } = yield* run("ping", new URL(texts.out.trim()).host)
      assert.strictEqual(code, 4)
      assert.include(err, "Check the credentials")
      child.kill("SIGINT")
      assert.strictEqual((yield* ended).code, 130)
    })
  )

  it.scoped("a signal ends it while it waits for standard input", () =>
    Effect.gen(function* () {
      const { folder } = yield* Bundle
      const temporary = Path.join(folder, "waiting")
      yield* Effect.promise(() => Fs.promises.mkdir(temporary))
      const look = Effect.promise(() => Fs.promises.readdir(temporary, { recursive: true }))
      const env = { HOME: folder, TMPDIR: temporary }
      const { child, ended } = yield* start(["import", "-", "oci:imported"], { input: null, env })
      child.stdin.write(Buffer.alloc(3_000_000))
      const files = Effect.map(look, (names) => names.map((name) => Fs.statSync(Path.join(temporary, name))).filter((_) => _.isFile()))
      // What it has read is in a file, and it waits for more.
      yield* eventually(Effect.map(files, ([kept]) => kept !== undefined && kept.size >= 2_000_000))
      child.kill("SIGTERM")
      assert.strictEqual((yield* ended).code, 130)
      assert.deepStrictEqual(yield* look, [])
    })
  )

  it.scoped("a terminal that is closed leaves nothing of what was being written behind", () =>
    Effect.gen(function* () {
      const { folder } = yield* Bundle
      const place = Path.join(folder, "closed")
      const source = yield* serve({ adjustments: [stalling] })
      yield* source.seedImage("team/app", { tag: "v1", layerBytes: 4096 })
      const { child, ended } = yield* start(["pull", `${new URL(source.url).host}/team/app:v1`, `oci:${place}`])
      const parts = Effect.sync(() =>
        Fs.existsSync(place) ? Fs.readdirSync(place, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".part")) : []
      )
      yield* eventually(Effect.map(parts, (names) => names.length > 0))
      child.kill("SIGHUP")
      // Not an exit code: Node crashes when it exits and its terminal is gone.
      assert.deepStrictEqual([(yield* ended).code, child.signalCode], [null, "SIGHUP"])
      assert.deepStrictEqual(yield* parts, [])
    })
  )

  it.scoped("a reader that goes away leaves nothing of an archive behind", () =>
    Effect.gen(function* () {
      const { folder } = yield* Bundle
      const temporary = Path.join(folder, "unread")
      yield* Effect.promise(() => Fs.promises.mkdir(temporary))
      const server = yield* serve()
      yield* server.seedImage("team/app", { tag: "v1", layers: 1, layerBytes: 4_000_000 })
      const { child, ended } = yield* start(["export", "--quiet", `${new URL(server.url).host}/team/app:v1`, "-"], {
        env: { HOME: folder, TMPDIR: temporary }
      })
      child.stdout.once("data", () => child.stdout.destroy())
      const { code, err } = yield* ended
      assert.deepStrictEqual([code, err], [141, ""])
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.promises.readdir(temporary)), [])
    })
  )

  it.scoped("no place for what comes from standard input is trouble with files, and nothing that is not found", () =>
    Effect.gen(function* () {
      const { folder } = yield* Bundle
      const { ended } = yield* start(["import", "-", "oci:imported"], { env: { HOME: folder, TMPDIR: Path.join(folder, "nowhere") } })
      const { code, err } = yield* ended
      assert.strictEqual(code, 10)
      assert.match(err, /^effect-oci: write a temporary file for standard input: NotFound: /)
    })
  )

  it.scoped.skipIf(!Fs.existsSync("/dev/full"))("a full disk is told by everything that is written to it, help and completions too", () =>
    Effect.gen(function* () {
      const { file, folder } = yield* Bundle
      const full = yield* Effect.acquireRelease(
        Effect.sync(() => Fs.openSync("/dev/full", "w")),
        (descriptor) => Effect.sync(() => Fs.closeSync(descriptor))
      )
      for (const args of [["--version"], ["--help"], ["copy", "--help"], ["--completions", "bash"]]) {
        const { status, stderr } = spawnSync(process.execPath, [file, ...args], {
          env: { HOME: folder },
          stdio: ["ignore", full, "pipe"],
          encoding: "utf8"
        })
        assert.strictEqual(status, 10, args.join(" "))
        assert.match(stderr, /^effect-oci: write standard output: ENOSPC: [^\n]+\n$/)
      }
    })
  )

  it.scoped("a reader that is gone hears nothing of the version, nor does anybody of its going", () =>
    Effect.gen(function* () {
      const { child, ended } = yield* start(["--version"])
      child.stdout.destroy()
      const { code, err } = yield* ended
      assert.deepStrictEqual([code, err], [141, ""])
    })
  )

  it.scoped("a reader that goes away ends it without complaint", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      yield* Effect.forEach(Array.from({ length: 300 }), (_, tag) => server.seedImage("team/app", { tag: `v${tag}` }))
      const { child, ended } = yield* start(["ls", `${new URL(server.url).host}/team/app`])
      child.stdout.destroy()
      const { code, err } = yield* ended
      assert.deepStrictEqual([code, err], [141, ""])
    })
  )
})

/** Where runs with this environment keep their code, and what is there now. */
const caches = Effect.map(Folder.temporary("caches"), (folder) => {
  const place = Path.join(folder, "effect-oci")
  const files = () => (Fs.existsSync(place) ? Fs.readdirSync(place).map((name) => Path.join(place, name)) : [])
  return {
    env: { XDG_CACHE_HOME: folder },
    place,
    files,
    file: Effect.sync(() => {
      const [file = "", ...others] = files()
      assert.deepStrictEqual(others, [])
      return { file, ...Fs.statSync(file) }
    })
  }
})

const runIn = (env: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) =>
  Effect.flatMap(start(args, { env }), ({ ended }) => ended)

layer(built, { excludeTestServices: true, timeout: "1 minute" })("the compiled code that the bundled command keeps", (it) => {
  it.scoped("is kept once for each kind of run, for its user only", () =>
    Effect.gen(function* () {
      const { env, file, place } = yield* caches
      const help = yield* runIn(env, "copy", "--help")
      const first = yield* file
      assert.strictEqual(first.mode & 0o777, 0o600)
      assert.strictEqual(Fs.statSync(place).mode & 0o777, 0o700)
      assert.deepStrictEqual(yield* runIn(env, "copy", "--help"), help)
      assert.strictEqual((yield* file).ino, first.ino)
      const layout = yield* Folder.temporary("layout")
      yield* runIn(env, "ls", `oci:${layout}`)
      assert.strictEqual((yield* file).ino, first.ino, "the run failed")
      yield* runIn(env, "ls", "--help")
      const second = yield* file
      assert.notStrictEqual(second.mtimeMs, first.mtimeMs)
      assert.isAtLeast(second.size, first.size)
      assert.deepStrictEqual(yield* runIn(env, "copy", "--help"), help)
      assert.strictEqual((yield* file).mtimeMs, second.mtimeMs)
    })
  )

  it.scoped("is not used when it is damaged, or others could have written it", () =>
    Effect.gen(function* () {
      const { env, file } = yield* caches
      const help = yield* runIn(env, "copy", "--help")
      const good = yield* file
      const bytes = Fs.readFileSync(good.file)
      const middle = bytes.length >> 1
      const spoilings: ReadonlyArray<() => void> = [
        () => Fs.writeFileSync(good.file, bytes.with(middle, ~(bytes[middle] ?? 0))),
        () => Fs.writeFileSync(good.file, bytes.subarray(0, middle)),
        () => Fs.writeFileSync(good.file, ""),
        () => Fs.chmodSync(good.file, 0o622)
      ]
      for (const spoil of spoilings) {
        spoil()
        const before = yield* file
        assert.deepStrictEqual(yield* runIn(env, "copy", "--help"), help)
        const after = yield* file
        assert.notStrictEqual(after.mtimeMs, before.mtimeMs)
        assert.strictEqual(after.mode & 0o777, 0o600)
        assert.isAbove(after.size, bytes.length * 0.9)
      }
    })
  )

  it.scoped("is neither read nor written where others may write, nor through a link, nor from a pipe", () =>
    Effect.gen(function* () {
      const { env, file, files, place } = yield* caches
      const help = yield* runIn(env, "copy", "--help")
      const kept = yield* file
      const elsewhere = Path.join(Path.dirname(place), "elsewhere")
      Fs.renameSync(kept.file, elsewhere)
      Fs.symlinkSync(elsewhere, kept.file)
      assert.deepStrictEqual(yield* runIn(env, "copy", "--help"), help)
      assert.isTrue(Fs.lstatSync(kept.file).isFile(), "it was made anew")
      Fs.rmSync(kept.file)
      execFileSync("mkfifo", [kept.file])
      assert.deepStrictEqual(yield* runIn(env, "copy", "--help"), help)
      assert.isTrue(Fs.lstatSync(kept.file).isFile(), "it was made anew")
      Fs.rmSync(kept.file)
      Fs.chmodSync(place, 0o777)
      assert.deepStrictEqual(yield* runIn(env, "copy", "--help"), help)
      assert.deepStrictEqual(files(), [])
    })
  )

  it.scoped("is kept by a run that takes long, while it runs", () =>
    Effect.gen(function* () {
      const { env, files } = yield* caches
      const { child, ended } = yield* start(["serve", "--port", "0"], { env })
      yield* eventually(Effect.sync(() => files().some((name) => !name.endsWith(`.${child.pid}`))))
      child.kill("SIGINT")
      assert.strictEqual((yield* ended).code, 130)
    })
  )

  it.scoped("is done without where it cannot be kept, or shall not", () =>
    Effect.gen(function* () {
      const { env, files, place } = yield* caches
      const help = yield* runIn({ ...env, NODE_DISABLE_COMPILE_CACHE: "1" }, "copy", "--help")
      assert.strictEqual(help.code, 0)
      assert.deepStrictEqual(files(), [])
      assert.deepStrictEqual(yield* runIn({}, "copy", "--help"), help)
      assert.deepStrictEqual(yield* runIn({ XDG_CACHE_HOME: "relative" }, "copy", "--help"), help)
      Fs.writeFileSync(place, "a file")
      assert.deepStrictEqual(yield* runIn(env, "copy", "--help"), help)
      assert.strictEqual(Fs.readFileSync(place, "utf8"), "a file")
    })
  )

  it.scoped("of other versions is removed after a while", () =>
    Effect.gen(function* () {
      const { env, files, place } = yield* caches
      Fs.mkdirSync(place)
      const [old, recent] = [Path.join(place, "old"), Path.join(place, "recent")]
      for (const name of [old, recent]) Fs.writeFileSync(name, "")
      Fs.utimesSync(old, new Date(0), new Date(0))
      yield* runIn(env, "copy", "--help")
      assert.deepStrictEqual([files().length, files().includes(recent), files().includes(old)], [2, true, false])
    })
  )
})

describe("what is published", () => {
  it("leaves the command's own packages out of the library's", () => {
    const { dependencies } = JSON.parse(Fs.readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
    for (const name of ["@effect/cli", "@effect/printer", "@effect/printer-ansi", "cli-progress"]) assert.notProperty(dependencies, name)
  })
})
