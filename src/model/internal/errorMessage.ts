import * as Duration from "effect/Duration"
import { oneLine } from "./sanitize.ts"

/** @internal */
export interface ResponseFields {
  readonly method: string
  readonly url: string
  readonly status: number
  readonly diagnostics: ReadonlyArray<unknown>
  readonly body?: string | undefined
  readonly retryAfter?: Duration.Duration | undefined
}

const maxSaid = 600

// Gateways answer with web pages, storage hosts with XML; what they say stands between the tags. The end of the text ends a tag, too, so that
// a page full of open ones is read once.
const withoutMarkup = (body: string): string =>
  /^\s*</.test(body) ? body.replace(/<(script|style)\b[\s\S]*?(?:<\/\1>|$)/gi, " ").replace(/<[^>]*(?:>|$)/g, " ") : body

const said = ({ diagnostics, body }: ResponseFields): string => {
  const text = diagnostics.length > 0 ? diagnostics.map(String).join(", ") : withoutMarkup(body ?? "")
  const line = oneLine(text)
  if (line === "") return "the registry gave no reason"
  return line.length > maxSaid ? `${line.slice(0, maxSaid)}…` : line
}

/** The time a server asked for, after what it said. @internal */
export const retryAfterText = (wait: Duration.Duration | undefined): string =>
  wait === undefined ? "" : ` (retry after ${Duration.format(wait)})`

/** What was asked, what the answer was, and what can be done about it. @internal */
export const responseMessage = (error: ResponseFields, hint?: string): string => {
  const told = `${said(error)}${retryAfterText(error.retryAfter)}`
  return `${error.method} ${error.url}: status ${error.status}: ${told}${hint === undefined ? "" : `. ${hint}`}`
}

/** @internal */
export interface Place {
  readonly registry?: string | undefined
  readonly repository?: string | undefined
  readonly operation?: string | undefined
}

/** The message with the operation and the place in front, where they are known. @internal */
export const placedMessage = ({ registry, repository, operation }: Place, message: string): string => {
  const place = [registry, repository].filter(Boolean).join("/")
  const prefix = [operation, place].filter(Boolean).join(" ")
  return prefix === "" ? message : `${prefix}: ${message}`
}
