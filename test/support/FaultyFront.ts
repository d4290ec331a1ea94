/**
 * A reverse proxy in front of a registry that treats its clients badly: downloads and uploads are cut at a random byte, answers replaced by
 * refusals. What happens to a request depends on the seed, on what it asks for, and on how often that was asked, not on who came first: two
 * runs of the same client see the same faults, however its requests overlap.
 */
import { createHash } from "node:crypto"
import * as Http from "node:http"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as LocalServer from "./LocalServer.ts"

/**
 * Shares between 0 and 1.
 *
 * - `cutDownloads`: bodies of blobs that end early
 * - `cutUploads`: requests with content whose connection breaks on the way, so that they get no answer
 * - `unavailable`: answers that are a 503 with a page of HTML; of every two the registry has done what it was asked before one, and has never
 *   heard of the other
 * - `throttled`: answers that are a 429 with `Retry-After: 1`; the registry never hears of the request
 */
export interface Faults {
  readonly cutDownloads: number
  readonly cutUploads: number
  readonly unavailable: number
  readonly throttled: number
}

export const noFaults: Faults = { cutDownloads: 0, cutUploads: 0, unavailable: 0, throttled: 0 }

/**
 * What happened so far; sizes in bytes. `toServer` and `toClient` are content of blobs that went through. `lost` is content that left the
 * client and was read here without going on: what was on its way when the connection broke, and what came with a request that was refused.
 */
export interface Tally {
  readonly requests: number
  readonly answers: number
  readonly unavailable: number
  readonly throttled: number
  readonly downloads: number
  readonly cutDownloads: number
  readonly uploads: number
  readonly cutUploads: number
  readonly toServer: number
  readonly toClient: number
  readonly lost: number
}

export const noTally: Tally = {
  requests: 0,
  answers: 0,
  unavailable: 0,
  throttled: 0,
  downloads: 0,
  cutDownloads: 0,
  uploads: 0,
  cutUploads: 0,
  toServer: 0,
  toClient: 0,
  lost: 0
}

export interface Service extends Pick<LocalServer.LocalServer, "host" | "origin"> {
  readonly tally: Effect.Effect<Tally>
  /** Other faults from here on; the tally begins anew. */
  readonly suffer: (faults: Faults) => Effect.Effect<void>
}

export interface Options {
  /** `127.0.0.1:port` of the server. */
  readonly target: string
  readonly seed: number
  readonly faults?: Faults
}

/** How a request fares: each a number from 0 to 1 that the shares are compared with, `where` the part of a body that goes through. */
interface Fate {
  readonly cut: number
  readonly refusal: number
  readonly late: number
  readonly where: number
}

const fateOf = (seed: number, key: string, time: number): Fate => {
  const hash = createHash("sha256").update(`${seed} ${key} ${time}`).digest()
  const [cut = 0, refusal = 0, late = 0, where = 0] = [0, 4, 8, 12].map((at) => hash.readUInt32BE(at) / 2 ** 32)
  return { cut, refusal, late, where }
}

/** What a request asks for, the same in every run: the name of an upload is made up by the registry. */
const keyOf = (method: string, url: URL): string =>
  `${method} ${url.pathname.replace(/(\/blobs\/uploads\/).+$/, "$1*")} ${url.searchParams.get("digest") ?? ""}`

const isBlob = (path: string) => /^\/v2\/.+\/blobs\/[a-z0-9]+:[0-9a-f]+$/.test(path)
const isUpload = (path: string) => /^\/v2\/.+\/blobs\/uploads\/./.test(path)

/** Where content is cut that does not tell its length. */
const unmeasuredBytes = 64 * 1024

const lengthOf = ({ headers }: Http.IncomingMessage) => Number(headers["content-length"] ?? unmeasuredBytes)

const page = "<html><head><title>503 Service Temporarily Unavailable</title></head><body><h1>503</h1></body></html>\n"

const refuse = {
  unavailable: (answer: Http.ServerResponse) =>
    answer.writeHead(503, { "content-type": "text/html", "content-length": page.length }).end(page),
  throttled: (answer: Http.ServerResponse) =>
    answer.writeHead(429, { "content-type": "application/json", "retry-after": "1" }).end('{"errors":[{"code":"TOOMANYREQUESTS"}]}')
}

/** Headers about the connection are between two neighbours. */
const passedOn = (headers: Http.IncomingHttpHeaders): Http.OutgoingHttpHeaders => {
  const { connection: _, "keep-alive": __, ...rest } = headers
  return rest
}

export const make = (options: Options): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.gen(function* () {
    const [hostname = "", port = ""] = options.target.split(":")
    const times = new Map<string, number>()
    let faults = options.faults ?? noFaults
    let tally = { ...noTally }

    const fate = (request: Http.IncomingMessage, url: URL): Fate => {
      const key = keyOf(request.method ?? "GET", url)
      const time = times.get(key) ?? 0
      times.set(key, time + 1)
      return fateOf(options.seed, key, time)
    }

    /** Passes content on, up to a length, and then `cut`s. */
    const relay = (
      from: Http.IncomingMessage,
      to: Http.ClientRequest | Http.ServerResponse,
      counter: "toServer" | "toClient" | undefined,
      cutAt: number | undefined,
      cut: (sent: () => void) => void
    ) => {
      let passed = 0
      let broken = false
      const pass = (bytes: Buffer) => {
        const part = cutAt === undefined ? bytes : bytes.subarray(0, cutAt - passed)
        passed += part.length
        if (counter !== undefined) tally[counter] += part.length
        if (counter === "toServer") tally.lost += bytes.length - part.length
        broken = cutAt !== undefined && passed >= cutAt
        if (broken) return cut(() => (part.length === 0 ? to.destroy() : to.write(part, () => to.destroy())))
        if (to.write(part)) return
        from.pause()
        to.once("drain", () => from.resume())
      }
      from.on("data", (bytes: Buffer) => {
        if (!broken) pass(bytes)
        else if (counter === "toServer") tally.lost += bytes.length
      })
      from.on("end", () => {
        if (!broken) to.end()
      })
      from.on("error", () => {
        if (!broken) to.destroy()
      })
      from.on("close", () => {
        if (!from.complete && !broken) to.destroy()
      })
    }

    const respond = (answer: Http.ServerResponse, from: Http.IncomingMessage, counted: boolean, where: number | undefined) => {
      tally.answers++
      answer.writeHead(from.statusCode ?? 502, passedOn(from.headers))
      answer.flushHeaders()
      if (counted) tally.downloads++
      if (where === undefined) return relay(from, answer, counted ? "toClient" : undefined, undefined, () => {})
      tally.cutDownloads++
      relay(from, answer, "toClient", Math.floor(where * lengthOf(from)), (sent) => {
        from.destroy()
        sent()
      })
    }

    const handle = (request: Http.IncomingMessage, answer: Http.ServerResponse) => {
      const url = new URL(request.url ?? "/", "http://front")
      const { cut, late, refusal, where } = fate(request, url)
      const uploads = isUpload(url.pathname) && (request.method === "PUT" || request.method === "PATCH") && lengthOf(request) > 0
      tally.requests++
      if (uploads) tally.uploads++
      const cutsUpload = uploads && cut < faults.cutUploads
      const kind =
        cutsUpload || refusal >= faults.unavailable + faults.throttled
          ? undefined
          : refusal < faults.unavailable
            ? ("unavailable" as const)
            : ("throttled" as const)
      const turnAway = (reason: keyof typeof refuse) => {
        tally.answers++
        tally[reason]++
        refuse[reason](answer)
      }
      if (kind === "throttled" || (kind === "unavailable" && late < 0.5)) {
        // The answer does not wait for the content, but what comes of it is read: closing at once would take the answer away.
        request.on("data", (bytes: Buffer) => {
          if (uploads) tally.lost += bytes.length
        })
        return turnAway(kind)
      }
      const forwarded = Http.request({
        host: hostname,
        port,
        method: request.method,
        path: request.url,
        headers: passedOn(request.headers),
        agent: false
      })
      forwarded.on("error", () => answer.destroy())
      forwarded.on("response", (from) => {
        if (kind !== undefined) {
          from.resume()
          from.on("end", () => turnAway(kind))
          return
        }
        const counted = request.method === "GET" && isBlob(url.pathname) && (from.statusCode === 200 || from.statusCode === 206)
        respond(answer, from, counted, counted && cut < faults.cutDownloads ? where : undefined)
      })
      if (!cutsUpload) return relay(request, forwarded, uploads ? "toServer" : undefined, undefined, () => {})
      relay(request, forwarded, "toServer", Math.floor(where * lengthOf(request)), (sent) => {
        tally.cutUploads++
        // What the registry got is its own; the client finds its connection reset.
        sent()
        request.socket.resetAndDestroy()
      })
    }

    const server = yield* LocalServer.make(handle)
    return {
      host: server.host,
      origin: server.origin,
      tally: Effect.sync(() => ({ ...tally })),
      suffer: (next) =>
        Effect.sync(() => {
          faults = next
          tally = { ...noTally }
          times.clear()
        })
    }
  })
