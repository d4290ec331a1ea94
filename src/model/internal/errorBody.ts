import * as Predicate from "effect/Predicate"

/** @internal */
export interface ErrorEntry {
  readonly code: string
  readonly message: string
  readonly detail?: unknown
}

const member = (object: object, name: string): unknown => {
  const entry = Object.entries(object).find(([key]) => key.toLowerCase() === name)
  return entry?.[1]
}

const text = (value: unknown): string => (typeof value === "string" ? value : "")

const toEntry = (value: unknown): ErrorEntry => {
  if (!Predicate.isRecord(value)) return { code: "", message: text(value) }
  const detail = member(value, "detail")
  return { code: text(member(value, "code")), message: text(member(value, "message")), ...(detail == null ? {} : { detail }) }
}

/**
 * The `errors` list of a registry's error body (distribution-spec «Error Codes»), or an empty list for anything else: HTML, plain text,
 * `{"details": …}`. Members are found whatever their case; entries that are only partly readable are kept.
 *
 * @internal
 */
export const parseErrorBody = (body: string): ReadonlyArray<ErrorEntry> => {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    return []
  }
  if (!Predicate.isRecord(json)) return []
  const errors = member(json, "errors")
  return Array.isArray(errors) ? errors.map(toEntry) : []
}
