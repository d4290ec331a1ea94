/**
 * Places by the text that people type: `ghcr.io/acme/app:v1`, `oci:./images:v1`, `oci-archive:app.tar`, `docker-archive:app.tar:app:v1`.
 * This is only their grammar; what opens a place is the module of its kind.
 *
 * A path ends at the first `:`, as for skopeo, except that `C:\` and `C:/` begin one. A path with another `:` in it cannot be written so.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Digest from "../model/Digest.ts"
import * as Reference from "../model/Reference.ts"
import { InvalidReference } from "../model/RegistryError.ts"
import { parseTag } from "./internal/layoutIndex.ts"

/**
 * - `Registry`: something in a registry
 * - `OciLayout`: an image layout in a folder; without tag and digest all of it, or its one image
 * - `OciArchive`: the same in a tar archive
 * - `DockerArchive`: what `docker save` writes; `name` picks one of its images
 *
 * @since 0.1.0
 */
export type Place = Data.TaggedEnum<{
  Registry: { readonly reference: Reference.Reference }
  OciLayout: InLayout
  OciArchive: InLayout
  DockerArchive: { readonly path: string; readonly name?: Reference.Reference }
}>

/** At most one of `tag` and `digest` is there. @since 0.1.0 */
export interface InLayout {
  readonly path: string
  readonly tag?: string
  readonly digest?: Digest.Digest
}

/** @since 0.1.0 */
export type Registry = Data.TaggedEnum.Value<Place, "Registry">

/** @since 0.1.0 */
export type OciLayout = Data.TaggedEnum.Value<Place, "OciLayout">

/** @since 0.1.0 */
export type OciArchive = Data.TaggedEnum.Value<Place, "OciArchive">

/** @since 0.1.0 */
export type DockerArchive = Data.TaggedEnum.Value<Place, "DockerArchive">

const constructors = Data.taggedEnum<Place>()

/** @since 0.1.0 */
export const Registry: (fields: { readonly reference: Reference.Reference }) => Registry = constructors.Registry

/** @since 0.1.0 */
export const OciLayout: (fields: InLayout) => OciLayout = constructors.OciLayout

/** @since 0.1.0 */
export const OciArchive: (fields: InLayout) => OciArchive = constructors.OciArchive

/** @since 0.1.0 */
export const DockerArchive: (fields: { readonly path: string; readonly name?: Reference.Reference }) => DockerArchive =
  constructors.DockerArchive

const schemes = { OciLayout: "oci:", OciArchive: "oci-archive:", DockerArchive: "docker-archive:" } as const

// --- parsing ---

const invalid = (input: string, reason: string) => new InvalidReference({ input: input.slice(0, 512), reason })

/** The path and what follows its colon; undefined without colon. */
const splitPath = (text: string): readonly [path: string, rest: string | undefined] => {
  const colon = text.indexOf(":", /^[A-Za-z]:[\\/]/.test(text) ? 2 : 0)
  return colon === -1 ? [text, undefined] : [text.slice(0, colon), text.slice(colon + 1)]
}

// Folders may have an @ in their names: what follows is a digest only if it begins and looks like one.
const atDigest = /@((?:sha256|sha512|blake3):[^:@/\\]*)$/

const inLayout = (input: string, text: string): Either.Either<InLayout, InvalidReference> =>
  Either.gen(function* () {
    const at = atDigest.exec(text)
    const [path, tag] = splitPath(at === null ? text : text.slice(0, at.index))
    if (path === "") return yield* Either.left(invalid(input, "there is no path"))
    if (at !== null) {
      if (tag !== undefined) return yield* Either.left(invalid(input, "it has a tag and a digest: give one of them"))
      const digest = yield* Either.mapLeft(Digest.parse(at[1] ?? ""), ({ reason }) => invalid(input, reason))
      return { path, digest }
    }
    return tag === undefined ? { path } : { path, tag: yield* Either.mapLeft(parseTag(tag), ({ reason }) => invalid(input, reason)) }
  })

const dockerArchive = (input: string, text: string): Either.Either<DockerArchive, InvalidReference> => {
  const [path, name] = splitPath(text)
  if (path === "") return Either.left(invalid(input, "there is no path"))
  if (name === undefined) return Either.right(DockerArchive({ path }))
  return Either.mapBoth(
    Either.filterOrLeft(
      Reference.parse(name),
      (_) => _.digest === undefined,
      () => invalid(input, "images of a docker archive have no digest")
    ),
    { onLeft: ({ reason }) => invalid(input, reason), onRight: (_) => DockerArchive({ path, name: _ }) }
  )
}

/**
 * Reads a place. What begins with no scheme is a reference to a registry, read weakly; `docker://` before it is fine. To name a registry
 * on a host that is called `oci`, write its port and `docker://`.
 *
 * @since 0.1.0
 */
export const parse = (input: string): Either.Either<Place, InvalidReference> => {
  const after = (scheme: string) => (input.startsWith(scheme) ? input.slice(scheme.length) : undefined)
  const layout = after(schemes.OciLayout)
  if (layout !== undefined) return Either.map(inLayout(input, layout), OciLayout)
  const archive = after(schemes.OciArchive)
  if (archive !== undefined) return Either.map(inLayout(input, archive), OciArchive)
  const docker = after(schemes.DockerArchive)
  if (docker !== undefined) return dockerArchive(input, docker)
  return Either.map(Reference.parse(after("docker://") ?? input), (reference) => Registry({ reference }))
}

// --- printing ---

const suffix = ({ digest, tag }: InLayout): string => (digest !== undefined ? `@${digest}` : tag !== undefined ? `:${tag}` : "")

/** The text of a place. Reading it gives an equal place, unless its path has a `:` in it. @since 0.1.0 */
export const format = (place: Place): string => {
  switch (place._tag) {
    case "Registry": {
      const text = String(place.reference)
      return Object.values(schemes).some((scheme) => text.startsWith(scheme)) ? `docker://${text}` : text
    }
    case "OciLayout":
    case "OciArchive":
      return `${schemes[place._tag]}${place.path}${suffix(place)}`
    case "DockerArchive":
      return `${schemes.DockerArchive}${place.path}${place.name === undefined ? "" : `:${place.name}`}`
  }
}
