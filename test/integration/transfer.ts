/**
 * A client alone in a process, so that its memory can be told: `transfer <host> push <size> [resumes]` pushes a blob of that many bytes
 * and `transfer <host> pull <size> <digest>` pulls it. Prints a `Report`.
 */
import { createHash } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as NodeRegistry from "../../src/node/NodeRegistry.ts"
import * as Content from "../support/Content.ts"
import * as Memory from "../support/Memory.ts"

export interface Report {
  readonly digest: string
  readonly size: number
  readonly millis: number
  /** Of a push: bytes of the blob that were sent more than once, as the client counts them. */
  readonly resentBytes: number
  readonly peakRssBytes: number
}

const [host = "", operation = "", size = "", extra = ""] = process.argv.slice(2)

const push = Effect.fn("push")(function* (repository: Reference.Repository, sizeBytes: number, maxResumes: number | undefined) {
  const client = yield* RegistryClient.RegistryClient
  const { descriptor, from } = Content.large(sizeBytes)
  const { resentBytes } = yield* client.putBlob(repository, descriptor, { from }, { maxResumes })
  return { digest: String(descriptor.digest), size: sizeBytes, resentBytes }
})

/** Hashed once more here: what the program got counts, not what the library says it verified. */
const pull = Effect.fn("pull")(function* (repository: Reference.Repository, sizeBytes: number, digest: string) {
  const client = yield* RegistryClient.RegistryClient
  const blob = Descriptor.make({ mediaType: MediaType.octetStream, digest: yield* Digest.parse(digest), size: sizeBytes })
  const hash = createHash("sha256")
  const received = yield* Stream.runFold(client.getBlob(repository, blob), 0, (sum, bytes) => {
    hash.update(bytes)
    return sum + bytes.byteLength
  })
  return { digest: `sha256:${hash.digest("hex")}`, size: received, resentBytes: 0 }
})

const program = Effect.gen(function* () {
  const { repository } = yield* Reference.parse(`${host}/transfer/blob`)
  const started = yield* Clock.currentTimeMillis
  const moved =
    operation === "push"
      ? yield* push(repository, Number(size), extra === "" ? undefined : Number(extra))
      : yield* pull(repository, Number(size), extra)
  const report: Report = {
    ...moved,
    millis: (yield* Clock.currentTimeMillis) - started,
    peakRssBytes: Memory.peakRssBytes()
  }
  yield* Console.log(JSON.stringify(report))
})

Effect.runPromise(program.pipe(Effect.provide(NodeRegistry.layerWith({ keychain: Keychain.layerAnonymous }))))
