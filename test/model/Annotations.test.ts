import { describe, expect, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Annotations from "../../src/model/Annotations.ts"

const decode = Schema.decodeUnknownEither(Annotations.Annotations)

describe("Annotations", () => {
  it("accepts any keys and empty values, and nothing but text", () => {
    const annotations = { [Annotations.title]: "app.tar", "com.example.mine": "", "": "x" }
    expect(decode(annotations)).toEqual(Either.right(annotations))
    for (const wrong of [{ a: 1 }, { a: null }, { a: ["x"] }, ["x"], "x", null]) expect(Either.isLeft(decode(wrong))).toBe(true)
  })

  it("predefines the keys of the image-spec", () => {
    const keys = Object.values<unknown>(Annotations).filter((_): _ is string => typeof _ === "string")
    expect(keys).toHaveLength(14)
    expect(new Set(keys).size).toBe(keys.length)
    expect(keys.filter((key) => !/^org\.opencontainers\.image\.[a-z.]+$/.test(key))).toEqual([])
  })

  it.each(["stable", "v1.4.0", "a/b", "ghcr.io/acme/app:1.4", "a--b", "a@b+c"])("%s may be a ref name", (text) => {
    expect(Annotations.isRefName(text)).toBe(true)
  })

  it.each(["", "-a", "a-", "a..b", "a---b", "a/", "/a", "a b", "é"])("%j may not be a ref name", (text) => {
    expect(Annotations.isRefName(text)).toBe(false)
  })

  it("reads the time of creation", () => {
    const at = (text: string) => Option.map(Annotations.createdAt({ [Annotations.created]: text }), DateTime.formatIso)
    expect(at("2024-05-01T10:00:00Z")).toEqual(Option.some("2024-05-01T10:00:00.000Z"))
    expect(at("2024-05-01T10:00:00.123456789+02:00")).toEqual(Option.some("2024-05-01T08:00:00.123Z"))
    expect(at("2024-05-01t10:00:00z")).toEqual(Option.some("2024-05-01T10:00:00.000Z"))
    expect(at("2024-02-29T23:30:00-01:00")).toEqual(Option.some("2024-03-01T00:30:00.000Z"))
    for (const wrong of ["", "yesterday", "2024-05-01", "2024-13-01T10:00:00Z", "1714557600"]) expect(at(wrong)).toEqual(Option.none())
    for (const wrong of ["2024-02-30T10:00:00Z", "2023-02-29T10:00:00Z", "2024-05-01T24:00:00Z"]) expect(at(wrong)).toEqual(Option.none())
    expect(Annotations.createdAt({})).toEqual(Option.none())
  })
})
