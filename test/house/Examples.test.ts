import { execFile } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import * as Path from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { filesBelow, root } from "./Sources.ts"

const examples = filesBelow("docs/examples")

const read = (path: string): string => readFileSync(Path.join(root, path), "utf8")

/** Documents that may show code: the README and the guides. */
const documents = [
  ...["README.md"].filter((name) => existsSync(Path.join(root, name))),
  ...readdirSync(Path.join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`)
]

const blocks = (path: string): ReadonlyArray<string> => [...read(path).matchAll(/^```ts\n([\s\S]*?)^```/gm)].map((match) => match[1] ?? "")

// Not `spawnSync`: vitest gives up a worker that does not answer for a minute, and all examples together may take longer.
const run = promisify(execFile)

describe("examples", () => {
  it("there are some", () => {
    assert.isAbove(examples.length, 0)
  })

  for (const path of examples) {
    it(`${path} is a program that runs and exports nothing`, { timeout: 240_000 }, async () => {
      assert.notMatch(read(path), /^export /m)
      const { stdout } = await run(process.execPath, ["--import", "tsx", "-C", "effect-oci/source", path], { cwd: root, timeout: 220_000 })
      assert.notStrictEqual(stdout.trim(), "", "an example shows what it did")
    })
  }

  for (const path of documents) {
    it(`every TypeScript block of ${path} is a whole example of docs/examples`, () => {
      const texts = examples.map(read)
      assert.deepStrictEqual(
        blocks(path).filter((block) => !texts.includes(block)),
        []
      )
    })
  }
})
