/**
 * Registries as one meets them: what each does other than the distribution spec says, as options for `MemoryRegistry` and `RegistryServer`.
 * Where reports contradict each other there is one value for each reading. Profiles are values like any other: `RegistryOptions.merge` lays
 * more on top.
 *
 * They hold what was reported of a registry, not all it does, and nothing that takes its time or its rates. Sources are the issues named at
 * each profile, and the comparison that `ocync` keeps in its documentation. Whoever asks without credentials may do everything where nothing
 * else is said; `auth` laid on top brings accounts. On a real port there is no host but one: see `onOneHost`.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import * as Credentials from "../auth/Credentials.ts"
import * as Quirk from "./Quirk.ts"
import { type BearerAuth, basic, bearer, merge, type Options, type User } from "./RegistryOptions.ts"

const mebibyte = 1024 * 1024

const anyone = ["repository:*:*", "registry:*:*"]

const account = (name: string): Readonly<Record<string, User>> => ({ [name]: { password: Redacted.make(`${name}-password`) } })

/** Tokens for whoever asks, from a service on another host. */
const tokensFrom = (host: string, options: Partial<BearerAuth> = {}) =>
  bearer({ users: {}, anonymous: anyone, realm: `https://${host}/token`, service: host, ...options })

/**
 * Docker Hub: tokens from `auth.docker.io`, pulls counted. Its API is at `registry-1.docker.io`, which is the host to give the profile to.
 * docker/hub-feedback#1907.
 *
 * @since 0.1.0
 */
export const dockerHub: Options = {
  auth: tokensFrom("auth.docker.io"),
  adjustments: [Quirk.pullBudget(100, 76, 21_600)]
}

/** Docker Hub once the pulls are used up: 429 in plain text on `GET` of manifests. docker/hub-feedback#1907. @since 0.1.0 */
export const dockerHubUsedUp: Options = merge(dockerHub, { adjustments: [Quirk.pullsUsedUp] })

/** What all readings of Amazon ECR share. */
const amazon: Options = {
  capabilities: { createRepositories: false, mount: false, referrers: false, tagParameter: false },
  uploads: { patchStatus: 201, range: "stuck" },
  claimsSubject: true
}

const ecrPrivate: Options = merge(amazon, {
  auth: basic({ users: account("AWS") }),
  limits: { pageParameter: 1000 },
  adjustments: [Quirk.headWithoutDigest]
})

/**
 * Amazon ECR: `PATCH` answers 201 and its `Range` does not move after the first chunk; repositories must exist; no mounts; Basic for the
 * user `AWS`; `n` up to 1000; `HEAD` without digest; `OCI-Subject` without a list of referrers. jdx/mise#11376, aws/containers-roadmap#2783,
 * #2831, crashappsec/chalk#682.
 *
 * - `rangeStuck`: the later chunks are kept (chalk#682)
 * - `rangeStuckDiscarded`: they are accepted and lost (containers-roadmap#2831)
 * - `immutableTags`: a tag cannot be pushed twice, not even for the same manifest (containers-roadmap#2380)
 * - `headRefused`: 405 for `HEAD` of a manifest (distribution#3792)
 * - `blobMounting`: the account setting of that name is on, which mounts what a manifest names (ocync)
 *
 * @since 0.1.0
 */
export const ecr = {
  rangeStuck: ecrPrivate,
  rangeStuckDiscarded: merge(ecrPrivate, { uploads: { laterChunks: "lost" } }),
  immutableTags: merge(ecrPrivate, { capabilities: { moveTags: false } }),
  headRefused: merge(ecrPrivate, { adjustments: [Quirk.headRefused(405)] }),
  blobMounting: merge(ecrPrivate, { capabilities: { mount: true, mountUncommitted: false } })
} as const satisfies Record<string, Options>

/** Amazon ECR Public: uploads as at ECR, but tokens. ocync. @since 0.1.0 */
export const ecrPublic: Options = merge(amazon, { auth: tokensFrom("public.ecr.aws") })

const github: Options = {
  capabilities: { referrers: false, tagParameter: false },
  auth: tokensFrom("ghcr.io"),
  adjustments: [Quirk.longChunksRefused(4 * mebibyte)]
}

/**
 * GHCR: a chunk of more than 4 MiB is 416, a `PATCH` without `Content-Range` may have any length; no list of referrers. ocx-sh/ocx#237,
 * oras-project/rust-oci-client#37, actions/attest-build-provenance#71.
 *
 * - `chunksWork`: several chunks make one blob (ocx, rust-oci-client)
 * - `chunksCorrupt`: they do not, although each is accepted (ocync)
 *
 * @since 0.1.0
 */
export const ghcr = {
  chunksWork: github,
  chunksCorrupt: merge(github, { uploads: { laterChunks: "lost" } })
} as const satisfies Record<string, Options>

/**
 * Google Artifact Registry: no chunks, `Location`s longer than Node's default limit of all headers, `HEAD` lengths and sizes of referrers
 * that are not those of the manifests. oras-project/oras#2054, actions/attest-build-provenance#606.
 *
 * @since 0.1.0
 */
export const gar: Options = {
  capabilities: { chunkedUpload: false, tagParameter: false },
  auth: bearer({ users: account("oauth2accesstoken") }),
  adjustments: [Quirk.hugeLocation(20_000), Quirk.headLengthOff(-20), Quirk.referrerSizes((size) => size + 1000)]
}

/**
 * Azure Container Registry: bodies of more than 20 MB are refused, so that large blobs need chunks (documentation of ocync; Azure's own client
 * sends 4 MiB); an identity token is exchanged for access tokens.
 *
 * @since 0.1.0
 */
export const acr: Options = {
  limits: { uploadBodyBytes: 20_000_000 },
  auth: bearer({
    users: account("00000000-0000-0000-0000-000000000000"),
    identityTokens: { "acr-refresh-token": "00000000-0000-0000-0000-000000000000" }
  })
}

const redHat: Options = {
  auth: tokensFrom("quay.io"),
  adjustments: [Quirk.mountNeedsFrom]
}

/**
 * Quay: tokens, a mount without `from` is a bad request (GoogleContainerTools/kaniko#1177, GoogleContainerTools/jib#703).
 *
 * - `imagesOnly`: with the setting that refuses other artifacts than images (oras-project/oras#738)
 *
 * @since 0.1.0
 */
export const quay = {
  anyArtifact: redHat,
  imagesOnly: merge(redHat, { capabilities: { artifacts: false } })
} as const satisfies Record<string, Options>

/**
 * Harbor: repositories stand in projects, a mount from another project is 401, `HEAD` lengths and sizes of referrers that are not those of the
 * manifests. oras-project/oras#1924, oras-project/oras-go#1176, goharbor/harbor#17097, #20187.
 *
 * @since 0.1.0
 */
export const harbor: Options = {
  auth: tokensFrom("harbor-tokens.test"),
  adjustments: [Quirk.projectRequired, Quirk.mountWithinProject, Quirk.headLengthOff(7), Quirk.referrerSizes((size) => size * 3)]
}

/** GitLab: the token service, on another host, heeds the last `scope` only. estesp/manifest-tool#53. @since 0.1.0 */
export const gitlab: Options = {
  auth: tokensFrom("gitlab.test", { misbehavior: { lastScopeOnly: true } })
}

/** Artifactory: some versions need a `PATCH`, and what is missing is forbidden. containerd#3533, go-containerregistry#1691. @since 0.1.0 */
export const artifactory: Options = {
  capabilities: { singlePut: false, singlePost: false },
  auth: tokensFrom("artifactory-tokens.test"),
  adjustments: [Quirk.missingIsDenied]
}

/** Nexus: Basic only, `HEAD` of a manifest without digest. distribution#2384. @since 0.1.0 */
export const nexus: Options = {
  capabilities: { referrers: false, tagParameter: false },
  auth: basic({ users: account("admin") }),
  adjustments: [Quirk.headWithoutDigest]
}

const pulpProject: Options = { uploads: { patchStatus: 204 } }

/**
 * Pulp, and with it the registry of Red Hat: `PATCH` answers 204 (pulp/pulp_container#2199), blobs come compressed (quay/quay#1310).
 *
 * - `gzipAccepted`: when the client accepts it
 * - `gzipAlways`: whatever the client accepts
 *
 * @since 0.1.0
 */
export const pulp = {
  gzipAccepted: merge(pulpProject, { adjustments: [Quirk.gzipBlobs("accepted")] }),
  gzipAlways: merge(pulpProject, { adjustments: [Quirk.gzipBlobs("always")] })
} as const satisfies Record<string, Options>

/**
 * Gitea, and with it Codeberg: both challenges in one header line with the scope `*`; the token service knows no `POST` and gives tokens for
 * everything. renovatebot/renovate, `lib/modules/datasource/docker/common.ts`.
 *
 * @since 0.1.0
 */
export const gitea: Options = {
  capabilities: { referrers: false, tagParameter: false },
  auth: bearer({ users: account("gitea"), alsoBasic: true, misbehavior: { postStatus: 404, ignoresScope: true } }),
  adjustments: [Quirk.challengesInOneLine]
}

/** CNCF distribution 2.8, the `docker-registry` of Linux distributions, as it is set up by default. @since 0.1.0 */
export const distribution: Options = {
  capabilities: {
    anonymousMount: false,
    conditional: false,
    deleteBlob: false,
    deleteManifest: false,
    deleteTag: false,
    digestAlgorithm: false,
    referrers: false,
    singlePost: false,
    streamedAppend: true,
    tagParameter: false
  }
}

/** The distribution spec at HEAD, checking that what a manifest refers to is there, as olareg and zot do. @since 0.1.0 */
export const specTrue: Options = {}

/** Every profile by its name. @since 0.1.0 */
export const all: Readonly<Record<string, Options>> = {
  specTrue,
  distribution,
  dockerHub,
  dockerHubUsedUp,
  "ecr.rangeStuck": ecr.rangeStuck,
  "ecr.rangeStuckDiscarded": ecr.rangeStuckDiscarded,
  "ecr.immutableTags": ecr.immutableTags,
  "ecr.headRefused": ecr.headRefused,
  "ecr.blobMounting": ecr.blobMounting,
  ecrPublic,
  "ghcr.chunksWork": ghcr.chunksWork,
  "ghcr.chunksCorrupt": ghcr.chunksCorrupt,
  gar,
  acr,
  "quay.anyArtifact": quay.anyArtifact,
  "quay.imagesOnly": quay.imagesOnly,
  harbor,
  gitlab,
  artifactory,
  nexus,
  "pulp.gzipAccepted": pulp.gzipAccepted,
  "pulp.gzipAlways": pulp.gzipAlways,
  gitea
}

/**
 * The same with its token service on the host of the registry. A `MemoryRegistry` is on all hosts its profile names; a `RegistryServer` is not,
 * and its clients would ask the real `auth.docker.io`.
 *
 * @since 0.1.0
 */
export const onOneHost = (options: Options): Options =>
  options.auth?._tag === "Bearer" ? { ...options, auth: { ...options.auth, realm: undefined } } : options

/** What a client needs to be let in: the identity token or the first user that the options know, else nothing. @since 0.1.0 */
export const credentials = ({ auth }: Options): Credentials.Credentials => {
  if (auth === undefined || auth._tag === "None") return Credentials.anonymous
  const token = auth._tag === "Bearer" ? Object.keys(auth.identityTokens ?? {})[0] : undefined
  if (token !== undefined) return Credentials.identityToken(Redacted.make(token))
  const [user] = Object.entries(auth.users)
  if (user === undefined) return Credentials.anonymous
  const [username, { password }] = user
  return Credentials.basic(username, password)
}
