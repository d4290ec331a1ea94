/**
 * The main job: two registries on this machine, one of which asks for tokens; an image made from real files is pushed to the first, copied
 * to the second by digest, and read back verified.
 */
import { createHash } from "node:crypto"
import { buffer } from "node:stream/consumers"
import { gzipSync } from "node:zlib"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Stream from "effect/Stream"
import { Credentials, type Descriptor, Digest, Keychain, Manifest, MediaType, Reference, RegistryClient } from "effect-oci"
import { NodeRegistry } from "effect-oci/node"
import { RegistryOptions, RegistryServer } from "effect-oci/testing"
import { pack } from "tar-stream"

const sha256 = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`

const inKilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`.padStart(10)

const sumOfSizes = (contents: ReadonlyArray<Descriptor.Descriptor>) => contents.reduce((sum, { size }) => sum + size, 0)

const describe = ({ digest, mediaType, size }: Descriptor.Descriptor) => `${digest} ${inKilobytes(size)}  ${mediaType}`

/** A layer: a gzipped tar of the files of a folder. */
const makeLayer = Effect.fn("makeLayer")(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const tar = pack()
  for (const name of (yield* fs.readDirectory(folder, { recursive: true })).sort()) {
    const path = `${folder}/${name}`
    if ((yield* fs.stat(path)).type !== "File") continue
    tar.entry({ name: `app/${name}`, mtime: new Date(0) }, Buffer.from(yield* fs.readFile(path)))
  }
  tar.finalize()
  const content = yield* Effect.promise(() => buffer(tar))
  return { diffId: sha256(content), bytes: gzipSync(content) }
})

/** Pushes an image with one layer for each folder and returns its manifest. */
const push = Effect.fn("push")(function* (reference: Reference.Reference, folders: ReadonlyArray<string>) {
  const client = yield* RegistryClient.RegistryClient
  const layers = yield* Effect.forEach(folders, makeLayer)
  const pushBlob = (mediaType: string, bytes: Uint8Array) => {
    const descriptor: Descriptor.Descriptor = { mediaType, digest: Digest.fromBytes(bytes), size: bytes.byteLength }
    return Effect.as(client.putBlob(reference.repository, descriptor, bytes), descriptor)
  }
  const config = new TextEncoder().encode(
    JSON.stringify({
      architecture: "amd64",
      os: "linux",
      config: {},
      rootfs: { type: "layers", diff_ids: layers.map((_) => _.diffId) }
    })
  )
  const manifest = Manifest.imageManifest({
    config: yield* pushBlob(MediaType.ociImageConfig, config),
    layers: yield* Effect.forEach(layers, ({ bytes }) => pushBlob(MediaType.ociLayerTarGzip, bytes), { concurrency: 4 })
  })
  yield* client.putManifest(reference.repository, manifest, { tags: reference.tag === undefined ? [] : [reference.tag] })
  return manifest
})

/** Prints a line whenever another tenth of `total` bytes has moved. */
const printProgress = (moved: Mailbox.ReadonlyMailbox<number>, total: number) =>
  Mailbox.toStream(moved).pipe(
    Stream.scan(0, (sum, count) => sum + count),
    Stream.changesWith((before, after) => Math.floor((10 * before) / total) === Math.floor((10 * after) / total)),
    Stream.runForEach((sum) => Console.log(`  ${`${Math.round((100 * sum) / total)} %`.padStart(5)} ${inKilobytes(sum)}`))
  )

/** Copies an image: each blob flows from one registry to the other without touching disk, the manifest follows byte for byte. */
const copy = Effect.fn("copy")(function* (from: Reference.Reference, to: Reference.Reference) {
  const client = yield* RegistryClient.RegistryClient
  const manifest = yield* client.getManifest(from)
  const contents = Manifest.successors(manifest)
  const moved = yield* Mailbox.make<number>()
  const copyBlob = (content: Descriptor.Descriptor) =>
    client.putBlob(to.repository, content, client.getBlob(from.repository, content), { onBytes: (count) => moved.unsafeOffer(count) })
  const copyBlobs = Effect.ensuring(Effect.forEach(contents, copyBlob, { concurrency: 4 }), moved.end)
  const [results] = yield* Effect.all([copyBlobs, printProgress(moved, sumOfSizes(contents))], { concurrency: 2 })
  yield* client.putManifest(to.repository, manifest, { tags: to.tag === undefined ? [] : [to.tag] })
  return results
})

/** Reads every blob to its end; a wrong byte would fail. */
const verify = Effect.fn("verify")(function* (reference: Reference.Reference) {
  const client = yield* RegistryClient.RegistryClient
  const manifest = yield* client.getManifest(reference)
  const sizes = yield* Effect.forEach(Manifest.successors(manifest), (content) =>
    Stream.runFold(client.getBlob(reference.repository, content), 0, (sum, bytes) => sum + bytes.byteLength)
  )
  return { digest: manifest.digest, bytes: sizes.reduce((sum, size) => sum + size, manifest.bytes.byteLength) }
})

const start = (options: RegistryServer.RegistryServerOptions) =>
  Effect.map(Layer.build(RegistryServer.layer(options)), Context.get(RegistryServer.RegistryServer))

const printTraffic = Effect.fn("printTraffic")(function* (name: string, server: RegistryServer.Service) {
  const requests = yield* server.requests
  const received = yield* server.bytesReceived
  const served = yield* server.bytesServed
  yield* Console.log(`  ${name} ${requests.length} requests, ${inKilobytes(received)} received, ${inKilobytes(served)} served`)
})

const program = Effect.gen(function* () {
  const source = yield* start({})
  const users = { demo: { password: "demo-password" } }
  const target = yield* start({ auth: RegistryOptions.bearer({ users, expiresIn: "1 minute" }) })
  const started = yield* Clock.currentTimeMillis

  const registry = NodeRegistry.layerWith({
    keychain: Keychain.layer({ [target.host]: Credentials.basic("demo", "demo-password") })
  })
  yield* Effect.gen(function* () {
    const from = yield* Reference.parse(`${source.host}/demo/app:1.0`)
    const to = yield* Reference.parse(`${target.host}/mirror/app:1.0`)

    yield* Console.log(`Pushing ${from}`)
    const manifest = yield* push(from, ["docs", "src", "node_modules/typescript/lib"])
    for (const descriptor of [...Manifest.successors(manifest), manifest.descriptor]) yield* Console.log(`  ${describe(descriptor)}`)

    const byDigest = Reference.withDigest(from.repository, manifest.digest)
    yield* Console.log(`\nCopying ${byDigest}\n     to ${to}, which asks for tokens`)
    const results = yield* copy(byDigest, to)
    for (const { descriptor, outcome } of results) yield* Console.log(`  ${descriptor.digest} ${outcome}`)

    const read = yield* verify(to)
    if (read.digest !== manifest.digest) return yield* Effect.dieMessage("the copy has another digest")
    yield* Console.log(`\nRead back ${to}\n  ${read.digest} ${inKilobytes(read.bytes)}  verified`)
  }).pipe(Effect.provide(registry))

  yield* Console.log(`\nIn ${(yield* Clock.currentTimeMillis) - started} ms, making the layers included`)
  yield* printTraffic("source", source)
  yield* printTraffic("target", target)
})

program.pipe(Effect.scoped, Effect.provide(NodeContext.layer), NodeRuntime.runMain)
