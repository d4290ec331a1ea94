import type { HostSettings, UploadPlan } from "../../transport/RegistryHosts.ts"

/** A way of sending that is no choice any more. @internal */
export type Plan = Exclude<UploadPlan, "auto">

/** What uploads learn about registries and keep for the next one. @internal */
export interface Memory {
  /** The plan that worked where the first choice did not. */
  readonly plans: Map<string, Plan>
  /** The chunk size of registries that refused a larger one. */
  readonly chunkBytes: Map<string, number>
  /** Mounts that failed, as `registry from`. */
  readonly refusedMounts: Set<string>
}

/** @internal */
export const memory = (): Memory => ({ plans: new Map(), chunkBytes: new Map(), refusedMounts: new Set() })

/** GHCR takes no `PATCH` with `Content-Range` above this size, and few front proxies refuse it. */
const smallChunkBytes = 4 * 1024 * 1024

/** The plans to try, the one to begin with first. @internal */
export const plansFor = (wanted: UploadPlan, learned: Plan | undefined): ReadonlyArray<Plan> => {
  switch (learned ?? wanted) {
    case "auto":
    case "single":
      return ["single", "streamed", "chunked"]
    case "streamed":
      return ["streamed", "chunked", "single"]
    case "chunked":
      return ["chunked", "streamed", "single"]
  }
}

/** @internal */
export const chunkBytesFor = (
  options: { readonly chunkBytes?: number | undefined },
  settings: HostSettings,
  learned: Memory,
  registry: string
): number => Math.min(options.chunkBytes ?? settings.chunkBytes, learned.chunkBytes.get(registry) ?? Number.POSITIVE_INFINITY)

/** Refusals that ask for another way of sending rather than for another try. */
const refusesPlan: ReadonlySet<number> = new Set([400, 404, 405, 411, 413, 415, 416, 501])

/** Refusals that may pass. */
const passing: ReadonlySet<number> = new Set([408, 416, 429, 499, 500, 502, 503, 504, 522])

/** Whether a refusal may pass. @internal */
export const mayPass = (status: number): boolean => passing.has(status)

/** What to do about content that was refused. @internal */
export type Verdict = "giveUp" | "again" | "otherPlan" | { readonly chunkBytes: number }

/**
 * A 416 is a wrong offset in the middle of an upload, but may mean «too large» for the first chunk; a refusal of the very first request may
 * be a refusal of the plan.
 *
 * @internal
 */
export const verdict = (refusal: {
  readonly status: number
  readonly plan: Plan
  readonly first: boolean
  readonly chunkBytes: number
  readonly otherPlans: boolean
}): Verdict => {
  const { status, plan, first, chunkBytes } = refusal
  const tooLarge = status === 413 || (status === 416 && first)
  if (tooLarge && plan === "chunked" && chunkBytes > smallChunkBytes) return { chunkBytes: smallChunkBytes }
  if (first && refusesPlan.has(status) && refusal.otherPlans) return "otherPlan"
  return passing.has(status) ? "again" : "giveUp"
}
