/**
 * The main job: two registries on this machine, one of which asks for tokens; an image made from real files is pushed to the first, copied
 * to the second by digest, and read back verified.
 */
import { createHash } from "node:crypto"
import { gzipSync } from "node:zlib"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Credentials, type Descriptor, Digest, Keychain, Manifest, MediaType, Reference, RegistryClient } from "effect-oci"
import { NodeRegistry } from "effect-oci/node"
import { RegistryOptions, RegistryServer } from "effect-oci/testing"
import { pack } from "tar-stream"

const sha256 = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`

/** A layer: a gzipped tar of the files of a folder. */
const makeLayer = (folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const tar = pack()
    for (const name of (yield* fs.readDirectory(folder, { recursive: true })).sort()) {
      const path = `${folder}/${name}`
      if ((yield* fs.stat(path)).type !== "File") continue
      tar.entry({ name: `app/${name}`, mtime: new Date(0) }, Buffer.from(yield* fs.readFile(path)))
    }
    tar.finalize()
    const content = Buffer.concat(yield* Stream.runCollect(Stream.fromAsyncIterable(tar, String)))
    return { diffId: sha256(content), bytes: Uint8Array.from(gzipSync(content)) }
  })

/** Pushes an image of two layers and returns its manifest. */
const push = (reference: Reference.Reference, folders: ReadonlyArray<string>) =>
  Effect.gen(function* () {
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

/** Copies an image: each blob flows from one registry to the other, the manifest follows byte for byte. */
const copy = (from: Reference.Reference, to: Reference.Reference) =>
  Effect.gen(function* () {
    const client = yield* RegistryClient.RegistryClient
    const manifest = yield* client.getManifest(from)
    const contents = Manifest.successors(manifest)
    const total = contents.reduce((sum, { size }) => sum + size, 0)
    let moved = 0
    yield* Effect.forEach(
      contents,
      (content) =>
        Effect.gen(function* () {
          const result = yield* client.putBlob(to.repository, content, client.getBlob(from.repository, content), {
            onBytes: (count) => {
              moved += count
            }
          })
          yield* Console.log(`  ${result.outcome} ${content.digest} ${content.size} bytes (${moved} of ${total})`)
        }),
      { concurrency: 4, discard: true }
    )
    yield* client.putManifest(to.repository, manifest, { tags: to.tag === undefined ? [] : [to.tag] })
    return manifest
  })

/** Reads every blob to its end; a wrong byte would fail. */
const verify = (reference: Reference.Reference) =>
  Effect.gen(function* () {
    const client = yield* RegistryClient.RegistryClient
    const manifest = yield* client.getManifest(reference)
    const sizes = yield* Effect.forEach(Manifest.successors(manifest), (content) =>
      Stream.runFold(client.getBlob(reference.repository, content), 0, (sum, bytes) => sum + bytes.byteLength)
    )
    return { digest: manifest.digest, bytes: sizes.reduce((sum, size) => sum + size, manifest.bytes.byteLength) }
  })

const start = (options: RegistryServer.RegistryServerOptions) =>
  Effect.map(Layer.build(RegistryServer.layer(options)), Context.get(RegistryServer.RegistryServer))

const program = Effect.gen(function* () {
  const source = yield* start({})
  const target = yield* start({
    auth: RegistryOptions.bearer({ users: { demo: { password: "demo-password" } }, expiresIn: "1 minute" })
  })
  const host = (server: RegistryServer.Service) => `${server.address.hostname}:${server.address.port}`
  const started = yield* Clock.currentTimeMillis
  const registry = NodeRegistry.layerWith({
    keychain: Keychain.layer({ [host(target)]: Credentials.basic("demo", "demo-password") })
  })
  yield* Effect.gen(function* () {
    const from = yield* Reference.parse(`${host(source)}/demo/app:1.0`)
    const to = yield* Reference.parse(`${host(target)}/mirror/app:1.0`)

    yield* Console.log(`Pushing ${from}`)
    const manifest = yield* push(from, ["src", "docs"])
    yield* Console.log(`  digest ${manifest.digest}`)

    const byDigest = Reference.withDigest(from.repository, manifest.digest)
    yield* Console.log(`Copying ${byDigest} to ${to}`)
    yield* copy(byDigest, to)

    const read = yield* verify(to)
    yield* Console.log(`Read back ${to}\n  digest ${read.digest}, ${read.bytes} bytes verified`)
    if (read.digest !== manifest.digest) return yield* Effect.dieMessage("the copy has another digest")
  }).pipe(Effect.provide(registry))
  const requests = (yield* source.requests).length + (yield* target.requests).length
  yield* Console.log(`${requests} requests in ${(yield* Clock.currentTimeMillis) - started} ms`)
})

program.pipe(Effect.scoped, Effect.provide(NodeContext.layer), NodeRuntime.runMain)
