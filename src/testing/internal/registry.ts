import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as Digest from "../../model/Digest.ts"
import { concat } from "../../model/internal/bytes.ts"
import type { StoreError } from "../../model/RegistryError.ts"
import type { RecordedRequest, RegistryControl } from "../RegistryControl.ts"
import type { Options, Response } from "../RegistryOptions.ts"
import type { Request, RequestAborted } from "./exchange.ts"
import * as Handler from "./handler.ts"
import * as Recorder from "./recorder.ts"
import * as Seed from "./seed.ts"
import type { Service } from "./storageService.ts"

/** What a transport gets back: the body tells the recorder as it flows. @internal */
export interface Answer extends Response {
  readonly sent: (bytes: number) => void
}

/** One registry: what answers requests, and what a test can do with it. @internal */
export interface Registry {
  readonly serve: (request: Request, query: string) => Effect.Effect<Answer, RequestAborted>
  readonly control: RegistryControl
  readonly options: Effect.Effect<Options>
}

const counting = (body: Request["body"], received: (bytes: number) => void): Request["body"] =>
  Stream.mapChunks(body, (chunk) => {
    for (const bytes of chunk) received(bytes.length)
    return chunk
  })

const sum = (requests: ReadonlyArray<RecordedRequest>, member: "bytesIn" | "bytesOut"): number =>
  requests.reduce((total, request) => total + request[member], 0)

const count = (requests: ReadonlyArray<RecordedRequest>): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const { endpoint, method } of requests) {
    const key = `${method} ${endpoint}`
    counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}

const collect = (body: Stream.Stream<Uint8Array, StoreError>) => Effect.orDie(Effect.map(Stream.runCollect(body), concat))

/** @internal */
export const make = Effect.fnUntraced(function* (
  host: string,
  storage: Service,
  initial: Options,
  recorder: Recorder.Recorder = Recorder.make()
): Effect.fn.Return<Registry> {
  const options = yield* Ref.make(initial)
  const handler = Handler.make(storage, Ref.get(options))

  const serve: Registry["serve"] = Effect.fnUntraced(function* (request, query) {
    const endpoint = yield* handler.endpoint(request)
    const entry = recorder.start(request, query, endpoint)
    const response = yield* handler.handle({ ...request, body: counting(request.body, entry.received) })
    entry.answered(response.status)
    return { ...response, sent: entry.sent }
  })

  const manifest: RegistryControl["manifest"] = Effect.fnUntraced(function* (repository, reference) {
    const digest = Digest.isDigest(reference) ? Option.some(reference) : yield* storage.tag(repository, reference)
    return Option.isNone(digest) ? Option.none() : yield* storage.manifest(repository, digest.value)
  }, Effect.orDie)

  const control: RegistryControl = {
    host,
    repositories: storage.repositories,
    tags: storage.tags,
    manifest,
    manifests: storage.manifests,
    blob: (repository, digest) =>
      Effect.flatMap(storage.blobSize(repository, digest), (size) =>
        Option.isNone(size) ? Effect.succeedNone : Effect.asSome(collect(storage.read(digest)))
      ),
    blobs: storage.blobs,
    ...Seed.make(storage),
    openUploads: storage.uploads,
    requests: recorder.requests,
    requestCounts: Effect.map(recorder.requests, count),
    bytesServed: Effect.map(recorder.requests, (requests) => sum(requests, "bytesOut")),
    bytesReceived: Effect.map(recorder.requests, (requests) => sum(requests, "bytesIn")),
    clearRequests: recorder.clear,
    revokeTokens: handler.authority.revoke,
    options: Ref.get(options),
    update: (f) => Ref.update(options, f),
    reset: Effect.zipRight(Effect.orDie(storage.reset), Effect.zipRight(handler.reset, recorder.clear))
  }

  return { serve, control, options: Ref.get(options) }
})
