import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { isJsonObject, type JsonObject, parseJson } from "./json.ts"

/** @internal */
export interface ErrorEntry {
  readonly code: string
  readonly message: string
  readonly detail?: unknown
}

/** @internal */
export interface ErrorBody {
  readonly entries: ReadonlyArray<ErrorEntry>
  /** What a body without entries says, where it is JSON that says it in one known member. */
  readonly text?: string | undefined
}

// Go finds members whatever their case, and the last of several that fits wins.
const member = <A>(object: JsonObject, name: string, is: Predicate.Refinement<unknown, A>): A | undefined =>
  Object.entries(object)
    .filter(([key]) => key.toLowerCase() === name)
    .map(([, value]) => value)
    .findLast(is)

const text = (object: JsonObject, name: string): string => member(object, name, Predicate.isString) ?? ""

const toEntry = (value: unknown): ErrorEntry => {
  if (!isJsonObject(value)) return { code: "", message: Predicate.isString(value) ? value : "" }
  const detail = member(value, "detail", Predicate.isNotNullable)
  return { code: text(value, "code"), message: text(value, "message"), ...(detail === undefined ? {} : { detail }) }
}

// Docker Hub and token services say `details`, gateways in front of registries `message` or `error`.
const spokenMembers = ["details", "message", "error"]

const spoken = (object: JsonObject): string | undefined => spokenMembers.map((name) => text(object, name)).find((said) => said !== "")

/**
 * Reads a registry's error body (distribution-spec «Error Codes»). Anything else has no entries: HTML, plain text, `{"details": …}`. Entries
 * that are only partly readable are kept.
 *
 * @internal
 */
export const parseErrorBody = (body: string): ErrorBody => {
  const json = Either.getOrUndefined(parseJson(body))
  if (!isJsonObject(json)) return { entries: [] }
  const entries = (member(json, "errors", Array.isArray) ?? []).map(toEntry)
  return entries.length > 0 ? { entries } : { entries, text: spoken(json) }
}
