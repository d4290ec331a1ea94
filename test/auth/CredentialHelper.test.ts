import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import { inspect } from "node:util"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as CredentialHelper from "../../src/auth/CredentialHelper.ts"
import * as Credentials from "../../src/auth/Credentials.ts"
import { secretsOf } from "../../src/auth/internal/secrets.ts"
import * as FakeHelpers from "../support/FakeHelpers.ts"

const canary = "s3cr3t-canary"

const service = (fake: ReturnType<typeof FakeHelpers.make>, options?: CredentialHelper.Options) =>
  Effect.provide(CredentialHelper.make(options), fake.layer)

const always = (answer: FakeHelpers.Answer) => FakeHelpers.make(() => Effect.succeed(answer))

const reveal = (credentials: Credentials.Credentials) => [credentials._tag, ...secretsOf(credentials)]

describe("CredentialHelper", () => {
  describe("get", () => {
    it.effect("gives the server to the program and reads user and password", () =>
      Effect.gen(function* () {
        const fake = always(FakeHelpers.json({ ServerURL: "ghcr.io", Username: "me", Secret: "pass" }))
        const helper = yield* service(fake)
        const found = yield* helper.get("desktop", "ghcr.io")
        assert.deepStrictEqual(fake.calls, [{ helper: "desktop", verb: "get", input: "ghcr.io" }])
        assertSome(Option.map(found, Credentials.identity), Credentials.identity(Credentials.basic("me", "pass")))
      })
    )

    it.effect("takes the user <token> as the mark of an identity token", () =>
      Effect.gen(function* () {
        const helper = yield* service(always(FakeHelpers.json({ Username: "<token>", Secret: "refresh" })))
        const found = yield* helper.get("acr", "x.azurecr.io")
        assertSome(Option.map(found, reveal), ["IdentityToken", "refresh"])
      })
    )

    it.effect("knows the names in an answer whatever their case, as docker does", () =>
      Effect.gen(function* () {
        const helper = yield* service(always(FakeHelpers.json({ serverURL: "h", username: "me", secret: "pass" })))
        const found = yield* helper.get("x", "h")
        assert.strictEqual(Option.getOrNull(Option.map(found, Credentials.identity)), Credentials.identity(Credentials.basic("me", "pass")))
      })
    )

    it.effect("knows the words for «not found», and an empty answer", () =>
      Effect.gen(function* () {
        assertNone(yield* (yield* service(always(FakeHelpers.notFound))).get("x", "h"))
        assertNone(yield* (yield* service(always(FakeHelpers.json({ Username: "", Secret: "" })))).get("x", "h"))
      })
    )

    it.effect("a program that is not installed, fails or talks nonsense is a KeychainError that names it", () =>
      Effect.gen(function* () {
        const reasons = yield* Effect.forEach(
          [FakeHelpers.none, always({ stdout: "boom\nmore", exit: 2 }), always({ stdout: "not json", exit: 0 })],
          (fake) => Effect.flip(Effect.flatMap(service(fake), (_) => _.get("x", "h")))
        )
        assert.deepStrictEqual(
          reasons.map((_) => [_.source, _.registry, _.reason]),
          [
            ["docker-credential-x", "h", "the program was not found in the search path"],
            ["docker-credential-x", "h", '"get" ended with exit code 2: boom'],
            ["docker-credential-x", "h", 'answered "get" with something else than its JSON']
          ]
        )
      })
    )

    it.effect("refuses names that could reach another program", () =>
      Effect.gen(function* () {
        const fake = always(FakeHelpers.json({ Username: "u", Secret: "p" }))
        const helper = yield* service(fake)
        for (const name of ["../evil", "a/b", "a\\b", "", "..", "a b", "a\0b", "a\n"]) {
          const error = yield* Effect.flip(helper.get(name, "h"))
          assert.strictEqual(error.reason, "not the name of a credential helper")
        }
        assert.deepStrictEqual(fake.calls, [])
      })
    )

    it.effect("stops reading at the limit", () =>
      Effect.gen(function* () {
        const helper = yield* service(always({ stdout: "x".repeat(101), exit: 0 }), { outputLimitBytes: 100 })
        const error = yield* Effect.flip(helper.get("x", "h"))
        assert.strictEqual(error.reason, "wrote more than the limit of 100 bytes")
      })
    )
  })

  describe("time limit", () => {
    it.effect("ends a program that hangs, and answers at once", () =>
      Effect.gen(function* () {
        const fake = FakeHelpers.make(() => Effect.never)
        const helper = yield* service(fake)
        const fiber = yield* Effect.fork(Effect.either(helper.get("x", "h")))
        yield* TestClock.adjust("29 seconds")
        assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
        yield* TestClock.adjust("1 seconds")
        const result = yield* Fiber.join(fiber)
        assert.deepStrictEqual(
          Either.mapLeft(result, (_) => _.reason),
          Either.left('gave no answer to "get" within 30s')
        )
        assert.deepStrictEqual(fake.signals, ["SIGTERM"])
      })
    )

    it.effect("kills a program that does not end when asked to", () =>
      Effect.gen(function* () {
        const fake = FakeHelpers.make(() => Effect.never, { ignoresTerm: true })
        const helper = yield* service(fake, { timeout: "5 seconds" })
        const fiber = yield* Effect.fork(Effect.either(helper.get("x", "h")))
        yield* TestClock.adjust("5 seconds")
        assert.isTrue(Either.isLeft(yield* Fiber.join(fiber)))
        yield* TestClock.adjust("1 seconds")
        assert.deepStrictEqual(fake.signals, ["SIGTERM", "SIGKILL"])
      })
    )
  })

  describe("sharing", () => {
    const counted = (gate: Effect.Effect<unknown>) =>
      FakeHelpers.make(() => Effect.as(gate, FakeHelpers.json({ Username: "u", Secret: "p" })))

    it.effect("runs the program once for all who ask at the same time, and keeps the answer for its time", () =>
      Effect.gen(function* () {
        const fake = counted(Effect.sleep("1 seconds"))
        const helper = yield* service(fake, { timeToLive: "5 minutes" })
        const ask = helper.get("x", "h")
        const fiber = yield* Effect.fork(
          Effect.all(
            Array.from({ length: 20 }, () => ask),
            { concurrency: "unbounded" }
          )
        )
        yield* TestClock.adjust("1 seconds")
        assert.strictEqual((yield* Fiber.join(fiber)).length, 20)
        assert.strictEqual(fake.calls.length, 1)

        yield* TestClock.adjust("299 seconds")
        yield* ask
        assert.strictEqual(fake.calls.length, 1)

        yield* TestClock.adjust("1 seconds")
        const later = yield* Effect.fork(ask)
        yield* TestClock.adjust("1 seconds")
        yield* Fiber.join(later)
        assert.strictEqual(fake.calls.length, 2)
      })
    )

    it.effect("does not mix helpers or servers", () =>
      Effect.gen(function* () {
        const fake = counted(Effect.void)
        const helper = yield* service(fake)
        yield* helper.get("a", "h")
        yield* helper.get("a", "i")
        yield* helper.get("b", "h")
        assert.deepStrictEqual(
          fake.calls.map((_) => `${_.helper} ${_.input}`),
          ["a h", "a i", "b h"]
        )
      })
    )

    it.effect("does not keep failures", () =>
      Effect.gen(function* () {
        let failing = true
        const fake = FakeHelpers.make(() =>
          Effect.sync(() => (failing ? { stdout: "locked", exit: 1 } : FakeHelpers.json({ Username: "u", Secret: "p" })))
        )
        const helper = yield* service(fake)
        assert.strictEqual((yield* Effect.flip(helper.get("x", "h"))).reason, '"get" ended with exit code 1: locked')
        failing = false
        assert.isTrue(Option.isSome(yield* helper.get("x", "h")))
      })
    )

    it.effect("the first to ask may be interrupted without harm to the others", () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const fake = counted(Deferred.await(gate))
        const helper = yield* service(fake)
        const first = yield* Effect.fork(helper.get("x", "h"))
        yield* Effect.yieldNow()
        const second = yield* Effect.fork(helper.get("x", "h"))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(first)
        yield* Deferred.succeed(gate, undefined)
        assert.isTrue(Option.isSome(yield* Fiber.join(second)))
        assert.strictEqual(fake.calls.length, 1)
        assert.deepStrictEqual(fake.signals, [])
      })
    )

    it.effect("when all who ask are interrupted the program is ended, and the next asks anew", () =>
      Effect.gen(function* () {
        let hang = true
        const fake = FakeHelpers.make(() =>
          Effect.suspend(() => (hang ? Effect.never : Effect.succeed(FakeHelpers.json({ Username: "u", Secret: "p" }))))
        )
        const helper = yield* service(fake)
        const both = yield* Effect.fork(
          Effect.all([helper.get("x", "h"), helper.get("x", "h")], { concurrency: "unbounded", discard: true })
        )
        yield* TestClock.adjust("1 seconds")
        assert.strictEqual(fake.calls.length, 1)
        yield* Fiber.interrupt(both)
        yield* TestClock.adjust("1 seconds")
        assert.deepStrictEqual(fake.signals, ["SIGTERM"])
        hang = false
        assert.isTrue(Option.isSome(yield* helper.get("x", "h")))
      })
    )
  })

  describe("store, erase, list", () => {
    it.effect("speak the protocol and forget the kept answer", () =>
      Effect.gen(function* () {
        let kept: FakeHelpers.Answer = FakeHelpers.notFound
        const fake = FakeHelpers.make((call) =>
          Effect.sync(() => {
            if (call.verb === "store") kept = { stdout: call.input, exit: 0 }
            if (call.verb === "erase") kept = FakeHelpers.notFound
            return call.verb === "list" ? FakeHelpers.json({ "ghcr.io": "me" }) : kept
          })
        )
        const helper = yield* service(fake)
        assertNone(yield* helper.get("x", "ghcr.io"))
        yield* helper.store("x", "ghcr.io", Credentials.basic("me", "p:ä"))
        assert.deepStrictEqual(JSON.parse(fake.calls[1]?.input ?? ""), { ServerURL: "ghcr.io", Username: "me", Secret: "p:ä" })
        const stored = yield* helper.get("x", "ghcr.io")
        assertSome(Option.map(stored, Credentials.identity), Credentials.identity(Credentials.basic("me", "p:ä")))
        assert.deepStrictEqual(yield* helper.list("x"), { "ghcr.io": "me" })
        yield* helper.erase("x", "ghcr.io")
        assertNone(yield* helper.get("x", "ghcr.io"))
      })
    )

    it.effect("an identity token is stored under the user <token>", () =>
      Effect.gen(function* () {
        const fake = always({ stdout: "", exit: 0 })
        yield* (yield* service(fake)).store("x", "h", Credentials.identityToken("refresh", { username: "u", password: "p" }))
        assert.deepStrictEqual(JSON.parse(fake.calls[0]?.input ?? ""), { ServerURL: "h", Username: "<token>", Secret: "refresh" })
      })
    )

    it.effect("what helpers cannot keep is refused without a run", () =>
      Effect.gen(function* () {
        const fake = always({ stdout: "", exit: 0 })
        const helper = yield* service(fake)
        for (const credentials of [Credentials.anonymous, Credentials.registryToken("t")]) {
          const error = yield* Effect.flip(helper.store("x", "h", credentials))
          assert.strictEqual(error.reason, `has no place for credentials of kind ${credentials._tag}`)
        }
        assert.deepStrictEqual(fake.calls, [])
      })
    )
  })

  describe.skipIf(process.platform === "win32")("real programs", () => {
    /** Puts a shell script in front of the search path for the length of a scope. */
    const program = (name: string, script: string) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const folder = mkdtempSync(Path.join(tmpdir(), "effect-oci-helper-"))
          const file = Path.join(folder, `docker-credential-${name}`)
          writeFileSync(file, `#!/bin/sh\n${script}\n`)
          chmodSync(file, 0o755)
          const before = process.env["PATH"]
          process.env["PATH"] = `${folder}${Path.delimiter}${before ?? ""}`
          return { folder, before }
        }),
        ({ before, folder }) =>
          Effect.sync(() => {
            process.env["PATH"] = before
            rmSync(folder, { recursive: true, force: true })
          })
      )

    it.scopedLive("get, with a program that complains a lot beside its answer", () =>
      Effect.gen(function* () {
        yield* program(
          "loud",
          `server=$(cat); i=0; while [ $i -lt 3000 ]; do echo "a line of complaint, one of many, number $i" >&2; i=$((i+1)); done
printf '{"ServerURL":"%s","Username":"%s","Secret":"%s"}' "$server" "$1" "$server"`
        )
        const helper = yield* CredentialHelper.make()
        const found = yield* helper.get("loud", "ghcr.io")
        assertSome(Option.map(found, Credentials.identity), Credentials.identity(Credentials.basic("get", "ghcr.io")))
      }).pipe(Effect.provide(NodeContext.layer))
    )

    it.scopedLive("one that fails without reading, one that is not there", () =>
      Effect.gen(function* () {
        yield* program("deaf", "echo no keychain; exit 3")
        const helper = yield* CredentialHelper.make()
        const stored = yield* Effect.flip(helper.store("deaf", "h", Credentials.basic("u", "p".repeat(200_000))))
        assert.strictEqual(stored.reason, '"store" ended with exit code 3: no keychain')
        const missing = yield* Effect.flip(helper.get("effect-oci-none", "h"))
        assert.strictEqual(missing.reason, "the program was not found in the search path")
      }).pipe(Effect.provide(NodeContext.layer))
    )

    it.scopedLive("one that leaves something running beside its answer", () =>
      Effect.gen(function* () {
        const { folder } = yield* program(
          "starter",
          `sleep 60 > /dev/null & echo $! > "$(dirname "$0")/pid"; echo '{"Username":"u","Secret":"s"}'`
        )
        const helper = yield* CredentialHelper.make({ timeout: "10 seconds" })
        const found = yield* helper.get("starter", "h")
        process.kill(Number(readFileSync(Path.join(folder, "pid"), "utf8")))
        assert.isTrue(Option.exists(found, Credentials.isBasic))
      }).pipe(Effect.provide(NodeContext.layer))
    )

    it.scopedLive("one that hangs and will not end", () =>
      Effect.gen(function* () {
        const { folder } = yield* program("stuck", 'trap \'\' TERM; echo $$ > "$(dirname "$0")/pid"; while true; do sleep 1; done')
        const helper = yield* CredentialHelper.make({ timeout: "500 millis" })
        const error = yield* Effect.flip(helper.get("stuck", "h"))
        assert.strictEqual(error.reason, 'gave no answer to "get" within 500ms')
        const pid = Number(readFileSync(Path.join(folder, "pid"), "utf8"))
        // Asking a process that is gone for its state throws.
        const gone = Effect.flip(Effect.try(() => process.kill(pid, 0)))
        yield* Effect.retry(gone, Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(100)))
      }).pipe(Effect.provide(NodeContext.layer))
    )
  })

  it.effect("no secret reaches an error, whatever the program prints", () =>
    Effect.gen(function* () {
      const answers: ReadonlyArray<FakeHelpers.Answer> = [
        { stdout: `{"Username":"u","Secret":"${canary}"}`, exit: 1 },
        { stdout: `{"Username":"u","Secret":"${canary}"`, exit: 0 },
        { stdout: `{"Username":["${canary}"],"Secret":"${canary}"}`, exit: 0 },
        { stdout: `cannot store ${canary} at https://u:${canary}@host/path?sig=${canary}`, exit: 1 }
      ]
      for (const answer of answers) {
        const helper = yield* service(always(answer))
        const calls = [
          ...(answer.stdout.startsWith("{") ? [helper.get("x", "h"), helper.list("x")] : []),
          ...(answer.exit === 0 ? [] : [helper.store("x", "h", Credentials.basic("u", canary))])
        ]
        for (const call of calls) {
          const error = yield* Effect.flip(Effect.asVoid(call))
          for (const text of [error.message, String(error), inspect(error, { depth: 10 }), JSON.stringify(error)]) {
            assert.notInclude(text, canary)
          }
        }
      }
      const found = yield* (yield* service(always(FakeHelpers.json({ Username: "u", Secret: canary })))).get("x", "h")
      assert.notInclude(inspect(found, { depth: 10 }) + JSON.stringify(found), canary)
      assert.isTrue(Option.exists(found, (_) => _._tag === "Basic" && Redacted.value(_.password) === canary))
    })
  )
})
