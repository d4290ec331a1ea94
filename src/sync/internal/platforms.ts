/** The platforms of a rule: what is copied of an index, and a name for it that is equal for equal choices. */
import * as Either from "effect/Either"
import type * as Copy from "../../copy/Copy.ts"
import * as Platform from "../../model/Platform.ts"
import type { Rule } from "../SyncConfig.ts"

const platformsOf = ({ platforms }: Pick<Rule, "platforms">): ReadonlyArray<Platform.Platform> =>
  Either.getOrThrow(Either.all((platforms ?? []).map((text) => Platform.parse(text))))

/** @internal */
export const choiceOf = (rule: Pick<Rule, "platforms">): Copy.Platforms | undefined =>
  rule.platforms === undefined ? undefined : { strip: platformsOf(rule) }

/** Empty where all is copied. @internal */
export const filterOf = (rule: Pick<Rule, "platforms">): string =>
  [...new Set(platformsOf(rule).map((platform) => Platform.format(Platform.normalize(platform))))].sort().join(",")
