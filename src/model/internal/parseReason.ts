import * as Arr from "effect/Array"
import type * as ParseResult from "effect/ParseResult"

const maxLength = 200

const bounded = (text: string): string => (text.length > maxLength ? `${text.slice(0, maxLength)}…` : text)

const describe = (issue: ParseResult.ParseIssue, path: ReadonlyArray<string>): string => {
  const at = (problem: string) => bounded(path.length === 0 ? problem : `${bounded(path.join("."))}: ${problem}`)
  switch (issue._tag) {
    case "Pointer":
      return describe(issue.issue, [...path, ...Arr.ensure(issue.path).map(String)])
    case "Composite": {
      const [inner] = Arr.ensure(issue.issues)
      return inner === undefined ? at(`expected ${issue.ast}`) : describe(inner, path)
    }
    case "Refinement":
      return issue.kind === "Predicate" && !("message" in issue.issue && issue.issue.message)
        ? at(`expected ${issue.ast}`)
        : describe(issue.issue, path)
    case "Transformation":
      return describe(issue.issue, path)
    case "Missing":
      return at("is missing")
    case "Type":
    case "Forbidden":
    case "Unexpected":
      return at(issue.message ?? ("ast" in issue ? `expected ${issue.ast}` : "is not expected"))
  }
}

/**
 * Where a document does not fit its schema and what was expected there, in one short line: the first issue is enough to act on. The document is not
 * quoted, as Effect's formatters do, since it came from outside: it may be huge, or nested too deep to be written out.
 *
 * @internal
 */
export const parseReason = (error: ParseResult.ParseError): string => describe(error.issue, [])
