import { chmod, mkdir, symlink, writeFile } from "node:fs/promises"
import * as NodePath from "node:path"
import * as Path from "@effect/platform/Path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as CertsDirectory from "../../src/engine/CertsDirectory.ts"
import * as Certificates from "../support/Certificates.ts"
import * as Folder from "../support/Folder.ts"

const folder = Effect.fnUntraced(function* (files: Readonly<Record<string, string>>) {
  const made = yield* Folder.temporary("certs")
  for (const [name, text] of Object.entries(files)) yield* Effect.promise(() => writeFile(NodePath.join(made, name), text))
  return made
})

const load = (directory: string) => Effect.provide(CertsDirectory.load(directory), NodeContext.layer)

/** What is wrong with a folder of these files. */
const refusal = (files: Readonly<Record<string, string>>) =>
  Effect.flatMap(folder(files), (directory) =>
    Effect.map(Effect.flip(load(directory)), (error) => [error._tag, error.message.replaceAll(directory, "")])
  )

const lines = (pem: string) => pem.trim()

describe("CertsDirectory.load", () => {
  it.scoped("authorities of all files are trusted, in the order of their names", () =>
    Effect.gen(function* () {
      const [one, two, three] = yield* Effect.all([1, 2, 3].map((number) => Certificates.authority(`authority ${number}`)))
      const bundle = `# what they are for\n${two?.certificate}\nbetween\n${three?.certificate}\n`
      const found = yield* load(yield* folder({ "b.crt": bundle, "a.crt": `${one?.certificate}`, "c.pem": "not looked at" }))
      assert.deepStrictEqual(
        found.ca?.map(lines),
        [one, two, three].map((_) => lines(`${_?.certificate}`))
      )
      assert.deepStrictEqual(Object.keys(found), ["ca"])
    })
  )

  it.scoped("what is no certificate among the authorities is passed over", () =>
    Effect.gen(function* () {
      const authority = yield* Certificates.authority("authority")
      const broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"
      const found = yield* load(
        yield* folder({ "a.crt": "junk", "b.crt": `${broken}${authority.certificate}`, "c.crt": authority.privateKey })
      )
      assert.deepStrictEqual(found.ca?.map(lines), [lines(authority.certificate)])
      assert.deepStrictEqual(yield* load(yield* folder({ "a.crt": "junk" })), {})
    })
  )

  it.scoped("a client certificate and its key go together; the key is a secret; the first by name is offered", () =>
    Effect.gen(function* () {
      const authority = yield* Certificates.authority("authority")
      const [first, second] = [yield* authority.issue(["first"]), yield* authority.issue(["second"])]
      const found = yield* load(
        yield* folder({
          "z.cert": second.certificate,
          "z.key": second.privateKey,
          "client.cert": first.certificate,
          "client.key": first.privateKey
        })
      )
      assert.strictEqual(lines(found.certificate ?? ""), lines(first.certificate))
      assert.strictEqual(found.key === undefined ? undefined : Redacted.value(found.key), first.privateKey)
      assert.isFalse(JSON.stringify(found).includes("PRIVATE"))
    })
  )

  it.scoped("no folder says nothing, nor does an empty one", () =>
    Effect.gen(function* () {
      const empty = yield* folder({})
      assert.deepStrictEqual(yield* load(empty), {})
      assert.deepStrictEqual(yield* load(NodePath.join(empty, "none")), {})
    })
  )

  it.scoped("one of a pair alone is told in the engine's words", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* refusal({ "client.cert": "" }), [
        "InvalidCertsDirectory",
        ": missing key client.key for client certificate client.cert. Note that CA certificates should use the extension .crt"
      ])
      assert.deepStrictEqual(yield* refusal({ "client.key": "" }), [
        "InvalidCertsDirectory",
        ": Missing client certificate client.cert for key client.key"
      ])
    })
  )

  it.scoped("a pair of which one is not what it should be is told, and nothing of its content", () =>
    Effect.gen(function* () {
      const { certificate, privateKey } = yield* Certificates.authority("authority")
      const pair = (cert: string, key: string) => refusal({ "client.cert": cert, "client.key": key })
      assert.deepStrictEqual(yield* pair("s3cret", privateKey), ["InvalidCertsDirectory", ": client.cert has no certificate"])
      assert.deepStrictEqual(yield* pair(certificate, "s3cret"), ["InvalidCertsDirectory", ": client.key has no private key"])
    })
  )

  it.scoped("what cannot be read fails, as does what is too large", () =>
    Effect.gen(function* () {
      const large = yield* refusal({ "a.crt": "x".repeat(1024 * 1024 + 1) })
      assert.deepStrictEqual(large, ["StoreError", "read /a.crt: it is larger than 1048576 bytes"])
      const made = yield* folder({ file: "" })
      yield* Effect.promise(() => symlink("nowhere", NodePath.join(made, "a.crt")))
      assert.strictEqual((yield* Effect.flip(load(made)))._tag, "StoreError")
      assert.strictEqual((yield* Effect.flip(load(NodePath.join(made, "file"))))._tag, "StoreError")
      yield* Effect.promise(() => mkdir(NodePath.join(made, "closed")))
      yield* Effect.promise(() => chmod(NodePath.join(made, "closed"), 0))
      // Root reads everything.
      if (process.getuid?.() !== 0) assert.strictEqual((yield* Effect.flip(load(NodePath.join(made, "closed"))))._tag, "StoreError")
    })
  )
})

describe("CertsDirectory.directoryFor", () => {
  const windows = Layer.effect(
    Path.Path,
    Effect.map(Path.Path, (path) => ({ ...path, sep: "\\", join: (...parts: ReadonlyArray<string>) => parts.join("\\") }))
  ).pipe(Layer.provide(Path.layer))

  const names = (hosts: ReadonlyArray<string>, root: string) =>
    Effect.forEach(hosts, (host) =>
      Effect.map(
        Effect.either(CertsDirectory.directoryFor(root, host)),
        Either.getOrElse(() => "none")
      )
    )

  it.effect("is named as the host is in references", () =>
    Effect.gen(function* () {
      const hosts = ["registry.corp", "registry.corp:443", "registry.corp:5000", "127.0.0.1:5000", "[::1]:5000"]
      const root = CertsDirectory.defaultRoots[0] ?? ""
      assert.deepStrictEqual(
        yield* names(hosts, root),
        hosts.map((host) => `/etc/docker/certs.d/${host}`)
      )
    }).pipe(Effect.provide(Path.layer))
  )

  it.effect("on Windows has no colon", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* names(["registry.corp:5000"], "C:\\certs.d"), ["C:\\certs.d\\registry.corp5000"])
    }).pipe(Effect.provide(windows))
  )

  it.effect("leads nowhere else", () =>
    Effect.gen(function* () {
      const refused = ["", ".", "..", "../x", "a/b", "a\\b", "..\\x", "a\0b"]
      assert.deepStrictEqual(
        yield* names(refused, "/certs.d"),
        refused.map(() => "none")
      )
      const error = yield* Effect.flip(CertsDirectory.directoryFor("/certs.d", "../x"))
      assert.strictEqual(error.message, "/certs.d: the folder of no host")
    }).pipe(Effect.provide(Path.layer))
  )
})
