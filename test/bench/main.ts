/**
 * `npm run bench [-- --runs 5 --mib 512 --only pull]`: our client and our command beside raw undici, `crane` and `skopeo`, against a
 * plain HTTP server and real registries on this machine.
 *
 * Each sample is a process of its own and the first round is a warm-up; medians are printed, and the median of the ratios round by round.
 * Node's samples are plain JavaScript in one file, timed from the first request to the last byte, cold code included; foreign tools from
 * start to exit, which adds some tens of milliseconds. What is not on PATH is left out.
 */

import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import { bundle } from "../../src/cli/bundle.ts"
import * as Compiled from "../support/Compiled.ts"
import * as DockerRegistry from "../support/DockerRegistry.ts"
import * as Folder from "../support/Folder.ts"
import * as Program from "../support/Program.ts"
import { type Blob, block, digestOf, fill, fillTags, type Image, layerBytes, writeImage } from "./content.ts"
import { copyCases, headCases, questionCases, startCases, tags } from "./copies.ts"
import { foreign, withFolder, withRegistry } from "./peers.ts"
import { machine, table } from "./report.ts"
import { type Case, type Node, node as nodeOf, runAll, tool } from "./runs.ts"
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

const generated: Blob = { digest: digestOf(mebibytes), size: mebibytes * block.length }

const layerOf = ({ layers: [layer] }: Image): Blob => layer ?? generated

const plainCases = (node: Node, origin: string): ReadonlyArray<Case> => {
  const task: Task = { origin, mebibytes, ...generated, repository: "" }
  const one = (name: string, yardstick: string): Case => ({
    name,
    bytes: generated.size,
    yardstick: [yardstick],
    sample: () => node(name, task)
  })
  return [
    one("raw download", "raw download, sha256"),
    one("raw download, sha256", "raw download, sha256"),
    one("http client, verified", "raw download, sha256"),
    one("raw upload", "raw upload"),
    one("http client upload", "raw upload")
  ]
}

const pullCases = (node: Node, registry: DockerRegistry.Service, image: Image): ReadonlyArray<Case> => {
  const common = { bytes: layerBytes(image), yardstick: ["raw pull, sha256"] }
  const task: Task = { origin: registry.origin, mebibytes, ...layerOf(image), repository: image.repository }
  const reference = `${registry.host}/${image.repository}`
  const one = (name: string): Case => ({ name, ...common, sample: () => node(name, task) })
  return [
    one("raw pull, sha256"),
    one("our pull, verified"),
    ...foreign("crane blob", "crane", {
      ...common,
      sample: () => tool("crane", "blob", "--insecure", `${reference}@${layerOf(image).digest}`)
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

const pushCases = (node: Node, image: Image): ReadonlyArray<Case> => {
  const one = (name: string): Case => ({
    name,
    bytes: generated.size,
    yardstick: ["raw push"],
    sample: () => withRegistry(({ origin }) => node(name, { origin, mebibytes, ...generated, repository: image.repository }))
  })
  const common = { bytes: layerBytes(image), yardstick: ["raw push"] }
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

const wanted = (title: string) => title.includes(values.only)

const measure = (title: string, cases: ReadonlyArray<Case>, rounds = runs) =>
  Effect.promise(async () => {
    if (!wanted(title)) return
    console.log(`\n${title} (${rounds} runs)\n${table(await runAll(cases, rounds))}`)
  })

/** What was pushed to a registry under this name. */
const filled = (registry: DockerRegistry.Service, name: string, count: number, mebibytesEach: number) =>
  Effect.gen(function* () {
    const folder = yield* Folder.temporary("bench-image")
    const image = yield* Effect.promise(() => writeImage(folder, `bench/${name}`, count, mebibytesEach))
    yield* Effect.promise(() => fill(registry.origin, image))
    return image
  })

const toLate = " to a target that answers 30 ms late"

const copies = (node: Node) =>
  Effect.gen(function* () {
    const source = yield* DockerRegistry.make()
    const folder = yield* Folder.temporary("bench-command")
    // Where the command keeps its compiled code, from the round on that is not counted.
    process.env["XDG_CACHE_HOME"] = folder
    const command = Path.join(folder, "cli.mjs")
    yield* Effect.promise(() => bundle(command))
    const many = yield* filled(source, "many", 60, 1)
    const near = { node, source, command, first: many, lateMillis: 0 }
    const late = { ...near, lateMillis: 30 }
    const ofMany = "copy of 60 layers of 1 MiB"
    yield* measure(ofMany, copyCases(near, many))
    yield* measure(`${ofMany}${toLate}`, copyCases(late, many))
    const ofOne = `copy of one layer of ${mebibytes} MiB`
    if (wanted(`${ofOne}${toLate}`)) {
      const one = yield* filled(source, "one", 1, mebibytes)
      yield* measure(ofOne, copyCases(near, one))
      yield* measure(`${ofOne}${toLate}`, copyCases(late, one))
    }
    if (wanted("HEAD of tags")) {
      yield* Effect.promise(() => fillTags(source.origin, many, tags))
      yield* measure(`HEAD of tags, ${tags} of them`, headCases(node, source, many))
    }
    yield* measure("start of the command", startCases(command), Math.max(runs, 15))
    yield* measure("question by the command", questionCases(command, source, many), Math.max(runs, 15))
  })

const main = Effect.gen(function* () {
  console.log(machine())
  const node = nodeOf(yield* Compiled.make("test/bench/sample.ts"))
  const { origin } = yield* plainServer
  yield* measure(`plain server, ${mebibytes} MiB`, plainCases(node, origin))
  if (!Program.has(DockerRegistry.program))
    return console.log(`\n${DockerRegistry.program} is not on PATH: nothing measured against a registry`)
  if (wanted("docker-registry: pull") || wanted("docker-registry: push")) {
    const registry = yield* DockerRegistry.make()
    const image = yield* filled(registry, "image", 1, mebibytes)
    yield* measure(`docker-registry: pull of ${mebibytes} MiB`, pullCases(node, registry, image))
    yield* measure(`docker-registry: push of ${mebibytes} MiB`, pushCases(node, image))
  }
  yield* copies(node)
})

await Effect.runPromise(Effect.scoped(main))
