// Names of images in a docker archive: references, which people also call by their tag alone.
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Reference from "../../model/Reference.ts"
import { InvalidReference } from "../../model/RegistryError.ts"
import * as Index from "./layoutIndex.ts"
import type { Naming } from "./place.ts"

/** Everything but a bare word, which may be a tag as well. */
const isName = (text: string): boolean => text.includes(":") || text.includes("/")

const parse = (text: string) => Option.filter(Either.getRight(Reference.parse(text)), (_) => _.tag !== undefined && _.digest === undefined)

/** As docker prints it; none when it is no name of an image. @internal */
export const normalize = (text: string): Option.Option<string> => Option.map(parse(text), Reference.familiarName)

/** The same for text that can be nothing else: none for a bare tag, or a digest. @internal */
export const whole = (text: string): Option.Option<string> => (isName(text) && !Index.isDigest(text) ? normalize(text) : Option.none())

/** The name that a tag gives an image: a name by itself, else a tag of the archive's repository. @internal */
export const name = (tag: string, repository: Reference.Repository | undefined): Either.Either<string, InvalidReference> => {
  if (!isName(tag) && repository !== undefined) {
    return Either.map(Reference.parseTag(tag), (_) => Reference.familiarName(Reference.withTag(repository, _)))
  }
  return Either.fromOption(
    whole(tag),
    () =>
      new InvalidReference({
        input: tag.slice(0, 512),
        reason: "an image in a docker archive needs a name and a tag, such as acme/app:1.4"
      })
  )
}

/** Names, and by themselves the tags in them. @internal */
export const naming: Naming = {
  find: (index, reference) => {
    const named = Option.match(normalize(reference), { onNone: () => [], onSome: (_) => Index.ofTag(index, _) })
    return named.length > 0 || isName(reference)
      ? named
      : index.manifests.filter((entry) => Option.exists(parse(Index.tagOf(entry) ?? ""), (_) => _.tag === reference))
  },
  tags: Index.tags
}
