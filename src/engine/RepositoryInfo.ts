/**
 * What a container engine knows about a repository by its name: which index it is in, whether that is secure, and whether it is an official image.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Reference from "../model/Reference.ts"
import { InvalidReference } from "../model/RegistryError.ts"
import * as EngineConfig from "./EngineConfig.ts"

/** `official`: an image of Docker Hub's own, `ubuntu` or `library/ubuntu`. @since 0.1.0 */
export interface RepositoryInfo {
  readonly name: Reference.Repository
  readonly index: EngineConfig.IndexInfo
  readonly official: boolean
}

/** @since 0.1.0 */
export const make = (config: EngineConfig.EngineConfig, name: Reference.Repository): Effect.Effect<RepositoryInfo> =>
  Effect.map(
    // A registry is no name that an index could not have: none begins or ends with a hyphen.
    Effect.orDie(EngineConfig.indexInfo(config, name.registry)),
    (index) => ({ name, index, official: !Reference.familiarName(name).includes("/") })
  )

/** To the engine they are the identifiers of its own images. */
const identifier = /^[0-9a-f]{64}$/

/**
 * Reads the name of a repository, or of an image, whose tag and digest are left out. Names are read as everywhere in this library
 * (`Reference.parse`): hosts are in lower case, `registry-1.docker.io` is Docker Hub, and an IPv6 address in brackets is a host.
 *
 * @since 0.1.0
 */
export const parse = (config: EngineConfig.EngineConfig, text: string): Effect.Effect<RepositoryInfo, InvalidReference> => {
  const reference = identifier.test(text)
    ? Either.left(new InvalidReference({ input: text, reason: "64 hexadecimal digits are the identifier of an image, and no name" }))
    : Reference.parse(text)
  return Effect.flatMap(reference, ({ repository }) => make(config, repository))
}
