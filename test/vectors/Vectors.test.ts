import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"

const here = fileURLToPath(new URL(".", import.meta.url))
const tests = fileURLToPath(new URL("..", import.meta.url))

const tables = readdirSync(here)
  .filter((file) => file.endsWith(".json"))
  .map((file) => file.slice(0, -".json".length))

const sources = readdirSync(tests, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !file.endsWith("vectors/Vectors.test.ts"))
  .map((file) => readFileSync(`${tests}/${file}`, "utf8"))

const isLoaded = (table: string) => sources.some((source) => /\bload\(/.test(source) && source.includes(`"${table}"`))

describe("vectors", () => {
  for (const table of tables) {
    it(`${table}.json is run by a test`, () => {
      expect(isLoaded(table)).toBe(true)
    })
  }
})
