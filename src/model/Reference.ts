/**
 * Names of images and artifacts: `registry/repository:tag@digest`, by the grammar of the distribution-spec («Pulling manifests») and of
 * docker's short forms.
 *
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Either from "effect/Either"
import { dual } from "effect/Function"
import * as Order_ from "effect/Order"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Digest from "./Digest.ts"
import { isLocal, isRegistry, normalizeRegistry } from "./internal/registryName.ts"
import { type InvalidDigest, InvalidReference } from "./RegistryError.ts"

// --- parts ---

/** @since 0.1.0 */
export type Tag = string & Brand.Brand<"effect-oci/Tag">

/** `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (distribution-spec «Pulling manifests»). @since 0.1.0 */
export const Tag = Schema.String.pipe(
  Schema.pattern(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/),
  Schema.brand("effect-oci/Tag"),
  Schema.annotations({ identifier: "Tag" })
)

/** @since 0.1.0 */
export const isTag: (u: unknown) => u is Tag = Schema.is(Tag)

/** The path of a repository inside its registry, such as `library/ubuntu`. @since 0.1.0 */
export type RepositoryName = string & Brand.Brand<"effect-oci/RepositoryName">

const component = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*"

/** `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/…)*`, at most 255 characters (distribution-spec «Pulling manifests»). @since 0.1.0 */
export const RepositoryName = Schema.String.pipe(
  Schema.maxLength(255),
  Schema.pattern(new RegExp(`^${component}(?:/${component})*$`)),
  Schema.brand("effect-oci/RepositoryName"),
  Schema.annotations({ identifier: "RepositoryName" })
)

/** @since 0.1.0 */
export const isRepositoryName: (u: unknown) => u is RepositoryName = Schema.is(RepositoryName)

const Registry = Schema.String.pipe(Schema.filter((registry) => normalizeRegistry(registry) === registry))

const dockerHub = "docker.io"

/** Most clients and registries allow 255 characters for registry, slash and name together (distribution-spec). */
const maxLength = 255

const repositoryProblem = (registry: string, name: string): string | undefined => {
  if (registry.length + 1 + name.length > maxLength) return `registry and repository have more than ${maxLength} characters`
  if (registry === dockerHub && !name.includes("/")) return `an official image of ${dockerHub} is in library/`
  return undefined
}

/**
 * A repository in a registry. `registry` is `host[:port]` in its one spelling: lower case, and `docker.io` for each of Docker Hub's names.
 *
 * @since 0.1.0
 */
export class Repository extends Schema.Class<Repository>("effect-oci/Repository")(
  Schema.Struct({ registry: Registry, name: RepositoryName }).pipe(
    Schema.filter(({ name, registry }) => repositoryProblem(registry, name) ?? true)
  )
) {
  /** `registry/name`, in full: `docker.io/library/ubuntu`. */
  override toString(): string {
    return `${this.registry}/${this.name}`
  }
}

/**
 * Something in a repository, by tag, by digest, or by both: then the digest decides and the tag is what people call it.
 *
 * @since 0.1.0
 */
export class Reference extends Schema.Class<Reference>("effect-oci/Reference")(
  Schema.Struct({
    repository: Repository,
    tag: Schema.optionalWith(Tag, { exact: true }),
    digest: Schema.optionalWith(Digest.Digest, { exact: true })
  }).pipe(Schema.filter(({ digest, tag }) => tag !== undefined || digest !== undefined || "a reference needs a tag or a digest"))
) {
  get registry(): string {
    return this.repository.registry
  }
  /** What to ask the registry for: the digest, and without one the tag. */
  get identifier(): string {
    return this.digest ?? `${this.tag}`
  }
  /** In full: `docker.io/library/ubuntu:24.04@sha256:…`. Parsing it gives an equal reference. */
  override toString(): string {
    return `${this.repository}${suffix(this)}`
  }
}

const suffix = ({ digest, tag }: Reference): string => (tag === undefined ? "" : `:${tag}`) + (digest === undefined ? "" : `@${digest}`)

// --- parsing ---

/** @since 0.1.0 */
export interface ParseOptions {
  /**
   * `weak`, the default, fills in what docker fills in: the registry, `library/` on Docker Hub, and the tag of a reference that has
   * neither tag nor digest. `strict` wants all of them spelled out.
   */
  readonly mode?: "weak" | "strict" | undefined
  /** The registry of names that do not begin with one. Default `docker.io`. */
  readonly defaultRegistry?: string | undefined
  /** The tag of references with neither tag nor digest. Default `latest`. */
  readonly defaultTag?: string | undefined
}

type Parsed<A> = Either.Either<A, string>

const quoted = (text: string): string => JSON.stringify(text.slice(0, 512))

const problemOf = {
  registry: (text: string) => `${quoted(text)} is not a registry: it must be host[:port], and a host without dot needs a port`,
  name: (text: string) =>
    `${quoted(text)} is not a repository name: components of a-z and 0-9, with single separators . _ __ - between, joined by /`,
  tag: (text: string) => `${quoted(text)} is not a tag: 1 to 128 of A-Z, a-z, 0-9, _ . - and the first neither . nor -`
}

const readTag = (text: string): Parsed<Tag> => (isTag(text) ? Either.right(text) : Either.left(problemOf.tag(text)))

const readRegistry = (text: string, options: ParseOptions): Parsed<string> => {
  if (text === "" && options.mode === "strict") return Either.left("the registry must be spelled out")
  const name = text === "" ? (options.defaultRegistry ?? dockerHub) : text
  return Either.fromNullable(normalizeRegistry(name), () => problemOf.registry(name))
}

const readName = (text: string, registry: string, options: ParseOptions): Parsed<RepositoryName> => {
  const official = registry === dockerHub && text !== "" && !text.includes("/")
  if (official && options.mode === "strict")
    return Either.left(`an official image of ${dockerHub} is in library/: library/${text.slice(0, 512)}`)
  const name = official ? `library/${text}` : text
  return isRepositoryName(name) ? Either.right(name) : Either.left(problemOf.name(text))
}

const readRepository = (text: string, options: ParseOptions): Parsed<Repository> =>
  Either.gen(function* () {
    if (text === "") return yield* Either.left("there is no repository name")
    const slash = text.indexOf("/")
    const hasRegistry = slash !== -1 && isRegistry(text.slice(0, slash))
    const registry = yield* readRegistry(hasRegistry ? text.slice(0, slash) : "", options)
    const name = yield* readName(hasRegistry ? text.slice(slash + 1) : text, registry, options)
    const problem = repositoryProblem(registry, name)
    return problem === undefined ? new Repository({ registry, name }, true) : yield* Either.left(problem)
  })

interface Split {
  readonly repository: string
  readonly tag?: string
  readonly digest?: string
}

/** The digest follows the last `@`; the tag follows the last `:` after the last `/`, for a colon before that is a port's. */
const split = (text: string): Split => {
  const at = text.lastIndexOf("@")
  const named = at === -1 ? text : text.slice(0, at)
  const colon = named.lastIndexOf(":")
  const tagged = colon > named.lastIndexOf("/")
  return {
    repository: tagged ? named.slice(0, colon) : named,
    ...(tagged && { tag: named.slice(colon + 1) }),
    ...(at !== -1 && { digest: text.slice(at + 1) })
  }
}

const readReference = (text: string, options: ParseOptions): Parsed<Reference> =>
  Either.gen(function* () {
    const parts = split(text)
    const missing = parts.tag === undefined && parts.digest === undefined
    if (missing && options.mode === "strict") return yield* Either.left("a tag or a digest must be spelled out")
    const repository = yield* readRepository(parts.repository, options)
    const wanted = missing ? (options.defaultTag ?? "latest") : parts.tag
    const tag = wanted === undefined ? undefined : yield* readTag(wanted)
    const digest = parts.digest === undefined ? undefined : yield* Either.mapLeft(Digest.parse(parts.digest), (_) => _.reason)
    return new Reference({ repository, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) }, true)
  })

const schemeOf = (text: string): string => /^[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0] ?? ""

// A reference has one `@` at most: behind the first of several there is no digest.
const digestOf = (text: string): Either.Either<Digest.Digest, InvalidDigest> | undefined => {
  const at = text.indexOf("@")
  return at === -1 ? undefined : Digest.parse(text.slice(at + 1))
}

const commonProblem = (text: string): string | undefined => {
  if (/\s/.test(text)) return "it contains white space"
  const scheme = schemeOf(text)
  if (scheme !== "") return `a reference is not a URL: leave out ${scheme}`
  const digest = digestOf(text)
  return digest !== undefined && Either.isLeft(digest) ? `after @ there must be a digest: ${digest.left.reason}` : undefined
}

/** Who pastes a URL with a password should not find it in a log: what stands before an `@` is shown only when a digest follows. */
const shown = (input: string): string => {
  const scheme = schemeOf(input)
  const digest = digestOf(input)
  const safe = digest === undefined || (scheme === "" && Either.isRight(digest))
  return (safe ? input : `${scheme}***${input.slice(input.lastIndexOf("@"))}`).slice(0, 512)
}

const parser =
  <A>(read: (text: string, options: ParseOptions) => Parsed<A>) =>
  (input: string, options: ParseOptions = {}): Either.Either<A, InvalidReference> => {
    const problem = commonProblem(input)
    return Either.mapLeft(
      problem === undefined ? read(input, options) : Either.left(problem),
      (reason) => new InvalidReference({ input: shown(input), reason })
    )
  }

/** Reads a reference; see `ParseOptions` for what may be left out. Tag and digest are both kept. @since 0.1.0 */
export const parse: (input: string, options?: ParseOptions) => Either.Either<Reference, InvalidReference> = parser(readReference)

/** Reads a repository: a reference without tag and digest. @since 0.1.0 */
export const parseRepository: (input: string, options?: ParseOptions) => Either.Either<Repository, InvalidReference> =
  parser(readRepository)

/** Reads a registry, `host[:port]`. Weak, the empty text is the default registry. @since 0.1.0 */
export const parseRegistry: (input: string, options?: ParseOptions) => Either.Either<string, InvalidReference> = parser(readRegistry)

/** @since 0.1.0 */
export const parseTag: (input: string) => Either.Either<Tag, InvalidReference> = parser(readTag)

const fromText = <A extends { toString(): string }, I>(
  schema: Schema.Schema<A, I>,
  read: (input: string) => Either.Either<A, InvalidReference>,
  identifier: string
): Schema.Schema<A, string> =>
  Schema.transformOrFail(Schema.String, Schema.typeSchema(schema), {
    strict: true,
    decode: (input, _, ast) => Either.mapLeft(read(input), (error) => new ParseResult.Type(ast, input, error.message)),
    encode: (value) => ParseResult.succeed(value.toString())
  }).annotations({ identifier })

/** A reference as text, read weakly and printed in full. `Reference` itself is the schema of its parts. @since 0.1.0 */
export const FromString: Schema.Schema<Reference, string> = fromText(Reference, parse, "ReferenceFromString")

/** A repository as text, read weakly and printed in full. @since 0.1.0 */
export const RepositoryFromString: Schema.Schema<Repository, string> = fromText(Repository, parseRepository, "RepositoryFromString")

// --- printing ---

/** As `toString` of the value. @since 0.1.0 */
export const toString = (self: Reference | Repository): string => self.toString()

/**
 * The short form people type: without `docker.io/` and `library/`, where that still reads as the same thing.
 *
 * @since 0.1.0
 */
export const familiarName = (self: Reference | Repository): string => {
  if (self instanceof Reference) return `${familiarName(self.repository)}${suffix(self)}`
  if (self.registry !== dockerHub) return self.toString()
  const [first, second, ...rest] = self.name.split("/")
  if (first === "library" && second !== undefined && rest.length === 0) return second
  return first === undefined || isRegistry(first) ? self.toString() : self.name
}

/** By printed form. @since 0.1.0 */
export const Order: Order_.Order<Reference> = Order_.mapInput(Order_.string, toString)

/** By printed form. @since 0.1.0 */
export const RepositoryOrder: Order_.Order<Repository> = Order_.mapInput(Order_.string, toString)

// --- changing ---

/** With this tag instead of any it had; a digest stays. @since 0.1.0 */
export const withTag: {
  (tag: Tag): (self: Reference | Repository) => Reference
  (self: Reference | Repository, tag: Tag): Reference
} = dual(2, (self: Reference | Repository, tag: Tag) =>
  self instanceof Repository ? new Reference({ repository: self, tag }) : new Reference({ ...self, tag })
)

/** With this digest instead of any it had; a tag stays. @since 0.1.0 */
export const withDigest: {
  (digest: Digest.Digest): (self: Reference | Repository) => Reference
  (self: Reference | Repository, digest: Digest.Digest): Reference
} = dual(2, (self: Reference | Repository, digest: Digest.Digest) =>
  self instanceof Repository ? new Reference({ repository: self, digest }) : new Reference({ ...self, digest })
)

// --- reaching ---

/** The host that speaks the registry API; only Docker Hub's differs from the registry's name. @since 0.1.0 */
export const registryHost = (registry: string): string => (registry === dockerHub ? "registry-1.docker.io" : registry)

/**
 * Whether plain http may be used when https does not answer: for local registries (private IPv4 networks, `localhost` with a port,
 * `*.localhost`, 127.0.0.1, `[::1]`) and for those the caller calls insecure. A bare `localhost` is not one, as in go-containerregistry.
 *
 * @since 0.1.0
 */
export const mayUsePlainHttp = (registry: string, options?: { readonly insecure?: boolean | undefined }): boolean =>
  options?.insecure === true || isLocal(registry)

/**
 * The tag under which a registry without referrers API keeps the referrers of a manifest (distribution-spec «Referrers Tag Schema»): the
 * algorithm cut to 32 characters, `-`, the encoded part cut to 64, and `-` for each character that no tag may have.
 *
 * @since 0.1.0
 */
export const referrersTag = (digest: Digest.Digest): Tag =>
  Tag.make(`${Digest.algorithm(digest).slice(0, 32)}-${Digest.encoded(digest).slice(0, 64)}`.replace(/[^a-zA-Z0-9._-]/g, "-"))
