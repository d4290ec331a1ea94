import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type DeleteManifestOptions, deleteManifest } from "../../src/client/internal/deleteManifest.ts"
import { type ManifestState, makeManifestState } from "../../src/client/internal/manifestState.ts"
import { type PutManifestOptions, putManifest } from "../../src/client/internal/putManifest.ts"
import { type ReferrersOptions, referrers } from "../../src/client/internal/referrers.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import type * as Digest from "../../src/model/Digest.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import type * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as Registries from "./Registries.ts"

export const repository = Effect.runSync(Reference.parseRepository("registry.test/acme/app"))
export const image = Manifest.artifact({ artifactType: "application/vnd.example.image" })
export const subject = image.descriptor
export const fallbackTag = Reference.referrersTag(image.digest)
export const transport = RegistryTransport.RegistryTransport

export const sbomType = "application/vnd.example.sbom+json"
export const signatureType = "application/vnd.example.signature"

export const referrer = (name: string, artifactType = sbomType, of = subject) =>
  Manifest.artifact({ artifactType, subject: of, annotations: { name } })

export const registry = Effect.flatMap(MemoryRegistry.MemoryRegistry, (service) =>
  Effect.as(Effect.zipRight(service.seedBlob(repository.name, Descriptor.emptyBytes()), service.clearRequests), service)
)

export const push = (manifest: Manifest.Manifest, state: ManifestState = makeManifestState(), options?: PutManifestOptions) =>
  Effect.flatMap(transport, (service) => putManifest(service, state, repository, manifest, options))

export const remove = (digest: Digest.Digest, state: ManifestState = makeManifestState(), options?: DeleteManifestOptions) =>
  Effect.flatMap(transport, (service) => deleteManifest(service, state, repository, digest, options))

export const listed = (options?: ReferrersOptions, state: ManifestState = makeManifestState(), digest: Digest.Digest = image.digest) =>
  Effect.flatMap(transport, (service) =>
    Effect.map(Stream.runCollect(referrers(service, state, repository, digest, options)), Chunk.toReadonlyArray)
  )

export const requests = Effect.flatMap(MemoryRegistry.MemoryRegistry, (service) =>
  Effect.map(service.requests, (all) =>
    all
      .filter(({ endpoint }) => endpoint !== "base")
      .map(({ method, path, query, status }) => `${method} ${path.replace(/^.*\/(manifests|referrers)\//, "$1 ")}${query} ${status}`)
  )
)

export const registries = (capabilities: Partial<RegistryOptions.Capabilities> = {}, options: RegistryOptions.Options = {}) =>
  Registries.layer({ hosts: { "registry.test": { ...options, capabilities } } })

export const withoutApi = registries({ referrers: false })
export const withoutConditions = registries({ referrers: false, conditional: false })

/** What the fall-back tag holds. */
export const index = Effect.flatMap(MemoryRegistry.MemoryRegistry, (service) =>
  Effect.flatMap(service.manifest(repository.name, fallbackTag), (found) =>
    Effect.map(
      Effect.flatMap(found, ({ bytes }) => Manifest.decode(bytes)),
      (manifest) => (manifest._tag === "ImageIndex" ? manifest.manifests : [])
    )
  )
)
