// The index of a place: what `index.json` of a layout says, and how tags come and go in it (image-spec «Image Layout Specification»).
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Annotations from "../../model/Annotations.ts"
import * as Descriptor from "../../model/Descriptor.ts"
import * as Digest from "../../model/Digest.ts"
import { isJsonObject, jsonBytes, parseJsonBytes } from "../../model/internal/json.ts"
import { open, optional, StringMap } from "../../model/internal/openStruct.ts"
import { parseReason } from "../../model/internal/parseReason.ts"
import * as MediaType from "../../model/MediaType.ts"
import { isTag } from "../../model/Reference.ts"
import { type InvalidDigest, InvalidReference, MalformedContent } from "../../model/RegistryError.ts"

const Index = open(
  "LayoutIndex",
  Schema.Struct({
    schemaVersion: Schema.optionalWith(Schema.Literal(2), { exact: true, default: () => 2 as const }),
    mediaType: optional(Schema.String),
    // Go writes the list of nothing as null.
    manifests: Schema.optionalWith(Schema.Array(Descriptor.Descriptor), { exact: true, nullable: true, default: () => [] }),
    annotations: optional(StringMap)
  })
)

/** Members that are not known are kept. @internal */
export type Index = typeof Index.Type

/** @internal */
export const empty: Index = { schemaVersion: 2, mediaType: MediaType.ociImageIndex, manifests: [] }

const decodeJson = Schema.decodeUnknownEither(Index)
const encodeJson = Schema.encodeSync(Index)

const malformed = (reason: string) => new MalformedContent({ kind: "index.json", reason })

/** @internal */
export const parse = (bytes: Uint8Array): Either.Either<Index, MalformedContent> =>
  parseJsonBytes(bytes).pipe(
    Either.mapLeft(malformed),
    Either.filterOrLeft(isJsonObject, () => malformed("it is not a JSON object")),
    Either.flatMap((json) => Either.mapLeft(decodeJson(json), (error) => malformed(parseReason(error))))
  )

const encodeEntry = Schema.encodeSync(Descriptor.Descriptor)

// An index that grows has the same entries again and again.
const encodedEntries = new WeakMap<Descriptor.Descriptor, Descriptor.DescriptorEncoded>()

const encoded = (entry: Descriptor.Descriptor): Descriptor.DescriptorEncoded => {
  const json = encodedEntries.get(entry) ?? encodeEntry(entry)
  encodedEntries.set(entry, json)
  return json
}

/** @internal */
export const bytes = (index: Index): Uint8Array =>
  jsonBytes({ ...encodeJson({ ...index, manifests: [] }), manifests: index.manifests.map(encoded) })

// --- the header of a layout ---

/** @internal */
export const layoutFile = "oci-layout"

/** @internal */
export const indexFile = "index.json"

const version = "1.0.0"

/** @internal */
export const layoutBytes = (): Uint8Array => jsonBytes({ imageLayoutVersion: version })

const Header = Schema.Struct({ imageLayoutVersion: Schema.Literal(version) })
const decodeHeader = Schema.decodeUnknownEither(Header)

/** Whether the `oci-layout` file is of the one version there is. @internal */
export const checkLayout = (content: Uint8Array): Either.Either<void, MalformedContent> =>
  parseJsonBytes(content).pipe(
    Either.flatMap((json) => Either.mapLeft(decodeHeader(json), parseReason)),
    Either.mapBoth({ onLeft: (reason) => new MalformedContent({ kind: layoutFile, reason }), onRight: () => undefined })
  )

/** Where a layout keeps a blob. A digest has neither `/` nor `..` in it; one that did not come through `parse` might. @internal */
export const blobFile = (digest: string): Either.Either<readonly ["blobs", string, string], InvalidDigest> =>
  Either.map(Digest.parse(digest), (_) => ["blobs", Digest.algorithm(_), Digest.encoded(_)] as const)

// --- tags ---

// The grammar of ref.name does not quite cover tags, which may end in a separator.
const maxRefNameLength = 512

const registeredAlgorithm = /^(?:sha256|sha512|blake3):/

/** Whether a reference is a digest for certain: `app:v1` has the form of one too, and may be a tag. @internal */
export const isDigest = (reference: string): reference is Digest.Digest => registeredAlgorithm.test(reference) && Digest.isDigest(reference)

/** @internal */
export const parseTag = (tag: string): Either.Either<string, InvalidReference> =>
  isTag(tag) || (tag.length <= maxRefNameLength && Annotations.isRefName(tag) && !registeredAlgorithm.test(tag))
    ? Either.right(tag)
    : Either.left(new InvalidReference({ input: tag.slice(0, maxRefNameLength), reason: "it is no tag and no ref.name of a layout" }))

/** @internal */
export const tagOf = (entry: Descriptor.Descriptor): string | undefined => {
  const annotations = entry.annotations
  return annotations !== undefined && Object.hasOwn(annotations, Annotations.refName) ? annotations[Annotations.refName] : undefined
}

/** The entry without its tag: ref.name has its place in `index.json` only. @internal */
export const untagged = (entry: Descriptor.Descriptor): Descriptor.Descriptor => {
  const { annotations = {}, ...rest } = entry
  const { [Annotations.refName]: _, ...others } = annotations
  return Descriptor.make({ ...rest, annotations: Object.keys(others).length === 0 ? undefined : others })
}

/** The entry with a tag. @internal */
export const tagged = (entry: Descriptor.Descriptor, tag: string): Descriptor.Descriptor =>
  Descriptor.make({ ...entry, annotations: { ...entry.annotations, [Annotations.refName]: tag } })

/** @internal */
export const replace = (index: Index, manifests: ReadonlyArray<Descriptor.Descriptor>): Index => ({ ...index, manifests })

/** All entries of a tag. Docker and containerd give one tag to several images, whose names they write elsewhere. @internal */
export const ofTag = (index: Index, tag: string): ReadonlyArray<Descriptor.Descriptor> =>
  index.manifests.filter((entry) => tagOf(entry) === tag)

/** The manifest that all of the entries are of; none when there is none, or several. @internal */
export const only = ([first, ...others]: ReadonlyArray<Descriptor.Descriptor>): Option.Option<Descriptor.Descriptor> =>
  first !== undefined && others.every(({ digest }) => digest === first.digest) ? Option.some(untagged(first)) : Option.none()

/** What a tag stands for, when that is one manifest. @internal */
export const byTag = (index: Index, tag: string): Option.Option<Descriptor.Descriptor> => only(ofTag(index, tag))

/** @internal */
export const byDigest = (index: Index, digest: string): Option.Option<Descriptor.Descriptor> =>
  Option.map(Option.fromNullable(index.manifests.find((entry) => entry.digest === digest)), untagged)

/** @internal */
export const tags = (index: Index): ReadonlyArray<string> => [...new Set(index.manifests.flatMap((entry) => tagOf(entry) ?? []))].sort()

/** Points a tag at an entry. What it pointed to before stays only under its other tags. @internal */
export const setTag = (index: Index, entry: Descriptor.Descriptor, tag: string): Index => {
  const known = Option.getOrElse(byDigest(index, entry.digest), () => untagged(entry))
  const others = index.manifests.filter((_) => {
    const name = tagOf(_)
    return name !== tag && !(name === undefined && _.digest === entry.digest)
  })
  return replace(index, [...others, tagged(known, tag)])
}

/** Lists a manifest without tag, unless it is listed already. @internal */
export const add = (index: Index, entry: Descriptor.Descriptor): Index =>
  Option.isSome(byDigest(index, entry.digest)) ? index : replace(index, [...index.manifests, untagged(entry)])

/** Lists a tag no more; what it stood for stays. The same index when there is no such tag. @internal */
export const removeTag = (index: Index, tag: string): Index => {
  const entries = ofTag(index, tag)
  if (entries.length === 0) return index
  const others = index.manifests.filter((_) => tagOf(_) !== tag)
  return entries.reduce(add, replace(index, others))
}

/** Lists a manifest no more, by no tag. @internal */
export const remove = (index: Index, digest: Digest.Digest): Index =>
  replace(
    index,
    index.manifests.filter((_) => _.digest !== digest)
  )

/** Entries without tag that are children of another manifest need not be listed themselves. @internal */
export const withoutChildren = (index: Index, children: ReadonlyArray<Descriptor.Descriptor>): Index => {
  const digests = new Set(children.map((_) => _.digest))
  return replace(
    index,
    index.manifests.filter((_) => tagOf(_) !== undefined || !digests.has(_.digest))
  )
}
