import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as TokenScope from "../../src/auth/TokenScope.ts"
import * as Reference from "../../src/model/Reference.ts"
import { type Deviation, deviation, load } from "../vectors/Vectors.ts"

describe("scope-merge", () => {
  const rows = load(
    "scope-merge",
    Schema.Struct({
      name: Schema.String,
      input: Schema.Struct({ held: Schema.Array(Schema.String), challengeScope: Schema.NullOr(Schema.String) }),
      expectedNextScopes: Schema.Array(Schema.String)
    })
  )
  type Row = (typeof rows)[number]
  const resource = (scope: string) => scope.slice(0, scope.lastIndexOf(":"))
  const all = (row: Row) => [...row.input.held, ...(row.input.challengeScope ?? "").split(" ").filter((_) => _ !== "")]
  const deviations: ReadonlyArray<Deviation<Row>> = [
    {
      name: "a parameter with several scopes is several scopes",
      reason: "the specification separates them by spaces; as one string they would be one bad scope",
      applies: (row) => row.input.challengeScope?.includes(" ") ?? false
    },
    {
      name: "one scope per resource",
      reason: "actions are a set, and some services look at the first or the last scope of a resource only",
      applies: (row) => new Set(all(row).map(resource)).size < new Set(all(row)).size
    }
  ]

  it.each(rows)("$name", (row) => {
    const { held, challengeScope } = row.input
    const wanted = challengeScope === null ? [] : [challengeScope]
    const merged = TokenScope.merge(held, wanted)
    if (deviation(deviations, row) === undefined) return expect(merged).toEqual(row.expectedNextScopes)
    // Same rights as Go asks for, no resource twice, and what is new in front.
    expect(TokenScope.normalize(merged)).toEqual(TokenScope.normalize(row.expectedNextScopes))
    expect(new Set(merged.map(resource)).size).toBe(merged.length)
    const added = wanted.flatMap((_) => _.split(" ")).find((scope) => !TokenScope.covers(held, [scope]))
    if (added !== undefined) expect(resource(merged[0] ?? "")).toBe(resource(added))
  })
})

describe("upload-scopes", () => {
  const rows = load(
    "upload-scopes",
    Schema.Struct({
      target: Schema.String,
      mountFrom: Schema.Array(Schema.String),
      expectedFirst: Schema.String,
      expectedRestAnyOrder: Schema.Array(Schema.String)
    })
  )
  const place = (text: string) => Either.getOrThrow(Reference.parse(text)).repository

  it.each(rows)("$target from $mountFrom", (row) => {
    const [first, ...rest] = TokenScope.upload(place(row.target), row.mountFrom.map(place))
    expect(first).toBe(row.expectedFirst)
    expect([...rest].sort()).toEqual([...row.expectedRestAnyOrder].sort())
  })
})

describe("text", () => {
  it("writes", () => {
    expect(TokenScope.pull("a/b")).toBe("repository:a/b:pull")
    expect(TokenScope.push("a/b")).toBe("repository:a/b:push,pull")
    expect(TokenScope.remove("a/b")).toBe("repository:a/b:push,pull,delete")
    expect(TokenScope.repository("a/b", ["pull"], { class: "plugin" })).toBe("repository(plugin):a/b:pull")
    expect(TokenScope.repository("a/b", ["pull"], { class: "image" })).toBe("repository:a/b:pull")
    expect(TokenScope.catalog).toBe("registry:catalog:*")
  })
  it("reads several, names with colons, and what is no scope", () => {
    expect(TokenScope.parse(" repository(plugin):h:5000/a/b:pull,push  registry:catalog:* odd ")).toEqual([
      { type: "repository(plugin)", name: "h:5000/a/b", actions: ["pull", "push"] },
      { type: "registry", name: "catalog", actions: ["*"] },
      { type: "odd", name: "", actions: [] }
    ])
  })
})

const scopesOf = (...names: ReadonlyArray<string>) =>
  fc.array(
    fc
      .record({ name: fc.constantFrom("a", "b", "c/d"), actions: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1 }) })
      .map(({ name, actions }) => TokenScope.repository(name, actions)),
    { maxLength: 6 }
  )
const scopes = scopesOf("pull", "push", "delete")
const starred = scopesOf("pull", "push", "delete", "*")

describe("sets", () => {
  it("covers by action and by star, not by name", () => {
    expect(TokenScope.covers(["repository:a:push,pull"], ["repository:a:pull"])).toBe(true)
    expect(TokenScope.covers(["repository:a:pull"], ["repository:a:pull,push"])).toBe(false)
    expect(TokenScope.covers(["repository:a:*"], ["repository:a:delete"])).toBe(true)
    expect(TokenScope.covers(["repository:a:pull"], ["repository:ab:pull"])).toBe(false)
    expect(TokenScope.covers(["repository(plugin):a:pull"], ["repository:a:pull"])).toBe(false)
    expect(TokenScope.covers([], [])).toBe(true)
  })
  it.prop("normal form does not depend on order or spelling", [scopes], ([list]) => {
    const spelled = list
      .flatMap((_) => TokenScope.parse(_))
      .flatMap((_) => _.actions.map((action) => TokenScope.repository(_.name, [action])))
    expect(TokenScope.normalize([...list].reverse())).toEqual(TokenScope.normalize(list))
    expect(TokenScope.normalize(spelled)).toEqual(TokenScope.normalize(list))
    expect(TokenScope.normalize(TokenScope.normalize(list))).toEqual(TokenScope.normalize(list))
  })
  it("asks by name for what a star was not enough for", () => {
    expect(TokenScope.merge(["registry:catalog:*"], ["registry:catalog:search"])).toEqual(["registry:catalog:search,*"])
    expect(TokenScope.merge(["repository:a:*", "repository:b:pull"], ["repository:a:*"])).toEqual(["repository:a:*", "repository:b:pull"])
  })
  it.prop("a merge covers both sides, no more, and no resource twice", [starred, starred], ([held, added]) => {
    const merged = TokenScope.merge(held, added)
    expect(TokenScope.normalize(merged)).toEqual(TokenScope.normalize([...held, ...added]))
    expect(merged).toHaveLength(TokenScope.normalize(merged).length)
    expect(TokenScope.covers(merged, [...held, ...added])).toBe(true)
  })
  it.prop("covers both ways means the same set", [scopes, scopes], ([a, b]) => {
    const same = TokenScope.covers(a, b) && TokenScope.covers(b, a)
    expect(same).toBe(JSON.stringify(TokenScope.normalize(a)) === JSON.stringify(TokenScope.normalize(b)))
  })
})
