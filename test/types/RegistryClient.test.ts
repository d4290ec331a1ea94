/** The exact errors of every method, as users see them; `npm run check:types` is what runs this. */
import { describe, it } from "@effect/vitest"
import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { expectTypeOf } from "vitest"
import type * as BlobUpload from "../../src/client/BlobUpload.ts"
import type * as RegistryClient from "../../src/client/RegistryClient.ts"
import type * as Descriptor from "../../src/model/Descriptor.ts"
import type * as Reference from "../../src/model/Reference.ts"
import type * as RegistryTransport from "../../src/transport/RegistryTransport.ts"

type Service = RegistryClient.Service

/** With content that itself cannot fail. */
interface Uploads {
  readonly putBlob: Effect.Effect<BlobUpload.Result, RegistryClient.PutBlobError>
  readonly putBlobStream: Effect.Effect<BlobUpload.Result, RegistryClient.PutBlobError>
}

type Outcome<Method extends keyof Service> = Method extends keyof Uploads ? Uploads[Method] : ReturnType<Service[Method]>

type Tag<Method extends keyof Service> =
  Outcome<Method> extends Effect.Effect<infer _A, infer E extends { readonly _tag: string }, infer _R>
    ? E["_tag"]
    : Outcome<Method> extends Stream.Stream<infer _A, infer E extends { readonly _tag: string }, infer _R>
      ? E["_tag"]
      : never

/** What can go wrong before a registry answers, and signing in. */
type Reaching =
  | "TransportError"
  | "RedirectRefused"
  | "LimitExceeded"
  | "ChallengeError"
  | "TokenExchangeError"
  | "KeychainError"
  | "InsecureRealm"

/** What any endpoint may answer. */
type Registry = Reaching | "Unauthorized" | "Denied" | "TooManyRequests" | "Unsupported" | "Unavailable" | "UnknownRegistryError"

/** What any endpoint of a repository may answer. */
type Repository = Registry | "NameInvalid" | "NameUnknown"

type Manifest = Repository | "ManifestUnknown" | "ManifestInvalid" | "ManifestUnverified" | "TagInvalid" | "DigestInvalid"

type ReadManifest = Manifest | "DigestMismatch" | "InvalidDigest" | "MalformedContent" | "MediaTypeMismatch"

type WriteManifest =
  | Manifest
  | "ManifestBlobUnknown"
  | "BlobUnknown"
  | "SizeInvalid"
  | "DigestMismatch"
  | "MalformedContent"
  | "MediaTypeMismatch"

type Blob = Repository | "BlobUnknown" | "DigestInvalid" | "RangeInvalid"

type HeadBlob = Blob | "DigestMismatch" | "MalformedContent"

type GetBlob = Blob | "DigestMismatch" | "SizeMismatch" | "InvalidDigest" | "MalformedContent"

type Upload = Repository | "BlobUnknown" | "BlobUploadInvalid" | "BlobUploadUnknown" | "DigestInvalid" | "SizeInvalid" | "RangeInvalid"

type PutBlob = Upload | "DigestMismatch" | "SizeMismatch" | "InvalidDigest" | "UploadFailed"

type Referrers =
  | Repository
  | "ManifestUnknown"
  | "ManifestInvalid"
  | "DigestInvalid"
  | "PaginationNumberInvalid"
  | "DigestMismatch"
  | "MalformedContent"
  | "MediaTypeMismatch"

/** One line for each method. */
interface Tags {
  readonly ping: Registry
  readonly prepare: never
  readonly repositories: Registry | "PaginationNumberInvalid" | "MalformedContent"
  readonly repositoriesPage: Registry | "PaginationNumberInvalid" | "MalformedContent"
  readonly resolve: ReadManifest
  readonly manifestExists: Manifest
  readonly getManifest: ReadManifest
  readonly putManifest: WriteManifest
  readonly deleteManifest: WriteManifest
  readonly deleteTag: Manifest
  readonly headBlob: HeadBlob
  readonly blobExists: HeadBlob
  readonly getBlob: GetBlob
  readonly getBlobRange: GetBlob
  readonly putBlob: PutBlob
  readonly putBlobStream: PutBlob
  readonly mountBlob: PutBlob
  readonly deleteBlob: Blob
  readonly tags: Repository | "PaginationNumberInvalid" | "MalformedContent"
  readonly tagsPage: Repository | "PaginationNumberInvalid" | "MalformedContent"
  readonly referrers: Referrers
  readonly checkPush: Upload
  readonly checkDelete: Manifest
}

type All = { readonly [Method in keyof Service]: Tag<Method> }

declare const client: Service
declare const repository: Reference.Repository
declare const descriptor: Descriptor.Descriptor

interface FileGone {
  readonly _tag: "FileGone"
}

interface Files {
  readonly files: true
}

declare const content: Stream.Stream<Uint8Array, FileGone, Files>

describe("RegistryClient", () => {
  it("each method fails as it says, and in no other way", () => {
    expectTypeOf<All>().toEqualTypeOf<Tags>()
  })

  it("the named errors are those of the methods", () => {
    expectTypeOf<Effect.Effect.Error<Outcome<"ping">>>().toEqualTypeOf<RegistryClient.PingError>()
    expectTypeOf<Effect.Effect.Error<Outcome<"getManifest">>>().toEqualTypeOf<RegistryClient.GetManifestError>()
    expectTypeOf<Effect.Effect.Error<Outcome<"putManifest">>>().toEqualTypeOf<RegistryClient.PutManifestError>()
    expectTypeOf<Stream.Stream.Error<Outcome<"getBlob">>>().toEqualTypeOf<RegistryClient.GetBlobError>()
    expectTypeOf<Stream.Stream.Error<Outcome<"tags">>>().toEqualTypeOf<RegistryClient.ListTagsError>()
    expectTypeOf<Stream.Stream.Error<Outcome<"repositories">>>().toEqualTypeOf<RegistryClient.ListRepositoriesError>()
    expectTypeOf<Stream.Stream.Error<Outcome<"referrers">>>().toEqualTypeOf<RegistryClient.ListReferrersError>()
  })

  it("nothing is required of the caller", () => {
    type Requirements<Method extends keyof Service> =
      Outcome<Method> extends Effect.Effect<infer _A, infer _E, infer R>
        ? R
        : Outcome<Method> extends Stream.Stream<infer _A, infer _E, infer R>
          ? R
          : "neither"
    expectTypeOf<Requirements<keyof Service>>().toEqualTypeOf<never>()
    expectTypeOf<Layer.Layer.Context<typeof RegistryClient.layer>>().toEqualTypeOf<RegistryTransport.RegistryTransport>()
    expectTypeOf<Context.Tag.Service<typeof RegistryClient.RegistryClient>>().toEqualTypeOf<Service>()
  })

  it("uploads take over the errors and requirements of their content", () => {
    type Mine = Effect.Effect<BlobUpload.Result, RegistryClient.PutBlobError | FileGone, Files>
    type None = Uploads["putBlob"]
    const calls = {
      bytes: () => client.putBlob(repository, descriptor, new Uint8Array()),
      stream: () => client.putBlob(repository, descriptor, content),
      from: () => client.putBlob(repository, descriptor, { from: () => content }),
      once: () => client.putBlob(repository, descriptor, { once: content }),
      made: () => client.putBlobStream(repository, content),
      pure: () => client.putBlobStream(repository, Stream.make(new Uint8Array())),
      handled: () =>
        client.putBlob(
          repository,
          descriptor,
          Stream.catchTag(content, "FileGone", () => Stream.empty)
        )
    }
    expectTypeOf(calls.bytes).returns.toEqualTypeOf<None>()
    expectTypeOf(calls.stream).returns.toEqualTypeOf<Mine>()
    expectTypeOf(calls.from).returns.toEqualTypeOf<Mine>()
    expectTypeOf(calls.once).returns.toEqualTypeOf<Mine>()
    expectTypeOf(calls.made).returns.toEqualTypeOf<Mine>()
    expectTypeOf(calls.pure).returns.toEqualTypeOf<None>()
    expectTypeOf(calls.handled).returns.toEqualTypeOf<Effect.Effect<BlobUpload.Result, RegistryClient.PutBlobError, Files>>()
  })
})
