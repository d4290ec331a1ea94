import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as TokenScope from "../../auth/TokenScope.ts"
import * as Descriptor from "../../model/Descriptor.ts"
import * as Digest from "../../model/Digest.ts"
import type * as Manifest from "../../model/Manifest.ts"
import * as MediaType from "../../model/MediaType.ts"
import type * as Reference from "../../model/Reference.ts"
import { DigestMismatch } from "../../model/RegistryError.ts"
import type * as RegistryTransport from "../../transport/RegistryTransport.ts"
import { type GetManifestError, type ManifestExistsError, manifestTags, type ResolveError } from "./errors.ts"
import * as ManifestDigest from "./manifestDigest.ts"
import { acceptHeader, manifestPath, originOf, type Place, send, strongEtag } from "./repositoryRequest.ts"

/** @since 0.1.0 */
export interface ResolveOptions {
  /** The media types that may be answered, the preferred first; every manifest type unless given. */
  readonly accept?: ReadonlyArray<string> | undefined
}

/** @since 0.1.0 */
export interface GetManifestOptions extends ResolveOptions {
  /** The longest manifest that is read, default 4 MiB, which every registry accepts (distribution-spec «Pushing Manifests»). */
  readonly maxBytes?: number | undefined
  /**
   * What the reference stood for when it was last read: the very same value comes back if it still does, and then, from a registry that knows
   * conditions, without a body (`If-None-Match` with the `ETag` it came with; RFC 9110, 13.1.2).
   */
  readonly known?: Manifest.Manifest | undefined
}

/** Manifests longer than this are refused unless the caller allows more. @internal */
export const manifestLimitBytes = 4 * 1024 * 1024

type Answer = Effect.Effect<RegistryTransport.TransportResponse, RegistryTransport.TransportFailure, Scope.Scope>

interface AskOptions extends ResolveOptions {
  /** The registry alone is asked. */
  readonly noMirrors?: boolean | undefined
  /** The answer is wanted only if it is another than this stands for. */
  readonly unless?: string | undefined
  readonly wholeBytes?: number | undefined
}

const ask = (place: Place, method: "GET" | "HEAD", reference: Reference.Reference, options: AskOptions): Answer =>
  send(place, {
    endpoint: "manifest",
    method,
    path: manifestPath(place, reference.identifier),
    headers: { ...acceptHeader(options.accept), ...(options.unless === undefined ? {} : { "if-none-match": options.unless }) },
    scopes: [TokenScope.pull(place.repository.name)],
    read: options.noMirrors === true ? undefined : reference.digest === undefined ? "resolve" : "pull",
    wholeBytes: options.wholeBytes
  })

// --- what a HEAD tells ---

/** What servers send that do not know what they serve. */
const anyType = /^(?:|text\/.*|application\/json|application\/octet-stream|binary\/octet-stream)$/

const length = (response: RegistryTransport.TransportResponse): number | undefined => {
  const text = response.headers["content-length"] ?? ""
  // The length of an encoded body is not the length of the manifest.
  return /^[1-9]\d{0,14}$/.test(text) && response.contentEncoding === undefined ? Number(text) : undefined
}

/** Whether the registry speaks of other content; digests of two algorithms cannot be compared. */
const differ = (asked: Digest.Digest, told: Digest.Digest) => asked !== told && Digest.algorithm(asked) === Digest.algorithm(told)

/** The descriptor in the headers of a HEAD; none when one of its parts is missing or cannot be right. */
const described = Effect.fnUntraced(function* (
  place: Place,
  response: RegistryTransport.TransportResponse,
  asked: Digest.Digest | undefined
) {
  const told = ManifestDigest.announced(response.headers)
  if (asked !== undefined && Option.isSome(told) && differ(asked, told.value)) {
    return yield* new DigestMismatch({ ...originOf(place), expected: asked, actual: told.value })
  }
  const mediaType = MediaType.essence(response.headers["content-type"] ?? "")
  const digest = asked ?? Option.getOrUndefined(told)
  const size = length(response)
  return digest === undefined || size === undefined || anyType.test(mediaType)
    ? Option.none<Descriptor.Descriptor>()
    : Option.some(Descriptor.make({ mediaType, digest, size }))
})

/** Answers to a HEAD after which a GET may still succeed, or at least tell more (field: registries that refuse the method or its token). @internal */
export const refusesHead: ReadonlySet<number> = new Set([400, 403, 405, 501])

/** What the registry says without sending the manifest; none when a GET has to tell. @internal */
export const describe = Effect.fnUntraced(function* (
  place: Place,
  reference: Reference.Reference,
  options: ResolveOptions
): Effect.fn.Return<Option.Option<Descriptor.Descriptor>, ResolveError, Scope.Scope> {
  const response = yield* ask(place, "HEAD", reference, options)
  if (response.status === 200) {
    const told = described(place, response, reference.digest)
    // The GET that follows goes to another mirror, or to the registry.
    return yield* response.mirror ? Effect.catchAll(told, () => Effect.as(response.passOver, Option.none())) : told
  }
  return refusesHead.has(response.status) ? Option.none() : yield* response.fail(manifestTags)
})

// --- operations ---

const read = Effect.fnUntraced(function* (
  place: Place,
  response: RegistryTransport.TransportResponse,
  reference: Reference.Reference,
  limitBytes: number
) {
  const bytes = yield* response.bytes(limitBytes)
  const { headers } = response
  return yield* reference.digest === undefined
    ? ManifestDigest.readTagged(bytes, headers, originOf(place))
    : ManifestDigest.readAsked(bytes, headers, reference.digest, originOf(place))
})

/** A digest that cannot be computed here is nobody's fault. */
const isOfMirror = (error: GetManifestError): boolean => error._tag !== "InvalidDigest"

/** The `ETag`s that manifests came with, for who asks whether they are still there. */
const etags = new WeakMap<Manifest.Manifest, string>()

/**
 * What stands for a manifest that may still be what the reference means, and would be taken if it came. Only an `ETag` that names the content is
 * used: another host, or another reference, may mean something else by any other.
 */
const conditionOf = (
  known: Manifest.Manifest | undefined,
  { digest }: Reference.Reference,
  { accept, maxBytes = manifestLimitBytes }: GetManifestOptions
): string | undefined => {
  if (known === undefined || (digest !== undefined && digest !== known.digest)) return undefined
  if (known.size > maxBytes || accept?.includes(known.mediaType) === false) return undefined
  const etag = etags.get(known)
  return etag?.includes(known.digest) === true ? etag : undefined
}

/** Whether a 304 speaks of what is known. */
const isStill = (known: Manifest.Manifest, headers: RegistryTransport.TransportResponse["headers"]): boolean =>
  Option.match(ManifestDigest.announced(headers), {
    onNone: () => true,
    onSome: (told) => !differ(ManifestDigest.knownBy(known), told)
  })

/**
 * What is known is asked for on the condition that it is another by now. A mirror that serves something wrong, or breaks off, is passed over
 * for the next one, and after the last the registry has its say.
 */
const fetch = (
  place: Place,
  reference: Reference.Reference,
  options: GetManifestOptions
): Effect.Effect<Manifest.Manifest, GetManifestError> => {
  const { maxBytes: wholeBytes = manifestLimitBytes } = options
  const from = (mirrors: number, known: Manifest.Manifest | undefined): Effect.Effect<Manifest.Manifest, GetManifestError> =>
    Effect.gen(function* () {
      const unless = conditionOf(known, reference, options)
      const response = yield* ask(place, "GET", reference, { ...options, noMirrors: mirrors === 0, unless, wholeBytes })
      if (response.status === 304 && known !== undefined && unless !== undefined) {
        yield* response.discard
        return isStill(known, response.headers) ? Effect.succeed(known) : from(mirrors, undefined)
      }
      if (response.status !== 200) return yield* response.fail(manifestTags)
      const etag = strongEtag(response)
      const reading = Effect.map(read(place, response, reference, wholeBytes), (manifest) => {
        const same = known?.digest === manifest.digest && known.mediaType === manifest.mediaType ? known : manifest
        if (etag !== undefined) etags.set(same, etag)
        return same
      })
      if (!response.mirror) return reading
      return Effect.catchIf(reading, isOfMirror, () => Effect.zipRight(response.passOver, from(mirrors - 1, known)))
    }).pipe(Effect.flatten, Effect.scoped)
  return from(place.transport.settings(place.repository.registry).mirrors.length, options.known)
}

const placeOf = (transport: RegistryTransport.Service, reference: Reference.Reference, operation: string): Place => ({
  transport,
  repository: reference.repository,
  operation
})

/**
 * What a tag or a digest stands for. `HEAD` first, since registries do not count it against pull limits; where it does not tell type,
 * length and digest, the manifest itself is fetched.
 *
 * @internal
 */
export const resolve: (
  transport: RegistryTransport.Service,
  reference: Reference.Reference,
  options?: ResolveOptions
) => Effect.Effect<Descriptor.Descriptor, ResolveError> = Effect.fnUntraced(function* (transport, reference, options = {}) {
  const place = placeOf(transport, reference, "resolve")
  const told = yield* Effect.scoped(describe(place, reference, options))
  if (Option.isSome(told)) return told.value
  const manifest = yield* fetch(place, reference, options)
  return Descriptor.make({ ...manifest.descriptor, digest: ManifestDigest.knownBy(manifest) })
})

/** A manifest, verified. @internal */
export const getManifest = (
  transport: RegistryTransport.Service,
  reference: Reference.Reference,
  options: GetManifestOptions = {}
): Effect.Effect<Manifest.Manifest, GetManifestError> => fetch(placeOf(transport, reference, "getManifest"), reference, options)

/**
 * Whether there is such a manifest, as far as the registry says so: 403 is what some answer for what does not exist (field: Artifactory),
 * so it is no here; `resolve` tells the difference. Registries without `HEAD` are asked for the manifest.
 *
 * @internal
 */
export const manifestExists: (
  transport: RegistryTransport.Service,
  reference: Reference.Reference
) => Effect.Effect<boolean, ManifestExistsError> = Effect.fnUntraced(function* (transport, reference) {
  const place = placeOf(transport, reference, "manifestExists")
  const status = (method: "HEAD" | "GET"): Effect.Effect<number, ManifestExistsError> =>
    Effect.scoped(
      Effect.gen(function* () {
        const response = yield* ask(place, method, reference, {})
        const clear = response.status === 200 || response.status === 404 || response.status === 403
        const headless = method === "HEAD" && (response.status === 405 || response.status === 501)
        return clear || headless ? response.status : yield* response.fail(manifestTags)
      })
    )
  const first = yield* status("HEAD")
  return (first === 405 || first === 501 ? yield* status("GET") : first) === 200
})
