/** What the texts of a rule mean: its source, its targets, the tag of a backup. */
import * as Either from "effect/Either"
import * as Reference from "../../model/Reference.ts"
import { InvalidReference } from "../../model/RegistryError.ts"

/** A repository, with one tag of it or all. */
interface One {
  readonly _tag: "One"
  readonly repository: Reference.Repository
  readonly tag: Reference.Tag | undefined
}

/** All repositories of a registry whose names begin with `prefix`, which is empty or ends in a slash. @internal */
export interface Below {
  readonly _tag: "Below"
  readonly registry: string
  readonly prefix: string
}

/** @internal */
export type Source = One | Below

const invalid = (input: string, reason: string) => Either.left(new InvalidReference({ input, reason }))

const below = (text: string): Either.Either<Below, InvalidReference> => {
  const [registry = "", ...path] = text.slice(0, -"/*".length).split("/")
  const prefix = path.map((part) => `${part}/`).join("")
  const name = `${prefix}x`
  if (!Reference.isRepositoryName(name)) return invalid(text, "what is before the star is no name of a repository")
  return Either.map(Reference.parseRegistry(registry, { mode: "strict" }), (registry): Below => ({ _tag: "Below", registry, prefix }))
}

/** Without the tag that docker fills in. */
const one = (text: string): Either.Either<One, InvalidReference> =>
  Either.orElse(
    Either.map(Reference.parseRepository(text), (repository): One => ({ _tag: "One", repository, tag: undefined })),
    () =>
      Either.flatMap(Reference.parse(text), ({ digest, repository, tag }) =>
        digest === undefined
          ? Either.right<One>({ _tag: "One", repository, tag })
          : invalid(text, "what has a digest never changes, so there is nothing to keep the same: copy it")
      )
  )

/** @internal */
export const readSource = (text: string): Either.Either<Source, InvalidReference> => (text.endsWith("/*") ? below(text) : one(text))

/** @internal */
export const readTarget = (text: string): Either.Either<Source, InvalidReference> =>
  Either.flatMap(readSource(text), (target) =>
    target._tag === "One" && target.tag !== undefined
      ? invalid(text, "a target is a repository; its tags are those of the source")
      : Either.right(target)
  )

const maxTagLength = 128
const shortDigest = 12

/** The tag of a backup: `{tag}` and `{digest}` stand for those of what is kept. A tag that leaves too little room loses its end. @internal */
export const backupTag = (template: string, tag: string, digest: string): string => {
  const hex = digest.slice(digest.indexOf(":") + 1).slice(0, shortDigest)
  const frame = template.replaceAll("{digest}", hex)
  const room = Math.max(0, maxTagLength - frame.replaceAll("{tag}", "").length)
  return frame.replaceAll("{tag}", tag.slice(0, room))
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")

/** Whether a tag is one that such a template makes. @internal */
export const isBackup = (template: string, tag: string): boolean => {
  const parts = template.split(/(\{tag\}|\{digest\})/).map((part) => {
    if (part === "{tag}") return "[\\w.-]*"
    return part === "{digest}" ? `[0-9a-f]{${shortDigest}}` : escaped(part)
  })
  return new RegExp(`^${parts.join("")}$`).test(tag)
}
