// Names of images in a docker archive: references, which people also call by their tag alone.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Reference from "../../model/Reference.ts"
import { InvalidReference } from "../../model/RegistryError.ts"
import * as Index from "./layoutIndex.ts"
import { type LocalError, storeError } from "./localError.ts"

/** Everything but a bare word, which may be a tag as well. */
const isName = (text: string): boolean => text.includes(":") || text.includes("/")

const parse = (text: string) => Option.filter(Either.getRight(Reference.parse(text)), (_) => _.tag !== undefined && _.digest === undefined)

/** As docker prints it; none when it is no name of an image. @internal */
export const normalize = (text: string): Option.Option<string> => Option.map(parse(text), Reference.familiarName)

/** The name that a tag gives an image: a name by itself, else a tag of the archive's repository. @internal */
export const name = (tag: string, repository: Reference.Repository | undefined): Either.Either<string, InvalidReference> => {
  if (!isName(tag) && repository !== undefined) {
    return Either.map(Reference.parseTag(tag), (_) => Reference.familiarName(Reference.withTag(repository, _)))
  }
  const found = isName(tag) ? normalize(tag) : Option.none()
  return Either.fromOption(
    found,
    () => new InvalidReference({ input: tag.slice(0, 512), reason: "an image in a docker archive needs a name and a tag, name:tag" })
  )
}

/** The image of that name, or the only one with that tag. @internal */
export const find = (label: string) =>
  Effect.fnUntraced(function* (index: Index.Index, reference: string) {
    const named = Option.flatMap(normalize(reference), (_) => Index.byTag(index, _))
    if (Option.isSome(named) || isName(reference)) return named
    const tagged = index.manifests.filter((entry) => Option.exists(parse(Index.tagOf(entry) ?? ""), (_) => _.tag === reference))
    const [first] = tagged
    if (new Set(tagged.map((_) => _.digest)).size > 1) {
      return yield* Effect.fail<LocalError>(storeError(label, "resolve", `several images have the tag ${reference}: say which by name:tag`))
    }
    return Option.map(Option.fromNullable(first), Index.untagged)
  })
