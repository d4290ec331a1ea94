/** Copies from registry to registry, questions by the thousand, and the start of the command. */
import * as Effect from "effect/Effect"
import * as DelayingProxy from "../support/DelayingProxy.ts"
import type * as DockerRegistry from "../support/DockerRegistry.ts"
import { type Image, layerBytes } from "./content.ts"
import { foreign, withRegistry } from "./peers.ts"
import { type Case, type Node, type Row, tool } from "./runs.ts"

/** Where a copy comes from, and how late its target answers. */
export interface Route {
  readonly node: Node
  readonly source: DockerRegistry.Service
  readonly lateMillis: number
  /** The command as it is published. */
  readonly command: string
  /** What a process has copied before its second copy. */
  readonly first: Image
}

const peers = ["crane copy", "skopeo copy"]

const near = (host: string, lateMillis: number, use: (host: string) => Promise<Row>): Promise<Row> =>
  lateMillis === 0
    ? use(host)
    : DelayingProxy.make(host, lateMillis).pipe(
        Effect.flatMap((proxy) => Effect.promise(() => use(proxy))),
        Effect.scoped,
        Effect.runPromise
      )

export const copyCases = ({ command, first, lateMillis, node, source }: Route, image: Image): ReadonlyArray<Case> => {
  const from = `${source.host}/${image.repository}:bench`
  const toTarget = (use: (host: string) => Promise<Row>) => () => withRegistry(({ host }) => near(host, lateMillis, use))
  const target = (host: string) => `${host}/${image.repository}:bench`
  const common = { bytes: layerBytes(image), yardstick: peers }
  const task = { origin: source.origin, mebibytes: 0, ...image.manifest, repository: image.repository }
  const inProcess = (name: string) => toTarget((host) => node(name, { ...task, target: host }))
  // What a worker that runs for long sees: code that was compiled, connections that were not opened yet.
  const next = toTarget((target) =>
    withRegistry(({ host, storage }) =>
      node("our next copy", { ...task, target, first: { repository: first.repository, target: host, storage } })
    )
  )
  return [
    { name: "undici and sha256", ...common, sample: inProcess("raw copy") },
    { name: "our copy (library)", ...common, sample: inProcess("our copy") },
    { name: "our next copy (library)", ...common, sample: next },
    { name: "effect-oci copy", ...common, sample: toTarget((host) => tool(process.execPath, command, "copy", from, target(host))) },
    ...foreign("crane copy", "crane", { ...common, sample: toTarget((host) => tool("crane", "copy", "--insecure", from, target(host))) }),
    ...foreign("skopeo copy", "skopeo", {
      ...common,
      sample: toTarget((host) =>
        tool(
          ...(["skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", "--dest-tls-verify=false"] as const),
          `docker://${from}`,
          `docker://${target(host)}`
        )
      )
    })
  ]
}

export const tags = 2000

export const headCases = (node: Node, registry: DockerRegistry.Service, image: Image): ReadonlyArray<Case> => {
  const one = (name: string): Case => ({
    name,
    bytes: 0,
    yardstick: ["raw HEADs"],
    sample: () => node(name, { origin: registry.origin, mebibytes: 0, ...image.manifest, repository: image.repository, tags })
  })
  return [one("raw HEADs"), one("our resolve")]
}

export const startCases = (command: string): ReadonlyArray<Case> => {
  const common = { bytes: 0, yardstick: ["node -e 0"] }
  return [
    { name: "node -e 0", ...common, sample: () => tool(process.execPath, "-e", "0") },
    { name: "effect-oci --version", ...common, sample: () => tool(process.execPath, command, "--version") },
    ...foreign("crane version", "crane", { ...common, sample: () => tool("crane", "version") }),
    ...foreign("skopeo --version", "skopeo", { ...common, sample: () => tool("skopeo", "--version") })
  ]
}

/** The digest of a tag: a start, and one or two requests. */
export const questionCases = (command: string, { host }: DockerRegistry.Service, { repository }: Image): ReadonlyArray<Case> => {
  const reference = `${host}/${repository}:bench`
  const common = { bytes: 0, yardstick: ["crane digest", "skopeo inspect"] }
  return [
    { name: "effect-oci digest", ...common, sample: () => tool(process.execPath, command, "digest", reference) },
    ...foreign("crane digest", "crane", { ...common, sample: () => tool("crane", "digest", "--insecure", reference) }),
    ...foreign("skopeo inspect", "skopeo", {
      ...common,
      sample: () => tool("skopeo", "inspect", "--raw", "--tls-verify=false", `docker://${reference}`)
    })
  ]
}
