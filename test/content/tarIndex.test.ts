import { truncate, writeFile } from "node:fs/promises"
import * as NodePath from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TarHeader from "../../src/content/internal/tarHeader.ts"
import * as TarIndex from "../../src/content/internal/tarIndex.ts"
import * as Folder from "../support/Folder.ts"
import { encode, noise } from "./sampleImages.ts"
import * as TarFiles from "./tarFiles.ts"

const indexed = (file: string) =>
  Effect.provide(
    Effect.flatMap(FileSystem.FileSystem, (fs) => TarIndex.read(fs, file, "test")),
    NodeContext.layer
  )

const archived = (content: Uint8Array) =>
  Effect.gen(function* () {
    const file = NodePath.join(yield* Folder.temporary("tar"), "a.tar")
    yield* Effect.promise(() => writeFile(file, content))
    return file
  })

const contentOf = (file: string, index: TarIndex.TarIndex, name: string) =>
  Option.match(index.find(name), {
    onNone: () => Effect.succeed(undefined),
    onSome: ({ offset, sizeBytes }) =>
      Effect.provide(
        Effect.flatMap(FileSystem.FileSystem, (fs) =>
          sizeBytes === 0
            ? Effect.succeed("")
            : Effect.map(Stream.runCollect(fs.stream(file, { offset, bytesToRead: sizeBytes })), (_) =>
                Buffer.concat(Chunk.toReadonlyArray(_)).toString("latin1")
              )
        ),
        NodeContext.layer
      )
  })

/** The content of each name in an archive of these parts. */
const contents = (parts: ReadonlyArray<Uint8Array>, ...names: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const file = yield* archived(Buffer.concat(parts))
    const index = yield* indexed(file)
    return yield* Effect.forEach(names, (name) => contentOf(file, index, name))
  })

const failure = (parts: ReadonlyArray<Uint8Array>) =>
  Effect.map(Effect.either(Effect.flatMap(archived(Buffer.concat(parts)), indexed)), (_) =>
    Either.isLeft(_) ? `${_.left._tag}: ${_.left.message}` : "success"
  )

const { end, raw } = TarFiles

describe("reading", () => {
  it.scoped("what tar-stream writes, of any names and lengths", () =>
    Effect.gen(function* () {
      const component = fc.oneof(fc.stringMatching(/^[a-zA-Z0-9_-]{1,40}$/), fc.stringMatching(/^[a-zé€😀]{1,70}$/u))
      const path = fc.array(component, { minLength: 1, maxLength: 6 }).map((_) => _.join("/"))
      const file = fc.tuple(path, fc.uint8Array({ maxLength: 2000 }))
      for (const entries of fc.sample(fc.uniqueArray(file, { selector: ([name]) => name, maxLength: 8, minLength: 1 }), 30)) {
        const archive = yield* TarFiles.bytes(entries)
        const found = yield* contents([archive], ...entries.map(([name]) => name))
        assert.deepStrictEqual(
          found,
          entries.map(([, content]) => Buffer.from(content).toString("latin1"))
        )
      }
    })
  )

  it.scoped("long names and sizes of GNU, prefixes of POSIX, headers of old programs", () =>
    Effect.gen(function* () {
      const long = `${"x".repeat(60)}/${"y".repeat(200)}`
      const found = yield* contents(
        [
          raw({ name: "././@LongLink", flag: "L", content: `${long}\0`, magic: "ustar  \0" }),
          raw({ name: long.slice(0, 100), content: "long", magic: "ustar  \0" }),
          raw({ name: "base256", size: Buffer.from("800000000000000000000003", "hex"), content: "256" }),
          raw({ name: "name", prefix: "pre/fix", content: "prefix" }),
          raw({ name: "gnu", prefix: "not a prefix", magic: "ustar  \0", content: "gnu" }),
          raw({ name: "v7", flag: "\0", magic: "", content: "v7" }),
          raw({ name: "spaces", size: "     3 ", content: "spc" }),
          raw({ name: "empty", size: "", content: "" }),
          raw({ name: "seven", flag: "7", content: "7" }),
          end
        ],
        ...[long, "base256", "pre/fix/name", "gnu", "v7", "spaces", "empty", "seven", "absent"]
      )
      assert.deepStrictEqual(found, ["long", "256", "prefix", "gnu", "v7", "spc", "", "7", undefined])
    })
  )

  it.scoped("pax headers: path and size come first; global ones are passed over", () =>
    Effect.gen(function* () {
      const pax = (records: ReadonlyArray<string>) => raw({ name: "pax", flag: "x", content: records.join("") })
      const found = yield* contents(
        [
          raw({ name: "global", flag: "g", content: "15 path=global\n" }),
          pax(["17 path=päx/one\n", "9 size=5\n"]),
          raw({ name: "short", size: "00000000000\0", content: "" }),
          Buffer.concat([Buffer.from("12345"), Buffer.alloc(507)]),
          raw({ name: "after", content: "after" }),
          end
        ],
        ...["päx/one", "short", "after", "global"]
      )
      assert.deepStrictEqual(found, ["12345", undefined, "after", undefined])
    })
  )

  it.scoped("./ before a name is nothing; folders, devices and pipes are no files", () =>
    Effect.gen(function* () {
      const found = yield* contents(
        [
          raw({ name: "./a/./b", content: "ab" }),
          raw({ name: "dir", flag: "5" }),
          raw({ name: "olddir/", flag: "0" }),
          raw({ name: "pipe", flag: "6", size: "00000001000\0" }),
          raw({ name: "device", flag: "3" }),
          raw({ name: "unknown", flag: "Z", content: "?" }),
          raw({ name: "last", content: "last" })
        ],
        ...["a/b", "./a/b", "dir", "olddir", "pipe", "device", "unknown", "./last", "last"]
      )
      assert.deepStrictEqual(found, ["ab", "ab", undefined, undefined, undefined, undefined, undefined, "last", "last"])
    })
  )

  it.scoped("what follows the end is not looked at", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* contents([raw({ name: "a", content: "a" }), end, raw({ name: "b", content: "b" }), end], "a", "b"), [
        "a",
        undefined
      ])
      assert.deepStrictEqual(yield* contents([raw({ name: "a", content: "a" }), end, encode("garbage")], "a"), ["a"])
    })
  )
})

describe("links and names", () => {
  it.scoped("links are followed once, and only within the archive", () =>
    Effect.gen(function* () {
      const link = (name: string, linkName: string, flag = "2") => raw({ name, linkName, flag })
      const found = yield* contents(
        [
          raw({ name: "a/layer.tar", content: "layer" }),
          raw({ name: "passwd", content: "inside" }),
          link("b/layer.tar", "../a/layer.tar"),
          link("hard", "a/layer.tar", "1"),
          link("c/chain", "../b/layer.tar"),
          link("self", "self"),
          link("d/out", "../../passwd"),
          link("absolute", "/passwd"),
          link("hardout", "../passwd", "1"),
          link("nowhere", "gone"),
          end
        ],
        ...["b/layer.tar", "hard", "c/chain", "self", "d/out", "absolute", "hardout", "nowhere"]
      )
      assert.deepStrictEqual(found, ["layer", "layer", undefined, undefined, undefined, undefined, undefined, undefined])
    })
  )

  it.scoped("names that lead out of the archive name nothing", () =>
    Effect.gen(function* () {
      const names = ["/a", "../a", "b/../a", "..", "a/..", ""]
      const found = yield* contents(
        [...names.map((name) => raw({ name, content: "bad" })), raw({ name: "ok", content: "ok" }), end],
        ...names,
        "a",
        "ok"
      )
      assert.deepStrictEqual(found, [...names.map(() => undefined), undefined, "ok"])
    })
  )

  it.scoped("of several files of a name the first counts, and it is known that there are more", () =>
    Effect.gen(function* () {
      const entries = [raw({ name: "a", content: "1" }), raw({ name: "./a", content: "2" }), raw({ name: "b", content: "3" }), end]
      const file = yield* archived(Buffer.concat(entries))
      const index = yield* indexed(file)
      assert.strictEqual(yield* contentOf(file, index, "a"), "1")
      assert.deepStrictEqual(["a", "./a", "b"].map(index.isAmbiguous), [true, true, false])
    })
  )
})

describe("broken archives", () => {
  const ok = raw({ name: "ok", content: "ok" })
  const broken: ReadonlyArray<readonly [string, ReadonlyArray<Uint8Array>, string]> = [
    ["nothing", [], "MalformedContent"],
    ["only an end", [end], "MalformedContent"],
    ["not a tar", [noise(2048, 1)], "MalformedContent"],
    ["text", [encode("hello")], "MalformedContent"],
    ["a wrong checksum", [raw({ name: "a", checksum: "000001\0 " })], "MalformedContent"],
    ["no checksum", [raw({ name: "a", checksum: "zzzzzz\0 " })], "MalformedContent"],
    ["a negative size", [raw({ name: "a", size: Buffer.from("ffffffffffffffffffffffff", "hex") })], "MalformedContent"],
    ["a size that no number holds", [raw({ name: "a", size: Buffer.from("80ffffffffffffffffffffff", "hex") })], "MalformedContent"],
    ["a size that is no number", [raw({ name: "a", size: "12345678999\0" })], "MalformedContent"],
    ["a size beyond its end", [raw({ name: "a", size: "00000100000\0" }), end], "MalformedContent"],
    ["a cut header", [ok, ok.subarray(0, 100)], "MalformedContent"],
    ["a cut file", [ok, raw({ name: "a", content: noise(600, 1) }).subarray(0, 1024)], "MalformedContent"],
    ["a pax header that is cut", [raw({ name: "p", flag: "x", content: "99 path=a\n" }), ok], "MalformedContent"],
    ["a pax header without length", [raw({ name: "p", flag: "x", content: "path=a\n" }), ok], "MalformedContent"],
    ["a pax header without end of line", [raw({ name: "p", flag: "x", content: "9 path=ab" }), ok], "MalformedContent"],
    ["a pax header of length zero", [raw({ name: "p", flag: "x", content: "0 path=ab\n" }), ok], "MalformedContent"],
    ["a pax header with a broken size", [raw({ name: "p", flag: "x", content: "10 size=-1\n" }), ok], "MalformedContent"],
    ["a huge pax header", [raw({ name: "p", flag: "x", content: Buffer.alloc(2 * 1024 * 1024) }), ok], "LimitExceeded"],
    ["a huge long name", [raw({ name: "p", flag: "L", content: Buffer.alloc(2 * 1024 * 1024, "a") }), ok], "LimitExceeded"]
  ]
  for (const [what, parts, expected] of broken) {
    it.scoped(what, () =>
      Effect.gen(function* () {
        assert.match(yield* failure(parts), new RegExp(`^${expected}: `))
      })
    )
  }

  it.scoped("a sparse file is not there, since its content is not what is stored", () =>
    Effect.gen(function* () {
      const pax = raw({ name: "p", flag: "x", content: "22 GNU.sparse.major=1\n" })
      assert.deepStrictEqual(yield* contents([pax, raw({ name: "a", content: "map" }), ok, end], "a", "ok"), [undefined, "ok"])
    })
  )

  it.scoped("what follows a sparse file of GNU tar is found, however many holes that has", () =>
    Effect.gen(function* () {
      // The first four are in the header, which says that more follow.
      const header = raw({ name: "a", flag: "S", magic: "ustar  ", prefix: "\x01".padStart(138, "\0"), size: "00000001000\0" })
      const more = Buffer.alloc(512)
      more[504] = 1
      const sparse = [header, more, Buffer.alloc(512), Buffer.alloc(512)]
      assert.deepStrictEqual(yield* contents([...sparse, ok, end], "a", "ok"), [undefined, "ok"])
      assert.match(yield* failure([header, more]), /^MalformedContent: .*ends in the middle/)
    })
  )

  it.scoped("any bytes are read or refused", () =>
    Effect.gen(function* () {
      const archive = yield* TarFiles.bytes([
        ["a", noise(700, 1)],
        [`${"d/".repeat(60)}b`, "b"],
        ["c", ""]
      ])
      const file = yield* archived(archive)
      for (const [at, byte, length] of fc.sample(
        fc.tuple(fc.nat(archive.length - 1), fc.nat(255), fc.oneof(fc.constant(archive.length), fc.nat(archive.length))),
        200
      )) {
        const changed = Buffer.from(archive)
        changed[at] = byte
        yield* Effect.promise(() => writeFile(file, changed))
        yield* Effect.promise(() => truncate(file, length))
        const read = yield* Effect.either(indexed(file))
        if (Either.isLeft(read)) assert.oneOf(read.left._tag, ["MalformedContent", "LimitExceeded"])
      }
    })
  )
})

describe("writing", () => {
  it.scoped("headers that tar-stream and we read, long names too", () =>
    Effect.gen(function* () {
      const names = [
        "a",
        "x".repeat(100),
        "x".repeat(101),
        `blobs/sha512/${"0".repeat(128)}`,
        "é".repeat(60),
        "x".repeat(985),
        "x".repeat(990)
      ]
      const parts = names.flatMap((name) => {
        const content = encode(name.slice(0, 5))
        return [TarHeader.encode(name, content.length), content, new Uint8Array(512 - content.length)]
      })
      const archive = Buffer.concat([...parts, TarHeader.trailer()])
      assert.deepStrictEqual(
        (yield* TarFiles.read(archive)).map(([name, content]) => [name, content.toString()]),
        names.map((name) => [name, name.slice(0, 5)])
      )
      assert.deepStrictEqual(
        yield* contents([archive], ...names),
        names.map((name) => Buffer.from(name.slice(0, 5)).toString("latin1"))
      )
    })
  )

  it("sizes of any number of bytes", () => {
    for (const size of [0, 1, 8 ** 11 - 1, 8 ** 11, 2 ** 40 + 1, Number.MAX_SAFE_INTEGER]) {
      assert.strictEqual(Either.getOrThrow(TarHeader.parse(TarHeader.encode("a", size))).sizeBytes, size)
    }
  })
})
