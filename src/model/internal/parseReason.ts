import * as ParseResult from "effect/ParseResult"

const maxLength = 300

/**
 * Where a document does not fit its schema and why, in one line. The first issue is enough to act on, and bounded since the document
 * came from outside.
 *
 * @internal
 */
export const parseReason = (error: ParseResult.ParseError): string => {
  const issue = ParseResult.ArrayFormatter.formatErrorSync(error)[0]
  if (issue === undefined) return "it has another shape"
  const reason = issue.message.replace(/\s+/g, " ")
  const text = issue.path.length === 0 ? reason : `${issue.path.map(String).join(".")}: ${reason}`
  return text.length > maxLength ? `${text.slice(0, maxLength)}…` : text
}
