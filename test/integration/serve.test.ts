/** `npm run serve` as other programs see it: skopeo, and crane and oras where they are installed, push to it and pull from it. */
import { randomBytes } from "node:crypto"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { interrupted } from "../../src/cli/exitCode.ts"
import * as DirImage from "../support/DirImage.ts"
import * as Folder from "../support/Folder.ts"
import * as Program from "../support/Program.ts"
import * as Serve from "../support/Serve.ts"
import * as Skopeo from "../support/Skopeo.ts"

const login = { username: "alice", password: "wonder:land" }
const user = ["--user", `${login.username}:${login.password}`]

/** Pushes with skopeo and pulls again; every byte comes back. */
const roundTrip = (host: string, options: Skopeo.Options = {}) =>
  Effect.gen(function* () {
    const image = DirImage.fromLayers([randomBytes(3_000_000), randomBytes(10)])
    const reference = `${host}/team/app:1.0`
    yield* Skopeo.push(image, reference, options)
    DirImage.assertSame(yield* Skopeo.pull(reference, options), image)
    return image
  })

describe.skipIf(!Program.available(Skopeo.program))("npm run serve", () => {
  it.scopedLive("open, in memory; ends by itself at SIGTERM", () =>
    Effect.gen(function* () {
      const server = yield* Serve.start()
      yield* roundTrip(server.host)
      assert.strictEqual(yield* server.stop("SIGTERM"), interrupted)
      assert.strictEqual(yield* server.complaints, "")
    })
  )

  it.scopedLive("in a folder, which the next run finds as it was; ends by itself at SIGINT", () =>
    Effect.gen(function* () {
      const folder = yield* Folder.temporary("serve-data")
      const first = yield* Serve.start(["--dir", folder])
      const image = yield* roundTrip(first.host)
      assert.strictEqual(yield* first.stop("SIGINT"), interrupted)

      const second = yield* Serve.start(["--dir", folder])
      DirImage.assertSame(yield* Skopeo.pull(`${second.host}/team/app:1.0`), image)
    })
  )

  it.scopedLive("with users: Basic, and tokens", () =>
    Effect.gen(function* () {
      for (const options of [user, [...user, "--token"]]) {
        const server = yield* Serve.start(options)
        const refused = yield* Effect.either(roundTrip(server.host))
        assert.strictEqual(refused._tag, "Left")
        yield* roundTrip(server.host, { logins: { [server.host]: login } })
      }
    })
  )

  it.scopedLive("like another registry", () =>
    Effect.gen(function* () {
      const server = yield* Serve.start(["--like", "pulp.gzipAccepted"])
      yield* roundTrip(server.host)
      const unknown = yield* Effect.either(Serve.start(["--like", "nobody"]))
      assert.strictEqual(unknown._tag, "Left")
    })
  )
})

describe.skipIf(!Program.has("crane"))("npm run serve and crane", () => {
  it.scopedLive("push, copy, list, delete and pull, byte for byte", () =>
    Effect.gen(function* () {
      const server = yield* Serve.start()
      const folder = yield* Folder.temporary("crane")
      const crane = (...args: ReadonlyArray<string>) =>
        Effect.map(Program.run("crane", [...args, "--insecure"], { HOME: folder }), ({ stdout }) => stdout.trim())
      yield* Effect.promise(() => mkdir(Path.join(folder, "app")))
      const layer = Path.join(folder, "layer.tar")
      yield* Effect.promise(() => writeFile(Path.join(folder, "app", "data"), randomBytes(2_000_000)))
      yield* Program.run("tar", ["-C", Path.join(folder, "app"), "-cf", layer, "data"])

      const one = `${server.host}/team/one:1.0`
      yield* crane("append", "--new_layer", layer, "--new_tag", one)
      const digest = yield* crane("digest", one)
      yield* crane("copy", one, `${server.host}/team/two:2.0`)
      assert.strictEqual(yield* crane("digest", `${server.host}/team/two:2.0`), digest)
      assert.strictEqual(yield* crane("ls", `${server.host}/team/two`), "2.0")
      assert.strictEqual(yield* crane("catalog", server.host), "team/one\nteam/two")
      yield* crane("validate", "--remote", `${server.host}/team/two:2.0`)

      yield* crane("export", `${server.host}/team/two:2.0`, Path.join(folder, "back.tar"))
      yield* Effect.promise(() => mkdir(Path.join(folder, "back")))
      yield* Program.run("tar", ["-C", Path.join(folder, "back"), "-xf", Path.join(folder, "back.tar")])
      const [sent, got] = yield* Effect.promise(() => Promise.all(["app", "back"].map((name) => readFile(Path.join(folder, name, "data")))))
      assert.isTrue(sent !== undefined && got !== undefined && sent.equals(got))

      yield* crane("delete", `${server.host}/team/two@${digest}`)
      assert.strictEqual((yield* Effect.either(crane("digest", `${server.host}/team/two:2.0`)))._tag, "Left")
    })
  )
})

describe.skipIf(!Program.has("oras"))("npm run serve and oras", () => {
  it.scopedLive("push, attach, discover and pull, byte for byte", () =>
    Effect.gen(function* () {
      const server = yield* Serve.start()
      const folder = yield* Folder.temporary("oras")
      const content = randomBytes(1_000_000)
      yield* Effect.promise(() => writeFile(Path.join(folder, "note.bin"), content))
      const oras = (...args: ReadonlyArray<string>) =>
        Effect.map(
          Program.run("sh", ["-c", 'cd "$0" && exec oras "$@"', folder, ...args, "--plain-http"], { HOME: folder }),
          ({ stdout }) => stdout
        )
      const reference = `${server.host}/team/notes:1.0`
      yield* oras("push", reference, "note.bin:application/octet-stream")
      yield* oras("attach", reference, "--artifact-type", "application/vnd.test.signature", "note.bin")
      assert.include(yield* oras("discover", reference), "application/vnd.test.signature")
      yield* oras("pull", reference, "-o", "back")
      assert.isTrue((yield* Effect.promise(() => readFile(Path.join(folder, "back", "note.bin")))).equals(content))
    })
  )
})
