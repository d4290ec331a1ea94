import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Challenge from "../../src/auth/Challenge.ts"
import * as Credentials from "../../src/auth/Credentials.ts"
import { type Deviation, deviation, load } from "../vectors/Vectors.ts"

const user = Credentials.basic("user", "password")

const ChallengeRow = Schema.Struct({ scheme: Schema.String, parameters: Schema.Record({ key: Schema.String, value: Schema.String }) })

interface Lines {
  readonly lines: ReadonlyArray<string>
}

interface Rule extends Deviation<Lines> {
  readonly expected: (row: Lines) => ReadonlyArray<Challenge.Challenge>
}

const bearer = (parameters: Record<string, string>): Challenge.Challenge => ({ scheme: "bearer", parameters })
const only = (row: Lines) => row.lines.join("\n")

// Go stops reading a line at the first thing that does not fit; RFC 9110 has a meaning for all of these.
const readFurther: ReadonlyArray<Rule> = [
  {
    name: "several challenges in one line",
    reason: "RFC 9110 §11.6.1: a comma may be followed by another scheme, with or without parameters (E5)",
    applies: (row) => /"\s*,\s*[a-z]+(\s+[a-z]+="|$)/i.test(only(row)),
    expected: (row) => {
      const [first = "", ...rest] = only(row).split(/,\s*(?=[a-z]+(?:\s|$))/i)
      return [first, ...rest].flatMap((part) => Challenge.parseHeader(part))
    }
  },
  {
    name: "empty list elements",
    reason: "RFC 9110 §5.6.1.2: a recipient must ignore a reasonable number of them",
    applies: (row) => only(row).includes(",,"),
    expected: (row) => Challenge.parseHeader(only(row).replace(",,", ","))
  },
  {
    name: "blanks around =",
    reason: "RFC 9110 §11.2 allows bad white space there, and a recipient must read it",
    applies: (row) => / = /.test(only(row)),
    expected: (row) => Challenge.parseHeader(only(row).replace(" = ", "="))
  },
  {
    name: "blanks at the start of the line",
    reason: "RFC 9110 §5.5: they are no part of the value",
    applies: (row) => /^\s/.test(only(row)),
    expected: (row) => Challenge.parseHeader(only(row).trim())
  },
  {
    name: "a URL without quotes",
    reason: "half of it is of no use; the registry can only have meant all of it",
    applies: (row) => /=https?:/.test(only(row)),
    expected: (row) => Challenge.parseHeader(only(row).replace(/=(https?:[^\s,"]+)/g, '="$1"'))
  }
]

const wellFormed = /^[\w-]+(?: +[\w-]+=(?:"(?:[^"\\]|\\.)+"|[\w.*-]+)(?: *, *[\w-]+=(?:"(?:[^"\\]|\\.)+"|[\w.*-]+))*)?$/

/** The last rule: of a line that is not well formed we read no less than Go does. */
const readsNoLess = (found: ReadonlyArray<Challenge.Challenge>, inGo: ReadonlyArray<Challenge.Challenge>) =>
  inGo.forEach((expected, index) => {
    expect(found[index]?.scheme).toBe(expected.scheme)
    expect(found[index]?.parameters).toMatchObject(expected.parameters)
  })

describe("www-authenticate", () => {
  const rows = load(
    "www-authenticate",
    Schema.Struct({ status: Schema.Number, wwwAuthenticate: Schema.Array(Schema.String), expected: Schema.Array(ChallengeRow) })
  )
  it.each(rows)("$status $wwwAuthenticate", (row) => {
    const found = Challenge.fromResponse(row.status, row.wwwAuthenticate)
    const rule = row.status === 401 ? readFurther.find((_) => _.applies({ lines: row.wwwAuthenticate })) : undefined
    if (rule === undefined && !row.wwwAuthenticate.every((line) => wellFormed.test(line))) return readsNoLess(found, row.expected)
    expect(found).toEqual(rule === undefined ? row.expected : rule.expected({ lines: row.wwwAuthenticate }))
    if (rule !== undefined) expect(found, `${rule.name} is no deviation here`).not.toEqual(row.expected)
  })
})

describe("ping-challenge", () => {
  const rows = load(
    "ping-challenge",
    Schema.Struct({
      responseStatus: Schema.Number,
      responseWwwAuthenticate: Schema.Array(Schema.String),
      expected: Schema.Union(
        Schema.Struct({ scheme: Schema.String, parameters: Schema.NullOr(Schema.Record({ key: Schema.String, value: Schema.String })) }),
        Schema.Struct({ error: Schema.String })
      )
    })
  )
  type Row = (typeof rows)[number]
  const schemeOf = (row: Row) => ("scheme" in row.expected ? row.expected.scheme : "")
  const selected = (row: Row) => Challenge.select(Challenge.fromResponse(row.responseStatus, row.responseWwwAuthenticate), user)

  interface Choice extends Deviation<Row> {
    readonly expected: (row: Row) => Option.Option<Challenge.Challenge>
  }
  const choices: ReadonlyArray<Choice> = [
    {
      name: "a scheme nobody knows is not answered",
      reason: "Go goes on with Basic whatever the registry asked for, which gives the password to a request it was not asked with",
      applies: (row) => !["basic", "bearer"].includes(schemeOf(row)),
      expected: () => Option.none()
    },
    {
      name: "Bearer before Basic",
      reason: "E5: a token says less than a password",
      applies: (row) => schemeOf(row) === "basic" && row.responseWwwAuthenticate.some((_) => /^bearer realm="./i.test(_)),
      expected: (row) => Option.fromNullable(Challenge.parse(row.responseWwwAuthenticate).find(Challenge.isBearer))
    },
    ...readFurther.map(
      (rule): Choice => ({
        name: rule.name,
        reason: rule.reason,
        applies: (row) => rule.applies({ lines: row.responseWwwAuthenticate }),
        expected: (row) => Option.fromNullable(rule.expected({ lines: row.responseWwwAuthenticate })[0])
      })
    )
  ]

  it.each(rows)("$responseStatus $responseWwwAuthenticate", (row) => {
    if ("error" in row.expected) return expect(selected(row)).toEqual(Option.none())
    const asInGo = Option.some({ scheme: row.expected.scheme, parameters: row.expected.parameters ?? {} })
    const choice = deviation(choices, row) as Choice | undefined
    expect(selected(row)).toEqual(choice === undefined ? asInGo : choice.expected(row))
  })
})

describe("parse", () => {
  it("reads several challenges from one line, as joined by an HTTP client", () => {
    expect(Challenge.parse(['Bearer realm="https://a/t",service="s",scope="*", Basic realm="a, b" , charset="UTF-8", Negotiate'])).toEqual([
      bearer({ realm: "https://a/t", service: "s", scope: "*" }),
      { scheme: "basic", parameters: { realm: "a, b", charset: "UTF-8" } },
      { scheme: "negotiate", parameters: {} }
    ])
  })
  it("steps over token68", () => {
    expect(Challenge.parse(['Negotiate YWJj/+==, Bearer realm="x"'])).toEqual([
      { scheme: "negotiate", parameters: {} },
      bearer({ realm: "x" })
    ])
  })
  it("skips an empty value and goes on", () => {
    expect(Challenge.parse(['Bearer realm="x",scope="",service="s"'])).toEqual([bearer({ realm: "x", service: "s" })])
    expect(Challenge.parse(['Bearer realm="x",scope="a",service="s",realm="",scope=""'])).toEqual([
      bearer({ realm: "x", scope: "a", service: "s" })
    ])
  })
  it("keeps the names of JavaScript's objects apart", () => {
    const [challenge] = Challenge.parse(['Bearer __proto__="x",constructor="y",realm="z"'])
    expect(Object.entries(challenge?.parameters ?? {})).toEqual([
      ["__proto__", "x"],
      ["constructor", "y"],
      ["realm", "z"]
    ])
    expect(Object.getPrototypeOf(challenge?.parameters)).toBe(Object.prototype)
  })
  it("is quick with what does not end", () => {
    // The time of the processor: how busy the machine is makes no difference.
    const started = process.cpuUsage()
    for (const text of [`Bearer realm="${"\\\\".repeat(30_000)}`, "a ".repeat(30_000), ",".repeat(60_000), "a=".repeat(30_000)])
      Challenge.parseHeader(text)
    expect(process.cpuUsage(started).user).toBeLessThan(2_000_000)
  })

  const token = fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/)
  const quoted = (value: string) => `"${value.replace(/(["\\])/g, "\\$1")}"`
  const challenges = fc.array(fc.record({ scheme: token, parameters: fc.dictionary(token, fc.string({ minLength: 1 })) }), { maxLength: 4 })

  it.prop("reads back whatever is written", [challenges, fc.constantFrom(",", ", ", " , ", ",,")], ([written, comma]) => {
    const line = written
      .map((challenge) =>
        `${challenge.scheme} ${Object.entries(challenge.parameters)
          .map(([name, value]) => `${name}=${quoted(value)}`)
          .join(comma)}`.trimEnd()
      )
      .join(comma)
    expect(Challenge.parseHeader(line)).toEqual(written.map(({ scheme, parameters }) => ({ scheme, parameters: { ...parameters } })))
  })
  it.prop("never throws", [fc.string({ unit: "binary" })], ([text]) => {
    expect(Array.isArray(Challenge.parseHeader(text))).toBe(true)
  })
})

describe("select", () => {
  const basic = Challenge.make("Basic", { realm: "r" })
  const token = Challenge.make("Bearer", { Realm: "https://a/t" })
  const noRealm = Challenge.make("Bearer", { service: "s" })

  it.each<[string, ReadonlyArray<Challenge.Challenge>, Credentials.Credentials, Challenge.Challenge | undefined]>([
    ["Bearer before Basic", [basic, token], user, token],
    ["Basic where there is no Bearer", [Challenge.make("Negotiate"), basic], user, basic],
    ["Basic before a Bearer without realm", [noRealm, basic], user, basic],
    ["a Bearer without realm rather than nothing", [noRealm], user, noRealm],
    ["anonymous cannot answer Basic", [basic], Credentials.anonymous, undefined],
    ["half a pair cannot answer Basic", [basic], Credentials.basic("user", ""), undefined],
    ["an identity token cannot answer Basic", [basic], Credentials.identityToken("t"), undefined],
    ["its user and password can", [basic], Credentials.identityToken("t", { username: "u", password: "p" }), basic],
    ["a registry token answers either", [basic], Credentials.registryToken("t"), basic],
    ["nothing known", [Challenge.make("Digest")], user, undefined]
  ])("%s", (_, offered, credentials, expected) => {
    expect(Challenge.select(offered, credentials)).toEqual(Option.fromNullable(expected))
  })
})
