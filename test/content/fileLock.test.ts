import { readFile, writeFile } from "node:fs/promises"
import * as NodePath from "node:path"
import { SystemError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as FileLock from "../../src/content/internal/fileLock.ts"
import * as FolderFiles from "../../src/content/internal/folderFiles.ts"
import * as LayoutFolder from "../../src/content/internal/layoutFolder.ts"
import * as Index from "../../src/content/internal/layoutIndex.ts"
import * as Folder from "../support/Folder.ts"
import { blob, encode } from "./sampleImages.ts"

const options = { label: "test", expiry: "10 seconds", timeout: "1 minute" } as const

const fresh = Effect.gen(function* () {
  const folder = yield* Folder.temporary("lock")
  const fs = yield* FileSystem.FileSystem
  const file = NodePath.join(folder, "lock")
  const files = FolderFiles.make(fs, yield* Path.Path, yield* fs.realPath(folder), { label: "test", followLinks: false })
  return { file, files, fs, lock: FileLock.make(fs, { ...options, file }) }
})

const { descriptor } = blob(encode("{}"))

describe("the lock of processes", () => {
  layer(NodeContext.layer)((it) => {
    it.scoped("its owner knows of it, and leaves nothing behind, however it ends", () =>
      Effect.gen(function* () {
        const { file, fs, lock } = yield* fresh
        assert.isTrue(yield* lock.run((held) => held))
        assert.isFalse(yield* fs.exists(file))
        assert.deepStrictEqual(yield* Effect.either(lock.run(() => Effect.fail("no"))), Either.left("no"))
        assert.isFalse(yield* fs.exists(file))
        yield* Effect.exit(lock.run(() => Effect.interrupt))
        assert.isFalse(yield* fs.exists(file))
      })
    )

    it.scoped("who lost it is told so, and does not take it from its new owner", () =>
      Effect.gen(function* () {
        const { file, lock } = yield* fresh
        const held = yield* lock.run((held) =>
          Effect.zipRight(
            Effect.promise(() => writeFile(file, "another")),
            held
          )
        )
        assert.isFalse(held)
        assert.strictEqual(yield* Effect.promise(() => readFile(file, "utf8")), "another")
      })
    )

    it.scoped("a disk that is full leaves no lock that nobody owns", () =>
      Effect.gen(function* () {
        const { file, fs } = yield* fresh
        const full = new SystemError({ reason: "Unknown", module: "FileSystem", method: "writeAll", description: "the disk is full" })
        const disk: FileSystem.FileSystem = {
          ...fs,
          open: (path, how) => Effect.map(fs.open(path, how), (opened) => Object.assign(opened, { writeAll: () => Effect.fail(full) })),
          writeFileString: (path, _, how) => Effect.zipRight(fs.writeFileString(path, "", how), Effect.fail(full))
        }
        const lock = FileLock.make(disk, { ...options, file })
        assert.match((yield* Effect.flip(lock.run(() => Effect.void))).reason, /the disk is full/)
        assert.isFalse(yield* fs.exists(file))
        yield* fs.writeFileString(file, "another")
        const waiting = yield* Effect.fork(lock.run(() => Effect.void))
        yield* Fiber.interrupt(waiting)
        assert.strictEqual(yield* fs.readFileString(file), "another")
      })
    )

    it.scoped("a folder that is not there is a failure", () =>
      Effect.gen(function* () {
        const { file, fs } = yield* fresh
        const lock = FileLock.make(fs, { ...options, file: NodePath.join(file, "nowhere") })
        const failed = yield* Effect.flip(lock.run(() => Effect.void))
        assert.strictEqual(failed._tag, "StoreError")
      })
    )

    it.scoped("a change whose lock was lost on the way is made anew, on what is there then", () =>
      Effect.gen(function* () {
        const { files } = yield* fresh
        yield* LayoutFolder.writeIndex(files, Index.empty, Effect.succeed(true))
        let runs = 0
        // The first time another process publishes in between.
        const losing: FileLock.FileLock = {
          run: (use) =>
            use(
              Effect.gen(function* () {
                runs += 1
                if (runs > 1) return true
                yield* Effect.orDie(LayoutFolder.writeIndex(files, Index.setTag(Index.empty, descriptor, "theirs"), Effect.succeed(true)))
                return false
              })
            )
        }
        yield* LayoutFolder.change("test", files, losing)((index) => Index.setTag(index, descriptor, "ours"))
        assert.strictEqual(runs, 2)
        const index = yield* Index.parse(yield* Effect.promise(() => readFile(files.path(["index.json"]))))
        assert.deepStrictEqual(Index.tags(index), ["ours", "theirs"])
      })
    )

    it.scoped("a change that is never allowed to publish ends with an error and leaves no file", () =>
      Effect.gen(function* () {
        const { files } = yield* fresh
        yield* LayoutFolder.writeIndex(files, Index.empty, Effect.succeed(true))
        const lost: FileLock.FileLock = { run: (use) => use(Effect.succeed(false)) }
        const failed = yield* Effect.flip(LayoutFolder.change("test", files, lost)((index) => Index.setTag(index, descriptor, "ours")))
        assert.strictEqual(failed._tag, "StoreError")
        assert.deepStrictEqual(yield* files.list([]), ["index.json"])
      })
    )
  })
})
