import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Pagination from "../../src/client/Pagination.ts"

const cursor = (text: string) => Pagination.Cursor.make(text)

/** Pages by their cursors; the first one has none. */
const served = (pages: Readonly<Record<string, Pagination.Page>>) => {
  const asked: Array<string> = []
  const fetch = (at: Pagination.Cursor | undefined) =>
    Effect.sync(() => {
      asked.push(at ?? "")
      return pages[at ?? ""] ?? { items: [] }
    })
  return { asked, fetch }
}

const collect = <A, E>(stream: Stream.Stream<A, E>) => Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

describe("stream", () => {
  it.effect("gives the entries of all pages in order, whatever their number", () =>
    Effect.gen(function* () {
      const { fetch } = served({
        "": { items: ["a", "b"], next: cursor("/2") },
        "/2": { items: [], next: cursor("/3") },
        "/3": { items: ["c"] }
      })
      expect(yield* collect(Pagination.stream(fetch))).toEqual(["a", "b", "c"])
    })
  )

  it.effect("fetches no page before it is needed", () =>
    Effect.gen(function* () {
      const { asked, fetch } = served({ "": { items: ["a", "b"], next: cursor("/2") }, "/2": { items: ["c"], next: cursor("/3") } })
      expect(yield* collect(Stream.take(Pagination.stream(fetch), 2))).toEqual(["a", "b"])
      expect(asked).toEqual([""])
    })
  )

  it.effect("fails when it is led in a circle", () =>
    Effect.gen(function* () {
      const origin = { registry: "registry.test", operation: "tags" }
      const { asked, fetch } = served({ "": { items: ["a"], next: cursor("/2") }, "/2": { items: ["b"], next: cursor("/2") } })
      const error = yield* Effect.flip(collect(Pagination.stream(fetch, { origin })))
      expect(error).toMatchObject({ _tag: "MalformedContent", ...origin })
      expect(asked).toEqual(["", "/2"])
    })
  )

  it.effect("knows the cursor it began with", () =>
    Effect.gen(function* () {
      const { fetch } = served({ "/1": { items: ["a"], next: cursor("/1") } })
      const error = yield* Effect.flip(collect(Pagination.stream(fetch, { start: cursor("/1") })))
      expect(error._tag).toBe("MalformedContent")
    })
  )

  it.effect("ends with an empty page that leads back", () =>
    Effect.gen(function* () {
      const { fetch } = served({ "": { items: ["a"], next: cursor("/2") }, "/2": { items: [], next: cursor("/2") } })
      expect(yield* collect(Pagination.stream(fetch))).toEqual(["a"])
    })
  )

  it.effect("fails after so many pages", () =>
    Effect.gen(function* () {
      let page = 0
      const fetch = () => Effect.sync(() => ({ items: [`${page}`], next: cursor(`/${++page}`) }))
      const error = yield* Effect.flip(collect(Pagination.stream(fetch, { maxPages: 3 })))
      expect(error).toMatchObject({ _tag: "LimitExceeded", limit: 3 })
      expect(page).toBe(3)
    })
  )

  it.effect("starts afresh each time it is run", () =>
    Effect.gen(function* () {
      const { fetch } = served({ "": { items: ["a"], next: cursor("/2") }, "/2": { items: ["b"] } })
      const stream = Pagination.stream(fetch, { maxPages: 2 })
      expect(yield* collect(stream)).toEqual(yield* collect(stream))
    })
  )

  it.effect.prop("loses and repeats nothing, however the entries are divided", [fc.array(fc.array(fc.string()))], ([groups]) =>
    Effect.gen(function* () {
      const fetch = (at: Pagination.Cursor = cursor("/0")) => {
        const number = Number(at.slice(1))
        const more = number + 1 < groups.length
        return Effect.succeed({ items: groups[number] ?? [], ...(more ? { next: cursor(`/${number + 1}`) } : {}) })
      }
      expect(yield* collect(Pagination.stream(fetch))).toEqual(groups.flat())
    })
  )
})

describe("Cursor", () => {
  it("is a path or a URL", () => {
    const isCursor = Schema.is(Pagination.Cursor)
    expect(["/v2/a/tags/list?last=b&n=2", "https://cdn.test/page"].every((text) => isCursor(text))).toBe(true)
    expect(["", "v2/a", "file:///etc/passwd", "/v2/a b", "/v2/a#b"].some((text) => isCursor(text))).toBe(false)
  })
})
