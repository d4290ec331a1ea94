/** Tar archives with everything that headers can say, made byte by byte: what libraries write is only a part of what there is. */
import { Buffer } from "node:buffer"

type Bytes = string | Uint8Array

interface Fields {
  readonly name: Bytes
  readonly flag?: string
  readonly mode?: Bytes
  readonly uid?: Bytes
  readonly gid?: Bytes
  readonly size?: Bytes
  readonly mtime?: Bytes
  readonly link?: Bytes
  readonly magic?: string
  readonly major?: Bytes
  readonly minor?: Bytes
  readonly prefix?: Bytes
  readonly content?: Bytes
  /** Bytes at any other place of the block. */
  readonly at?: ReadonlyArray<readonly [offset: number, bytes: Bytes]>
  /** Blocks between the header and the content. */
  readonly between?: Uint8Array
}

const octal = (value: number, length: number) => `${value.toString(8).padStart(length - 1, "0")}\0`

export const posix = "ustar\x0000"
export const gnu = "ustar  \0"

/** To the base 256, two's complement. */
export const binary = (value: bigint, length: number): Buffer => {
  const field = Buffer.alloc(length)
  for (let [at, left] = [length - 1, value]; at >= 0; at--, left >>= 8n) field[at] = Number(left & 0xffn)
  field[0] = (field[0] ?? 0) | 0x80
  return field
}

const filled = (content: Buffer) => Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)])

export const entry = (fields: Fields): Buffer => {
  const content = Buffer.from(fields.content ?? "")
  const block = Buffer.alloc(512)
  const put = (bytes: Bytes, offset: number, length: number) => Buffer.from(bytes).copy(block, offset, 0, length)
  put(fields.name, 0, 100)
  put(fields.mode ?? octal(0o644, 8), 100, 8)
  put(fields.uid ?? octal(1000, 8), 108, 8)
  put(fields.gid ?? octal(100, 8), 116, 8)
  put(fields.size ?? octal(content.length, 12), 124, 12)
  put(fields.mtime ?? octal(1_500_000_000, 12), 136, 12)
  put(fields.flag ?? "0", 156, 1)
  put(fields.link ?? "", 157, 100)
  put(fields.magic ?? posix, 257, 8)
  if (fields.magic !== "") {
    put("alice", 265, 32)
    put("users", 297, 32)
  }
  put(fields.major ?? octal(0, 8), 329, 8)
  put(fields.minor ?? octal(0, 8), 337, 8)
  put(fields.prefix ?? "", 345, 155)
  for (const [offset, bytes] of fields.at ?? []) put(bytes, offset, 512)
  block.fill(" ", 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148, 8)
  return Buffer.concat([block, fields.between ?? Buffer.alloc(0), filled(content)])
}

/** The records of a pax header. */
export const records = (pairs: ReadonlyArray<readonly [string, string]>): string =>
  pairs
    .map(([key, value]) => {
      const rest = Buffer.byteLength(` ${key}=${value}\n`)
      const length = [1, 2, 3, 4, 5, 6, 7].map((digits) => digits + rest).find((all, index) => String(all).length === index + 1)
      return `${length} ${key}=${value}\n`
    })
    .join("")

export const pax = (pairs: ReadonlyArray<readonly [string, string]>, flag = "x"): Buffer =>
  entry({ name: "PaxHeaders.0/x", flag, content: records(pairs) })

export const end = Buffer.alloc(1024)

export const archive = (...parts: ReadonlyArray<Uint8Array>): Buffer => Buffer.concat([...parts, end])

const file = entry({ name: "a.txt", content: "hello" })
const long = `${"long/".repeat(60)}name`
const sparsePiece = (offset: number, length: number) => `${octal(offset, 12)}${octal(length, 12)}`

/** An old sparse file of GNU whose map goes on in a block of its own. */
const oldSparse = () => {
  const more = Buffer.alloc(512)
  more.write(sparsePiece(8192, 3) + sparsePiece(9000, 0), 0)
  return entry({
    name: "old",
    flag: "S",
    magic: gnu,
    size: octal(13, 12),
    content: "0123456789abc",
    at: [
      [386, sparsePiece(0, 2) + sparsePiece(1024, 3) + sparsePiece(2048, 1) + sparsePiece(4096, 4)],
      [482, "\u0001"],
      [483, octal(9000, 12)]
    ],
    between: more
  })
}

const map = (lines: string) => filled(Buffer.from(lines)).toString("latin1")

export const samples: Readonly<Record<string, Uint8Array>> = {
  "no byte at all": new Uint8Array(),
  "one block of zeros": Buffer.alloc(512),
  "without an end": file,
  "not filled up": file.subarray(0, 512 + 5),
  "something behind the end": archive(file, end, Buffer.from("garbage")),
  "hard link": archive(file, entry({ name: "b", flag: "1", link: "a.txt" })),
  "hard link with a size": archive(file, entry({ name: "b", flag: "1", link: "a.txt", size: octal(5, 12) })),
  "symbolic link to a folder": archive(entry({ name: "l", flag: "2", link: "../x/", mode: octal(0o777, 8) })),
  devices: archive(
    entry({ name: "tty", flag: "3", major: octal(5, 8), minor: octal(1, 8) }),
    entry({ name: "disk", flag: "4", major: octal(8, 8), minor: octal(0o17, 8) }),
    entry({ name: "pipe", flag: "6" })
  ),
  "a folder": archive(entry({ name: "d/", flag: "5", mode: octal(0o1777, 8) })),
  "the root in four ways": archive(
    entry({ name: "./", flag: "5" }),
    entry({ name: "/", flag: "5" }),
    entry({ name: "..", flag: "5" }),
    entry({ name: ".", flag: "5" })
  ),
  "odd modes": archive(
    entry({ name: "setuid", mode: "0004755\0" }),
    entry({ name: "type bits", mode: "0100644\0" }),
    entry({ name: "spaces", mode: "   644 \0" }),
    entry({ name: "no end", mode: "00000644" }),
    entry({ name: "empty", mode: Buffer.alloc(8) })
  ),
  "numbers to the base 256": archive(
    entry({ name: "owner", magic: gnu, uid: binary(5_000_000_000n, 8), gid: binary(-2n, 8) }),
    entry({ name: "before 1970", magic: gnu, mtime: binary(-86_400n, 12) }),
    entry({ name: "size", magic: gnu, size: binary(5n, 12), content: "hello" })
  ),
  "without magic": archive(
    entry({ name: "old", flag: "\0", magic: "", content: "x", major: "7", minor: "junk" }),
    entry({ name: "old/", flag: "\0", magic: "" })
  ),
  "star, with its shorter prefix": archive(
    entry({
      name: "name",
      prefix: "p".repeat(155),
      at: [
        [476, `${octal(1, 12)}${octal(2, 12)}`],
        [508, "tar\0"]
      ]
    })
  ),
  "a prefix": archive(entry({ name: "name", prefix: "some/where" })),
  "times where GNU keeps them": archive(entry({ name: "name", magic: gnu, prefix: `${octal(1, 12)}${octal(2, 12)}` })),
  "a prefix where GNU has none": archive(entry({ name: "name", magic: gnu, prefix: "some/where" })),
  "type 7": archive(entry({ name: "contiguous", flag: "7", content: "abc" })),
  "a type nobody knows": archive(entry({ name: "what", flag: "Z", content: "abc" })),
  "bytes that are no UTF-8": archive(entry({ name: Buffer.from([0x61, 0xff, 0xe9]), flag: "2", link: Buffer.from([0xc3]) })),
  "GNU's long names": archive(
    entry({ name: "././@LongLink", flag: "L", magic: gnu, content: `${long}\0` }),
    entry({ name: "././@LongLink", flag: "K", magic: gnu, content: `${long}2\0` }),
    entry({ name: long, flag: "2", link: long, magic: gnu })
  ),
  "GNU's long name before pax": archive(
    entry({ name: "././@LongLink", flag: "L", magic: gnu, content: `${long}\0` }),
    pax([["path", "other"]]),
    entry({ name: "short" })
  ),
  "pax: everything": archive(
    pax([
      ["path", "pfäd/ü"],
      ["linkpath", "ziel"],
      ["uid", "4294967296"],
      ["gid", "-1"],
      ["size", "5"],
      ["mtime", "1700000000.999999999"],
      ["atime", "1.5"],
      ["uname", "björn"],
      ["gname", "x"]
    ]),
    entry({ name: "short", size: octal(0, 12), between: Buffer.alloc(0) }),
    filled(Buffer.from("hello"))
  ),
  "pax: times before 1970": archive(
    ...["-1.5", "-1.0", "-0.5", "-1.", "1.0000000009", "-1.0000000009", "+7"].flatMap((mtime, at) => [
      pax([["mtime", mtime]]),
      entry({ name: `f${at}` })
    ])
  ),
  "pax: extended attributes": archive(
    pax([
      ["SCHILY.xattr.user.b", "2=\n3"],
      ["SCHILY.xattr.security.capability", "\u0001\0\0\u0002 "],
      ["SCHILY.xattr.user.a", "1"],
      ["SCHILY.xattr.user.none", ""],
      ["LIBARCHIVE.xattr.user.c", "Mw"]
    ]),
    entry({ name: "f", content: "x" }),
    entry({ name: "g", content: "y" })
  ),
  "pax: what is empty says nothing": archive(
    pax([
      ["path", ""],
      ["uid", ""]
    ]),
    entry({ name: "f" })
  ),
  "pax: the second header replaces the first": archive(
    pax([
      ["path", "one"],
      ["uid", "1"]
    ]),
    pax([["gid", "2"]]),
    entry({ name: "f" })
  ),
  "pax: the last record of a key": archive(
    pax([
      ["path", "one"],
      ["path", "two"]
    ]),
    entry({ name: "f" })
  ),
  "pax: a global header": archive(
    pax(
      [
        ["comment", "0123456789012345678901234567890123456789"],
        ["SCHILY.xattr.user.a", "1"]
      ],
      "g"
    ),
    entry({ name: "f" })
  ),
  "pax: a global header with a name and more": archive(
    pax(
      [
        ["path", "named"],
        ["uid", "7"],
        ["mtime", "1"]
      ],
      "g"
    ),
    entry({ name: "f" })
  ),
  "pax: a global header between": archive(pax([["path", "lost"]]), pax([["comment", "x"]], "g"), entry({ name: "f" })),
  "sparse: GNU's old format": archive(oldSparse(), file),
  "sparse: nothing but a hole": archive(
    entry({
      name: "old",
      flag: "S",
      magic: gnu,
      at: [
        [386, sparsePiece(1000, 0)],
        [483, octal(1000, 12)]
      ]
    })
  ),
  "sparse: pax 0.0": archive(
    pax([
      ["GNU.sparse.size", "20"],
      ["GNU.sparse.numblocks", "2"],
      ["GNU.sparse.offset", "2"],
      ["GNU.sparse.numbytes", "5"],
      ["GNU.sparse.offset", "18"],
      ["GNU.sparse.numbytes", "2"]
    ]),
    entry({ name: "s", content: "abcdefg" })
  ),
  "sparse: pax 0.1": archive(
    pax([
      ["GNU.sparse.size", "20"],
      ["GNU.sparse.numblocks", "2"],
      ["GNU.sparse.name", "named"],
      ["GNU.sparse.map", "2,5,18,2"]
    ]),
    entry({ name: "s", content: "abcdefg" })
  ),
  "sparse: pax 1.0": archive(
    pax([
      ["GNU.sparse.major", "1"],
      ["GNU.sparse.minor", "0"],
      ["GNU.sparse.name", "named"],
      ["GNU.sparse.realsize", "100000"]
    ]),
    entry({ name: "GNUSparseFile.0/s", content: `${map("2\n2\n5\n99998\n2\n")}abcdefg` }),
    file
  ),
  "sparse: a version nobody knows": archive(
    pax([
      ["GNU.sparse.major", "2"],
      ["GNU.sparse.minor", "0"],
      ["GNU.sparse.size", "100"]
    ]),
    entry({ name: "s", content: "abc" })
  ),
  "a path three times, in one order and in another": archive(
    ...["a", "b", "c", "a", "d", "a", "e", "./a", "/b"].map((name, at) => entry({ name, content: String(at) }))
  ),
  "broken: a checksum": archive(entry({ name: "f", at: [[0, "g"]] }).fill("h", 1, 2)),
  "broken: a checksum to the base 256": archive(Buffer.from(file).fill(0x80, 148, 149)),
  "broken: the middle of a header": file.subarray(0, 300),
  "broken: the middle of a file": file.subarray(0, 514),
  "broken: zeros and then more": Buffer.concat([Buffer.alloc(512), file]),
  "broken: a number": archive(entry({ name: "f", uid: "12x\0" })),
  "broken: a number over 64 bits": archive(entry({ name: "f", magic: gnu, mtime: binary(2n ** 63n, 12) })),
  "broken: a negative size": archive(entry({ name: "f", magic: gnu, size: binary(-1n, 12) })),
  "broken: a pax record without end": archive(entry({ name: "p", flag: "x", content: "20 path=x\n" }), file),
  "broken: a pax record without key": archive(entry({ name: "p", flag: "x", content: "6 =xx\n" }), file),
  "broken: a pax path with a zero": archive(pax([["path", "a\0b"]]), file),
  "broken: a pax number": archive(pax([["uid", "1x"]]), file),
  "broken: a pax time": archive(pax([["atime", "1.x"]]), file),
  "broken: a sparse map out of order": archive(
    pax([
      ["GNU.sparse.numblocks", "2"],
      ["GNU.sparse.map", "5,1,2,1"]
    ]),
    entry({ name: "s", content: "abcdefg" })
  ),
  "broken: a sparse file without content": archive(
    pax([
      ["GNU.sparse.numblocks", "1"],
      ["GNU.sparse.map", "0,9"],
      ["GNU.sparse.size", "9"]
    ]),
    entry({ name: "s", content: "abc" })
  ),
  "broken: a sparse file with more than fits": archive(
    pax([
      ["GNU.sparse.numblocks", "1"],
      ["GNU.sparse.map", "0,2"],
      ["GNU.sparse.size", "9"]
    ]),
    entry({ name: "s", content: "abc" })
  ),
  "broken: an old sparse file without GNU's magic": archive(entry({ name: "s", flag: "S", at: [[483, octal(5, 12)]] }))
}
