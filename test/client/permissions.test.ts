import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import { checkDelete, checkPush } from "../../src/client/internal/permissions.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as Registries from "../support/Registries.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"
import * as Vectors from "../vectors/Vectors.ts"

const repository = Effect.runSync(Reference.parseRepository("registry.test/acme/app"))
const transport = RegistryTransport.RegistryTransport

/** A registry where `reader` may pull only. */
const guarded = (user: string) =>
  Registries.layer({
    hosts: {
      "registry.test": {
        auth: RegistryOptions.bearer({
          users: { writer: { password: "w" }, reader: { password: "r", access: ["repository:*:pull"] } }
        })
      }
    },
    keychain: Keychain.layer({ "registry.test": Credentials.basic(user, user.slice(0, 1)) })
  })

describe("checkPush", () => {
  it.effect("succeeds for who may push, and leaves no upload behind", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* checkPush(yield* transport, repository)
      expect(yield* registry.openUploads).toEqual([])
      const statuses = (yield* registry.requests)
        .filter(({ endpoint }) => endpoint === "upload")
        .map(({ method, status }) => [method, status])
      expect(statuses.at(-1)).toEqual(["DELETE", 204])
    }).pipe(Effect.provide(guarded("writer")))
  )

  it.effect("fails for who may not", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(checkPush(yield* transport, repository))
      expect(["Denied", "Unauthorized"]).toContain(error._tag)
    }).pipe(Effect.provide(guarded("reader")))
  )

  it.effect("does not mind a registry that cannot cancel, or tells no Location", () =>
    Effect.gen(function* () {
      const answers = [
        { status: 202 },
        { status: 202, headers: { location: "http://[bad" } },
        { status: 202, headers: { location: "u/1" } }
      ]
      for (const answer of answers) {
        const { outcome } = yield* ScriptedHttp.against(
          ({ method }) => (method === "POST" ? answer : { status: 405 }),
          (_) => checkPush(_, repository)
        )
        expect(outcome).toEqual(Either.void)
      }
    })
  )

  it.effect("cancels the upload when it is interrupted in between", () =>
    Effect.gen(function* () {
      let fiber: Fiber.RuntimeFiber<void, unknown> | undefined
      const { layer, received } = ScriptedHttp.make(({ method, target }) => {
        if (method === "POST" && fiber !== undefined) Effect.runFork(Fiber.interrupt(fiber))
        return target === "/v2/"
          ? { status: 200 }
          : { status: method === "POST" ? 202 : 204, headers: { location: "/v2/acme/app/blobs/uploads/1" } }
      })
      yield* Effect.gen(function* () {
        fiber = yield* Effect.fork(checkPush(yield* transport, repository))
        expect(Exit.isInterrupted(yield* Fiber.await(fiber))).toBe(true)
      }).pipe(Effect.provide(Registries.layerOver(layer)))
      expect(ScriptedHttp.lines(received)).toEqual(["POST /v2/acme/app/blobs/uploads/", "DELETE /v2/acme/app/blobs/uploads/1"])
    })
  )
})

describe("checkDelete", () => {
  it.effect("deletes nothing", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const image = yield* registry.seedManifest(repository.name, Manifest.artifact({ artifactType: "a/b" }).bytes, { tags: ["v1"] })
      yield* checkDelete(yield* transport, repository)
      expect(yield* registry.manifests(repository.name)).toEqual([image.digest])
    }).pipe(Effect.provide(guarded("writer")))
  )

  it.effect("fails for who may not", () =>
    Effect.gen(function* () {
      yield* Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) => registry.seedRepository(repository.name))
      const error = yield* Effect.flip(checkDelete(yield* transport, repository))
      expect(["Denied", "Unauthorized"]).toContain(error._tag)
    }).pipe(Effect.provide(guarded("reader")))
  )

  it.effect("is Unsupported where nothing can be deleted", () =>
    Effect.gen(function* () {
      yield* Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) => registry.seedRepository(repository.name))
      expect((yield* Effect.flip(checkDelete(yield* transport, repository)))._tag).toBe("Unsupported")
    }).pipe(Effect.provide(Registries.layer({ hosts: { "registry.test": { capabilities: { deleteManifest: false } } } })))
  )

  const answers: ReadonlyArray<readonly [status: number, body: string, outcome: string]> = [
    [200, "", "allowed"],
    [202, "", "allowed"],
    [404, "", "allowed"],
    [404, '{"errors":[{"code":"NAME_UNKNOWN","message":""}]}', "NameUnknown"],
    [400, "", "Unsupported"],
    [405, "", "Unsupported"],
    [403, "", "Denied"],
    [401, "", "Unauthorized"]
  ]

  it.effect.each(answers)("takes %s %s for %s", ([status, body, expected]) =>
    Effect.gen(function* () {
      const { outcome } = yield* ScriptedHttp.against(
        () => ({ status, body }),
        (_) => checkDelete(_, repository)
      )
      expect(Either.match(outcome, { onLeft: ({ _tag }): string => _tag, onRight: () => "allowed" })).toBe(expected)
    })
  )
})

const Row = Schema.Struct({
  input: Schema.Struct({ postStatus: Schema.Number, location: Schema.optional(Schema.String) }),
  expectedError: Schema.Boolean,
  expectedCancel: Schema.NullOr(Schema.String)
})

describe("check-push-permission.json", () => {
  for (const { expectedCancel, expectedError, input } of Vectors.load("check-push-permission", Row)) {
    it.effect(`${input.postStatus}`, () =>
      Effect.gen(function* () {
        const place = yield* Reference.parseRepository("registry.test/write/time")
        const headers = input.location === undefined ? {} : { location: input.location }
        const script: ScriptedHttp.Script = ({ method }) => (method === "POST" ? { status: input.postStatus, headers } : { status: 500 })
        const { asked, outcome } = yield* ScriptedHttp.whileTimePasses(ScriptedHttp.against(script, (_) => checkPush(_, place)))
        expect(Either.isLeft(outcome)).toBe(expectedError)
        // Ours is awaited, so that none is left behind when the program ends; a result it may have is ignored as well.
        const cancel = expectedCancel?.split(" ").slice(0, 2).join(" ")
        const [post, ...others] = asked
        expect(post).toBe("POST /v2/write/time/blobs/uploads/")
        expect(others).toEqual(cancel === undefined ? expect.not.arrayContaining([expect.stringContaining("DELETE")]) : [cancel])
      })
    )
  }
})
