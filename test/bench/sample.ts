/** One sample of one case, in a process of its own: `sample.ts <case> <json of Task>` prints what it took as JSON. */
import { createHash } from "node:crypto"
import { rm } from "node:fs/promises"
import { Readable } from "node:stream"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Undici from "@effect/platform-node/Undici"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as RemoteRepository from "../../src/content/RemoteRepository.ts"
import * as Copy from "../../src/copy/Copy.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as NodeClient from "../../src/node/NodeClient.ts"
import * as NodeRegistry from "../../src/node/NodeRegistry.ts"
import * as Memory from "../support/Memory.ts"
import { MiB, pieces } from "./content.ts"

export interface Task {
  /** Where the content is served and taken: a plain server, or a registry. */
  readonly origin: string
  readonly mebibytes: number
  readonly digest: string
  readonly size: number
  readonly repository: string
  /** The registry to copy to. */
  readonly target?: string | undefined
  /** What is copied before the measured copy, to which registry, and where that keeps what it gets. */
  readonly first?: { readonly repository: string; readonly target: string; readonly storage: string } | undefined
  /** How many tags the image has. */
  readonly tags?: number | undefined
}

export interface Sample {
  readonly millis: number
  readonly cpuMillis: number
  readonly peakRssMiB: number
}

const dispatcher = new Undici.Agent({ headersTimeout: 0, bodyTimeout: 0 })

async function* rawContent(mebibytes: number) {
  for (let index = 0; index < mebibytes; index++) yield* pieces
}

/** The same pieces as a stream, one at a time as most sources give them. */
const content = (mebibytes: number): Stream.Stream<Uint8Array> =>
  Stream.range(1, mebibytes).pipe(Stream.mapChunks(Chunk.flatMap(() => Chunk.unsafeFromArray(pieces))), Stream.rechunk(1))

const rawDownload = async (url: string, onBytes: (bytes: Uint8Array) => void) => {
  const { body, statusCode } = await Undici.request(url, { dispatcher })
  if (statusCode !== 200) throw new Error(`GET ${url}: status ${statusCode}`)
  for await (const bytes of body) onBytes(bytes)
}

const rawDownloadVerified = async (url: string, digest: string) => {
  const hash = createHash("sha256")
  await rawDownload(url, (bytes) => hash.update(bytes))
  if (`sha256:${hash.digest("hex")}` !== digest) throw new Error("wrong digest")
}

const rawUpload = async (url: string, { mebibytes }: Task) => {
  const { body, statusCode } = await Undici.request(url, {
    dispatcher,
    method: "PUT",
    body: Readable.from(rawContent(mebibytes)),
    headers: { "content-length": String(mebibytes * MiB), "content-type": "application/octet-stream" }
  })
  await body.dump()
  if (statusCode !== 201) throw new Error(`PUT ${url}: status ${statusCode}`)
}

const rawPush = async (task: Task) => {
  const begun = await Undici.request(`${task.origin}/v2/${task.repository}/blobs/uploads/`, { dispatcher, method: "POST" })
  await begun.body.dump()
  const location = new URL(String(begun.headers["location"]), task.origin)
  location.searchParams.set("digest", task.digest)
  await rawUpload(location.href, task)
}

const withClient = <A, E>(use: (http: HttpClient.HttpClient) => Effect.Effect<A, E>) =>
  Effect.flatMap(HttpClient.HttpClient, (http) => use(http.pipe(HttpClient.withTracerDisabledWhen(() => true)))).pipe(
    Effect.provide(NodeClient.layer()),
    Effect.runPromise
  )

const download = ({ digest, origin, size }: Task) =>
  withClient((http) =>
    Effect.flatMap(http.get(origin), ({ stream }) =>
      Stream.runDrain(stream.pipe(Digest.verifyStream(Either.getOrThrow(Digest.parse(digest)), size)))
    )
  )

const upload = ({ mebibytes, origin, size }: Task) =>
  withClient((http) =>
    http.execute(HttpClientRequest.put(origin).pipe(HttpClientRequest.bodyStream(content(mebibytes), { contentLength: size }))).pipe(
      Effect.flatMap((response) => response.text),
      Effect.filterOrDieMessage((text) => text === String(size), "the server did not get everything")
    )
  )

const withRegistry = <A, E>(
  task: Task,
  use: (client: RegistryClient.Service, repository: Reference.Repository, digest: Digest.Digest) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const repository = yield* Reference.parseRepository(`${new URL(task.origin).host}/${task.repository}`)
    return yield* use(yield* RegistryClient.RegistryClient, repository, yield* Digest.parse(task.digest))
  }).pipe(Effect.provide(NodeRegistry.layerWith({ keychain: Keychain.layerAnonymous })), Effect.runPromise)

const pull = (task: Task) =>
  withRegistry(task, (client, repository, digest) =>
    Stream.runDrain(client.getBlob(repository, { mediaType: "application/octet-stream", digest, size: task.size }))
  )

const push = (task: Task) =>
  withRegistry(task, (client, repository, digest) =>
    client.putBlob(repository, { mediaType: "application/octet-stream", digest, size: task.size }, content(task.mebibytes))
  )

const copy = ({ origin, repository, target }: Task) =>
  Effect.gen(function* () {
    const at = (host: string) => Effect.flatMap(Reference.parseRepository(`${host}/${repository}`), RemoteRepository.make)
    return yield* Copy.copy(yield* at(new URL(origin).host), "bench", yield* at(String(target)))
  }).pipe(Effect.provide(NodeRegistry.layerWith({ keychain: Keychain.layerAnonymous })), Effect.runPromise)

/** What a copy is made of, with undici alone: a question, an upload of what is downloaded, hashed on the way. */
const rawCopy = async ({ origin, repository, target }: Task) => {
  const agent = new Undici.Agent({ connections: atOnce })
  const from = `${origin}/v2/${repository}`
  const to = `http://${target}/v2/${repository}`
  const ask = async (url: string | URL, options: Parameters<typeof Undici.request>[1], wanted: number) => {
    const answer = await Undici.request(url, { dispatcher: agent, ...options })
    if (answer.statusCode !== wanted) throw new Error(`${url}: status ${answer.statusCode}`)
    return answer
  }
  const manifest = await ask(`${from}/manifests/bench`, { headers: { accept: MediaType.acceptManifestHeader } }, 200)
  const text = await manifest.body.text()
  const { config, layers, mediaType } = JSON.parse(text)
  const left: Array<{ readonly digest: string; readonly size: number }> = [...layers, config]
  const work = async () => {
    for (let blob = left.pop(); blob !== undefined; blob = left.pop()) {
      const { digest, size } = blob
      await (await ask(`${to}/blobs/${digest}`, { method: "HEAD", reset: false }, 404)).body.dump()
      const begun = await ask(`${to}/blobs/uploads/`, { method: "POST" }, 202)
      await begun.body.dump()
      const location = new URL(String(begun.headers["location"]), to)
      location.searchParams.set("digest", digest)
      const { body } = await ask(`${from}/blobs/${digest}`, {}, 200)
      const hash = createHash("sha256")
      const hashed = async function* () {
        for await (const bytes of body) {
          hash.update(bytes)
          yield bytes
        }
      }
      const headers = { "content-length": String(size), "content-type": "application/octet-stream" }
      await (await ask(location, { method: "PUT", body: Readable.from(hashed()), headers }, 201)).body.dump()
      if (`sha256:${hash.digest("hex")}` !== digest) throw new Error("wrong digest")
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  await (await ask(`${to}/manifests/bench`, { method: "PUT", body: text, headers: { "content-type": mediaType } }, 201)).body.dump()
}

/** As many at once as a host is asked by default. */
const atOnce = 16

const tagsOf = ({ tags = 0 }: Task): ReadonlyArray<string> => Array.from({ length: tags }, (_, tag) => `t${tag}`)

const resolveAll = (task: Task) =>
  withRegistry(task, (client, repository) =>
    Effect.forEach(
      tagsOf(task),
      (tag) => Effect.flatMap(Reference.parseTag(tag), (parsed) => client.resolve(Reference.withTag(repository, parsed))),
      {
        concurrency: atOnce,
        discard: true
      }
    )
  )

const rawHeads = async (task: Task) => {
  const agent = new Undici.Agent({ connections: atOnce })
  const left = [...tagsOf(task)]
  const work = async () => {
    for (let tag = left.pop(); tag !== undefined; tag = left.pop()) {
      const url = `${task.origin}/v2/${task.repository}/manifests/${tag}`
      const answer = await Undici.request(url, {
        dispatcher: agent,
        method: "HEAD",
        reset: false,
        headers: { accept: MediaType.acceptManifestHeader }
      })
      await answer.body.dump()
      if (answer.headers["docker-content-digest"] !== task.digest) throw new Error(`HEAD ${url}: another digest`)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}

const cases: Readonly<Record<string, (task: Task) => Promise<unknown>>> = {
  "raw download": ({ origin }) => rawDownload(origin, () => {}),
  "raw download, sha256": ({ digest, origin }) => rawDownloadVerified(origin, digest),
  "http client, verified": download,
  "raw upload": (task) => rawUpload(task.origin, task),
  "http client upload": upload,
  "raw pull, sha256": ({ digest, origin, repository }) => rawDownloadVerified(`${origin}/v2/${repository}/blobs/${digest}`, digest),
  "our pull, verified": pull,
  "raw push": rawPush,
  "our push": push,
  "our copy": copy,
  "our next copy": copy,
  "raw copy": rawCopy,
  "raw HEADs": rawHeads,
  "our resolve": resolveAll
}

/**
 * What a process has done before it is measured. What that wrote is deleted, as it is after each case: the more a machine has written and
 * keeps, the longer the next write takes, whoever writes.
 */
const before: Readonly<Record<string, (task: Task) => Promise<unknown>>> = {
  "our next copy": async ({ first, ...task }) => {
    if (first === undefined) throw new Error("no registry to copy to first")
    await copy({ ...task, repository: first.repository, target: first.target })
    await rm(first.storage, { recursive: true })
  }
}

const [name = "", task = "{}"] = process.argv.slice(2)
const run = cases[name]
if (run === undefined) throw new Error(`no such case: ${name}`)

const asked: Task = JSON.parse(task)
await before[name]?.(asked)

const cpu = process.cpuUsage()
const start = performance.now()
await run(asked)
const millis = performance.now() - start
const { system, user } = process.cpuUsage(cpu)
const sample: Sample = { millis, cpuMillis: (user + system) / 1000, peakRssMiB: Memory.peakRssBytes() / MiB }
console.log(JSON.stringify(sample))
process.exit(0)
