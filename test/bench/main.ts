/**
 * `npm run bench [-- --runs 5 --mib 512 --only pull]`: our client beside raw undici, `crane` and `skopeo`, against a plain HTTP server and a
 * real registry on this machine.
 *
 * Each sample is a process of its own and the first round is a warm-up; medians are printed, and the median of the ratios round by round.
 * Node's samples are timed from the first request to the last byte, code that is not compiled yet included; foreign tools from start to
 * exit, which adds some tens of milliseconds. What is not on PATH is left out.
 */

import { spawn } from "node:child_process"
import { once } from "node:events"
import { accessSync, constants } from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as DockerRegistry from "../support/DockerRegistry.ts"
import * as Folder from "../support/Folder.ts"
import { type Blob, block, digestOf, fill, type Image, writeImage } from "./content.ts"
import { machine, table } from "./report.ts"
import { type Case, node, type Row, runAll, tool } from "./runs.ts"
import type { Task } from "./sample.ts"

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "5" },
    mib: { type: "string", default: "512" },
    only: { type: "string", default: "" }
  }
})
const mebibytes = Number(values.mib)
const runs = Number(values.runs)

const onPath = (program: string): boolean =>
  (process.env["PATH"] ?? "").split(Path.delimiter).some((folder) => {
    try {
      accessSync(Path.join(folder, program), constants.X_OK)
      return folder !== ""
    } catch {
      return false
    }
  })

const generated: Blob = { digest: digestOf(mebibytes), size: mebibytes * block.length }

const withFolder = (use: (folder: string) => Promise<Row>): Promise<Row> =>
  Folder.temporary("bench").pipe(
    Effect.flatMap((folder) => Effect.promise(() => use(folder))),
    Effect.scoped,
    Effect.runPromise
  )

/** A registry of its own for each push: one that was asked before has nothing left to do, and tools remember what they pushed where. */
const withRegistry = (use: (registry: DockerRegistry.Service) => Promise<Row>): Promise<Row> =>
  DockerRegistry.make().pipe(
    Effect.flatMap((registry) => Effect.promise(() => use(registry))),
    Effect.scoped,
    Effect.runPromise
  )

const foreign = (name: string, command: string, rest: Omit<Case, "name">): ReadonlyArray<Case> =>
  onPath(command) ? [{ name, ...rest }] : []

const plainCases = (origin: string): ReadonlyArray<Case> => {
  const task: Task = { origin, mebibytes, ...generated, repository: "" }
  const one = (name: string, yardstick: string): Case => ({ name, bytes: generated.size, yardstick, sample: () => node(name, task) })
  return [
    one("raw download", "raw download, sha256"),
    one("raw download, sha256", "raw download, sha256"),
    one("http client, verified", "raw download, sha256"),
    one("raw upload", "raw upload"),
    one("http client upload", "raw upload")
  ]
}

const pullCases = (registry: DockerRegistry.Service, image: Image): ReadonlyArray<Case> => {
  const common = { bytes: image.layer.size, yardstick: "raw pull, sha256" }
  const task: Task = { origin: registry.origin, mebibytes, ...image.layer, repository: image.repository }
  const reference = `${registry.host}/${image.repository}`
  const one = (name: string): Case => ({ name, ...common, sample: () => node(name, task) })
  return [
    one("raw pull, sha256"),
    one("our pull, verified"),
    ...foreign("crane blob", "crane", {
      ...common,
      sample: () => tool("crane", "blob", "--insecure", `${reference}@${image.layer.digest}`)
    }),
    ...foreign("crane pull (to disk)", "crane", {
      ...common,
      sample: () =>
        withFolder((folder) => tool("crane", "pull", "--insecure", "--format=oci", `${reference}:bench`, Path.join(folder, "oci")))
    }),
    ...foreign("skopeo pull (to disk)", "skopeo", {
      ...common,
      sample: () =>
        withFolder((folder) =>
          tool("skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", `docker://${reference}:bench`, `oci:${folder}/oci:bench`)
        )
    })
  ]
}

const pushCases = (image: Image): ReadonlyArray<Case> => {
  const one = (name: string): Case => ({
    name,
    bytes: generated.size,
    yardstick: "raw push",
    sample: () => withRegistry(({ origin }) => node(name, { origin, mebibytes, ...generated, repository: image.repository }))
  })
  const common = { bytes: image.layer.size, yardstick: "raw push" }
  return [
    one("raw push"),
    one("our push"),
    ...foreign("crane push (from disk)", "crane", {
      ...common,
      sample: () => withRegistry(({ host }) => tool("crane", "push", "--insecure", image.folder, `${host}/${image.repository}:bench`))
    }),
    ...foreign("skopeo push (from disk)", "skopeo", {
      ...common,
      sample: () =>
        withRegistry(({ host }) =>
          tool(
            ...(["skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false"] as const),
            `oci:${image.folder}:bench`,
            `docker://${host}/${image.repository}:bench`
          )
        )
    })
  ]
}

const plainServer = Effect.acquireRelease(
  Effect.promise(async () => {
    const file = fileURLToPath(new URL("./plainServer.ts", import.meta.url))
    const child = spawn(process.execPath, [...process.execArgv, file, String(mebibytes)], { stdio: ["ignore", "pipe", "inherit"] })
    const [line] = await once(child.stdout, "data")
    return { origin: String(line).trim(), child }
  }),
  ({ child }) => Effect.sync(() => child.kill())
)

const measure = (title: string, cases: ReadonlyArray<Case>) =>
  Effect.promise(async () => {
    if (!title.includes(values.only)) return
    console.log(`\n${title} (${mebibytes} MiB, ${runs} runs)\n${table(await runAll(cases, runs))}`)
  })

const main = Effect.gen(function* () {
  console.log(machine())
  const { origin } = yield* plainServer
  yield* measure("plain server", plainCases(origin))
  if (!onPath(DockerRegistry.program)) return console.log(`\n${DockerRegistry.program} is not on PATH: nothing measured against a registry`)
  const registry = yield* DockerRegistry.make()
  const folder = yield* Folder.temporary("bench-image")
  const image = yield* Effect.promise(() => writeImage(folder, mebibytes))
  yield* Effect.promise(() => fill(registry.origin, image))
  yield* measure("docker-registry: pull", pullCases(registry, image))
  yield* measure("docker-registry: push", pushCases(image))
})

await Effect.runPromise(Effect.scoped(main))
