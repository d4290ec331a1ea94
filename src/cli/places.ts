/** The one spot where the text of a place becomes a place. */
import type * as ValidationError from "@effect/cli/ValidationError"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as RegistryClient from "../client/RegistryClient.ts"
import * as TagSelection from "../client/TagSelection.ts"
import * as Archive from "../content/Archive.ts"
import type * as ContentStore from "../content/ContentStore.ts"
import * as DockerNames from "../content/internal/dockerNames.ts"
import * as Index from "../content/internal/layoutIndex.ts"
import * as OciLayout from "../content/OciLayout.ts"
import * as Place from "../content/Place.ts"
import * as RemoteRepository from "../content/RemoteRepository.ts"
import * as Annotations from "../model/Annotations.ts"
import type * as Descriptor from "../model/Descriptor.ts"
import * as Reference from "../model/Reference.ts"
import { InvalidReference } from "../model/RegistryError.ts"
import * as UsageError from "./usageError.ts"

export type PlaceError = RemoteRepository.RemoteError | OciLayout.LayoutError | Archive.WriteError

export type OpenError = PlaceError | ValidationError.ValidationError

type Requirements = RegistryClient.RegistryClient | FileSystem.FileSystem | Path.Path | Scope.Scope

/** What is meant in a place: how to ask for it, and the tag it goes by, if any, or the whole name it has in an archive. */
export interface Named {
  readonly reference: string
  readonly tag: string | undefined
  readonly name?: string | undefined
}

/** A place to read from. */
export interface Readable {
  readonly place: Place.Place
  readonly source: ContentStore.Source<PlaceError>
  /** What was named, or what is meant when nothing was. */
  readonly named: Effect.Effect<Named, PlaceError>
  /** Whether a tag or digest was spelled out. */
  readonly isSpelledOut: boolean
}

/** Fails for a tag that cannot be given in a place, if that is known before anything is written. */
export type RequireTag = (tag: string) => Effect.Effect<void, PlaceError>

/** A place to write to, and what the content is to be called there. */
export interface Writable {
  readonly place: Place.Place
  readonly target: ContentStore.Target<PlaceError>
  readonly tag: string | undefined
  readonly digest: string | undefined
  readonly requireTag: RequireTag
  /** Whether images keep the whole names they have in an archive. */
  readonly keepsNames: boolean
  /** What is told about something of that tag. */
  readonly nameOf: (tag: string | undefined) => string
  /** What is left to do when all is written. */
  readonly commit: Effect.Effect<void, PlaceError>
}

/** A place whose content can be changed. */
export interface Editable extends Readable {
  readonly store: ContentStore.Source<PlaceError> & ContentStore.Target<PlaceError> & ContentStore.Deletes<PlaceError>
  readonly requireTag: RequireTag
}

const inRegistry: RequireTag = (tag) => Effect.asVoid(Reference.parseTag(tag))

const inIndex: RequireTag = (tag) => Effect.asVoid(Index.parseTag(tag))

const withoutScheme = (text: string) => text.replace(/^docker:\/\//, "")

/** Whether a reference to a registry has a tag or digest, rather than `latest` filled in. */
const hasTagOrDigest = (text: string): boolean => Either.isLeft(Reference.parseRepository(withoutScheme(text)))

/** The repository of a registry that a text names, whatever tag or digest it has. */
export const repository = (text: string): Either.Either<Reference.Repository, InvalidReference> =>
  Either.flatMap(Place.parse(text), (place) =>
    place._tag === "Registry"
      ? Either.right(place.reference.repository)
      : Either.left(
          new InvalidReference({ input: text.slice(0, 512), reason: "it is on this machine, and a repository of a registry is wanted" })
        )
  )

/** The tag in a name that a local place knows: `v1`, or `acme/app:v1` in a docker archive. */
export const tagOf = (name: string): string | undefined => {
  if (Reference.isTag(name)) return name
  return Index.isDigest(name) ? undefined : Either.getOrUndefined(Either.map(Reference.parse(name), ({ tag }) => tag))
}

/** What was named in a place on this machine. */
const namedAs = (reference: string, tag: string | undefined): Named => ({
  reference,
  tag,
  name: Option.getOrUndefined(DockerNames.whole(reference))
})

/** Those of the names of a place whose tags are selected. */
export const selected = <E>(names: Stream.Stream<string, E>, selection: TagSelection.Selection) =>
  TagSelection.selectBy(selection, (name: string) => tagOf(name) ?? name)(names)

/** A place on this machine, which lists what it holds. */
interface Local {
  readonly main: Effect.Effect<Descriptor.Descriptor, PlaceError>
  readonly roots: Effect.Effect<ReadonlyArray<Descriptor.Descriptor>, PlaceError>
}

/**
 * What a local place means when nothing is named, with the first tag of its names: containerd writes some that have only a digest. Among several
 * images it was meant for being tagged `latest`, and goes by that.
 */
const meant = ({ main, roots }: Local): Effect.Effect<Named, PlaceError> =>
  Effect.zipWith(main, roots, ({ digest }, entries) => {
    const own = entries.filter((entry) => entry.digest === digest)
    const all = own.flatMap(({ annotations }) => annotations?.[Annotations.refName] ?? [])
    const latest = own.length < entries.length ? all.filter((name) => tagOf(name) === "latest") : []
    const names = [...latest, ...all]
    const [tag] = names.flatMap((name) => tagOf(name) ?? [])
    const [name] = Arr.getSomes(names.map(DockerNames.whole))
    return { reference: digest, tag, name }
  })

const ofRegistry = (text: string, place: Place.Registry) =>
  Effect.map(RemoteRepository.make(place.reference.repository), (store) => ({
    place,
    store,
    source: store,
    named: Effect.succeed({ reference: place.reference.identifier, tag: place.reference.tag }),
    isSpelledOut: hasTagOrDigest(text),
    requireTag: inRegistry
  }))

const inLayout = ({ digest, tag }: Place.InLayout, store: Local) => {
  const reference = digest ?? tag
  return {
    named: reference === undefined ? meant(store) : Effect.succeed(namedAs(reference, tag)),
    isSpelledOut: reference !== undefined
  }
}

const ofLayout = (place: Place.OciLayout) =>
  Effect.map(OciLayout.open(place.path), (store) => ({
    place,
    store,
    source: store,
    ...inLayout(place, store),
    requireTag: inIndex
  }))

const ofDockerArchive = (place: Place.DockerArchive) =>
  Effect.map(Archive.read(place.path, { format: "docker" }), (source) => ({
    place,
    source,
    named: place.name === undefined ? meant(source) : Effect.succeed(namedAs(Reference.familiarName(place.name), place.name.tag)),
    isSpelledOut: place.name !== undefined
  }))

/** A place that can be changed as well as read. */
const ofEditable = (text: string, place: Place.Registry | Place.OciLayout): Effect.Effect<Editable, OpenError, Requirements> =>
  place._tag === "Registry" ? ofRegistry(text, place) : ofLayout(place)

/** Opens a place to read from. */
export const readable = (text: string): Effect.Effect<Readable, OpenError, Requirements> =>
  Effect.flatMap(Place.parse(text), (place): Effect.Effect<Readable, OpenError, Requirements> => {
    switch (place._tag) {
      case "Registry":
      case "OciLayout":
        return ofEditable(text, place)
      case "OciArchive":
        return Effect.map(Archive.read(place.path, { format: "oci" }), (source) => ({ place, source, ...inLayout(place, source) }))
      case "DockerArchive":
        return ofDockerArchive(place)
    }
  })

/** Opens an archive of either kind, as it turns out to be, with one of its images picked by name. */
export const archive = (path: string, name: string | undefined): Effect.Effect<Readable, OpenError, Requirements> =>
  Effect.map(Archive.read(path), (source) => ({
    place: source.format === "oci" ? Place.OciArchive({ path }) : Place.DockerArchive({ path }),
    source,
    named: name === undefined ? meant(source) : Effect.succeed(namedAs(name, tagOf(name))),
    isSpelledOut: name !== undefined
  }))

/** Opens a place to change what it holds. */
export const editable = (text: string): Effect.Effect<Editable, OpenError, Requirements> =>
  Effect.flatMap(
    Place.parse(text),
    (place): Effect.Effect<Editable, OpenError, Requirements> =>
      place._tag === "Registry" || place._tag === "OciLayout"
        ? ofEditable(text, place)
        : UsageError.fail(`${text}: an archive cannot be changed, only written anew`)
  )

/** Opens a place to write to; a folder is made when there is none. What comes from a repository keeps its name in a docker archive. */
export const writable = (text: string, from: Place.Place): Effect.Effect<Writable, OpenError, Requirements> =>
  Effect.flatMap(Place.parse(text), (place): Effect.Effect<Writable, OpenError, Requirements> => {
    if (place._tag !== "Registry") return opened(place, from)
    const { digest, repository, tag } = place.reference
    return Effect.map(RemoteRepository.make(repository), (target) => ({
      place,
      target,
      tag: hasTagOrDigest(text) ? tag : undefined,
      digest,
      requireTag: () => Effect.void,
      keepsNames: false,
      nameOf: tagged(target.label),
      commit: Effect.void
    }))
  })

/** The same on this machine. */
export const opened = (
  place: Exclude<Place.Place, Place.Registry>,
  from: Place.Place
): Effect.Effect<Writable, OpenError, Requirements> => {
  switch (place._tag) {
    case "OciLayout":
      return Effect.map(OciLayout.create(place.path), (target) => ({ ...called(place, target), commit: Effect.void }))
    case "OciArchive":
      return Effect.map(Archive.write(place.path, { format: "oci" }), (target) => ({ ...called(place, target), commit: target.commit }))
    case "DockerArchive": {
      const name = place.name ?? (from._tag === "Registry" ? from.reference : undefined)
      return Effect.map(Archive.write(place.path, { format: "docker", repository: name?.repository }), (target) => ({
        place,
        target,
        tag: place.name?.tag,
        digest: undefined,
        requireTag: (tag) => Effect.asVoid(DockerNames.name(tag, name?.repository)),
        keepsNames: name === undefined,
        nameOf: tagged(name === undefined ? target.label : `${target.label}:${Reference.familiarName(name.repository)}`),
        commit: target.commit
      }))
    }
  }
}

const tagged = (label: string) => (tag: string | undefined) => (tag === undefined ? label : `${label}:${tag}`)

const called = (place: Place.OciLayout | Place.OciArchive, target: ContentStore.Target<PlaceError>) => ({
  place,
  target,
  tag: place.tag,
  digest: place.digest,
  requireTag: () => Effect.void,
  keepsNames: false,
  nameOf: tagged(target.label)
})
