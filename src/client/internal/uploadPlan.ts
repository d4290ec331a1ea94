import type * as Deferred from "effect/Deferred"
import type { UploadPlan } from "../../transport/RegistryHosts.ts"
import type { Company } from "./uploadSource.ts"

/** A way of sending that is no choice any more. @internal */
export type Plan = Exclude<UploadPlan, "auto">

/** What uploads learn about registries and keep for the next one; sizes in bytes. @internal */
export interface Memory {
  /** Plans that were refused where another one worked. */
  readonly refusedPlans: Map<string, ReadonlySet<Plan>>
  /** The smallest body that was refused as too large. */
  readonly tooLargeBody: Map<string, number>
  /** The smallest chunk that was refused as too large. */
  readonly tooLargeChunk: Map<string, number>
  /** Mounts that were refused, as `registry from`. */
  readonly refusedMounts: Set<string>
  /** Whether a registry mounts a blob from the very repository that holds it, and so tells by the way whether it is there; or is being tried. */
  readonly ownMounts: Map<string, Deferred.Deferred<boolean>>
  /** The content that is being read. */
  readonly sources: Company
}

/** @internal */
export const memory = (): Memory => ({
  refusedPlans: new Map(),
  tooLargeBody: new Map(),
  tooLargeChunk: new Map(),
  refusedMounts: new Set(),
  ownMounts: new Map(),
  sources: { open: 0 }
})

/** Keeps the smaller of two sizes. @internal */
export const noteTooLarge = (sizes: Map<string, number>, registry: string, bytes: number): void => {
  sizes.set(registry, Math.min(bytes, sizes.get(registry) ?? bytes))
}

const allPlans: ReadonlyArray<Plan> = ["single", "streamed", "chunked"]

/** The plans to try for content of known digest, the one to begin with first. @internal */
export const plansFor = (wanted: UploadPlan, learned: Memory, registry: string, sizeBytes: number): ReadonlyArray<Plan> => {
  const refused = learned.refusedPlans.get(registry)
  const tooLarge = sizeBytes >= (learned.tooLargeBody.get(registry) ?? Number.POSITIVE_INFINITY)
  const first = tooLarge ? "chunked" : wanted === "auto" ? "single" : wanted
  const order = [first, ...allPlans.filter((plan) => plan !== first)]
  const left = order.filter((plan) => refused?.has(plan) !== true)
  return left.length === 0 ? order : left
}

/** The plans to try for content that can be read once: chunks are kept until they are stored, a stream is gone when it was sent. @internal */
export const plansForOnce = (wanted: UploadPlan, learned: Memory, registry: string): ReadonlyArray<Plan> => {
  const streams = wanted === "streamed" || wanted === "single" || learned.refusedPlans.get(registry)?.has("chunked") === true
  return streams ? ["streamed"] : ["chunked", "streamed"]
}

/** GHCR takes no `PATCH` with `Content-Range` above this size, and few front proxies refuse it. */
const smallChunkBytes = 4 * 1024 * 1024

/** What is kept of content that can be read once, because a registry takes no smaller chunks; no registry is known to want that much. */
const largestMinChunkBytes = 64 * 1024 * 1024

/** Smaller chunks than this are not worth a request. */
const smallestChunkBytes = 64 * 1024

/** The next smaller chunk, if there is one. */
const smaller = (chunkBytes: number, leastBytes: number): number | undefined => {
  const next = chunkBytes > smallChunkBytes ? smallChunkBytes : Math.floor(chunkBytes / 4)
  return next < Math.max(leastBytes, smallestChunkBytes) ? undefined : next
}

/** The chunk size to begin with. @internal */
export const chunkBytesFor = (wantedBytes: number, learned: Memory, registry: string): number => {
  const limit = Math.min(
    learned.tooLargeChunk.get(registry) ?? Number.POSITIVE_INFINITY,
    learned.tooLargeBody.get(registry) ?? Number.POSITIVE_INFINITY
  )
  let chunkBytes = wantedBytes
  while (chunkBytes >= limit) {
    const next = smaller(chunkBytes, 0)
    if (next === undefined) break
    chunkBytes = next
  }
  return chunkBytes
}

/** Whether chunks of content that can be read once are short enough to be kept. @internal */
export const canKeep = (minChunkBytes: number): boolean => minChunkBytes <= largestMinChunkBytes

/** The length of the next chunk: one that leaves no chunk shorter than the registry's minimum behind it. @internal */
export const pieceLength = (leftBytes: number, chunkBytes: number, minChunkBytes: number): number => {
  const wanted = Math.max(chunkBytes, minChunkBytes)
  return leftBytes - wanted < Math.max(minChunkBytes, 1) ? leftBytes : wanted
}

/**
 * Where to go on after a failure, out of what the registry says it has and what it confirmed before; undefined when nothing can be relied
 * on. Registries are believed when they have more than they confirmed. When they have less, some do not move `Range` at all (Amazon ECR), so
 * what was confirmed goes first, and what they say when that was refused. `0-0` stands for one byte and for none.
 *
 * @internal
 */
export const nextOffset = (
  receivedBytes: number | undefined,
  confirmedBytes: number,
  refusedOffset: number | undefined
): number | undefined => {
  if (receivedBytes === confirmedBytes) return confirmedBytes
  const clear = receivedBytes !== undefined && receivedBytes > 1 ? [receivedBytes] : []
  const candidates = receivedBytes !== undefined && receivedBytes > Math.max(confirmedBytes, 1) ? clear : [confirmedBytes, ...clear]
  return candidates.find((offset) => offset !== refusedOffset)
}

/** Refusals that ask for another way of sending rather than for another try. */
const refusesPlan: ReadonlySet<number> = new Set([400, 404, 405, 411, 413, 415, 416, 501])

/** Refusals after which the registry can be asked how far it got. */
const misplaced: ReadonlySet<number> = new Set([404, 416])

/** A refusal of content. @internal */
export interface Refusal {
  readonly status: number
  /** Whether the retry policy takes it for one that may pass. */
  readonly passing: boolean
  /** The digest did not match. */
  readonly digestInvalid: boolean
  readonly plan: Plan
  readonly otherPlans: ReadonlyArray<Plan>
  /** Where the refused content began, and how long it was. */
  readonly offset: number
  readonly length: number
  readonly chunkBytes: number
  readonly minChunkBytes: number
  /** Whether this session was gone on with after a failure. */
  readonly resumed: boolean
  /** Failures in a row. */
  readonly fruitless: number
}

/**
 * What to do about content that was refused: ask how far the registry got and go `on`, begin `anew`, take `plan` or smaller chunks, or give
 * `up`.
 *
 * @internal
 */
export type Verdict =
  | { readonly _tag: "up" | "on" | "anew" }
  | { readonly _tag: "plan"; readonly plan: Plan }
  | { readonly _tag: "chunks"; readonly chunkBytes: number }

const verdictOnSize = ({ plan, otherPlans, length, minChunkBytes }: Refusal): Verdict | undefined => {
  if (plan !== "chunked") return otherPlans.includes("chunked") ? { _tag: "plan", plan: "chunked" } : undefined
  const chunkBytes = smaller(length, minChunkBytes)
  return chunkBytes === undefined ? undefined : { _tag: "chunks", chunkBytes }
}

/** The content is wrong, or went to a wrong place, or the registry kept but one of several chunks (Amazon ECR and GHCR, by some reports). */
const verdictOnDigest = ({ resumed, plan, offset, chunkBytes }: Refusal, other: Plan | undefined): Verdict => {
  if (resumed) return { _tag: "anew" }
  return plan === "chunked" && offset > chunkBytes && other !== undefined ? { _tag: "plan", plan: other } : { _tag: "up" }
}

/**
 * A 416 is a wrong offset in the middle of an upload, but «too large» for the first chunk (GHCR); a refusal of the very first content may be a
 * refusal of the plan; a 404 may be a session that is gone.
 *
 * @internal
 */
export const verdict = (refusal: Refusal): Verdict => {
  const { status, plan, resumed, fruitless } = refusal
  const first = refusal.offset === 0 && !resumed
  if (status === 413 || (status === 416 && first && plan === "chunked")) {
    const sized = verdictOnSize(refusal)
    if (sized !== undefined) return sized
  }
  const [other] = refusal.otherPlans
  if (refusal.digestInvalid) return verdictOnDigest(refusal, other)
  const gone = status === 404 && fruitless === 0
  if (first && refusesPlan.has(status) && !gone && other !== undefined) return { _tag: "plan", plan: other }
  if (refusal.passing || misplaced.has(status)) return { _tag: "on" }
  return { _tag: resumed && refusesPlan.has(status) ? "anew" : "up" }
}
