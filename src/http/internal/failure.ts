/**
 * What a failed exchange means. The failures of undici, fetch and others differ in shape only: the code or the text of some inner cause
 * decides, and only that inner text is kept, since an `HttpClientError` carries the request with its credentials.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import type { TransportReason } from "../../model/RegistryError.ts"

/** @internal */
export interface Failure {
  readonly reason: TransportReason
  readonly detail: string
  readonly retryable: boolean
}

/** What was going on: waiting for the answer, or reading its body. @internal */
export type Phase = "request" | "body"

const maxDepth = 8

/** The error and what caused it, outermost first. An `AggregateError` (one connection attempt per address) speaks by its first member. */
const chain = (error: unknown): ReadonlyArray<object> => {
  const links: Array<object> = []
  let link: unknown = error
  while (typeof link === "object" && link !== null && links.length < maxDepth && !links.includes(link)) {
    links.push(link)
    const inner: unknown = "cause" in link ? link.cause : undefined
    link = inner ?? ("errors" in link && Array.isArray(link.errors) ? link.errors[0] : undefined)
  }
  return links
}

const textOf = (key: "code" | "name" | "message" | "reason", link: object): string => {
  const value: unknown = key in link ? Reflect.get(link, key) : undefined
  return typeof value === "string" ? value : ""
}

interface Rule {
  readonly reason: TransportReason
  readonly retryable: boolean
  readonly code: RegExp
  readonly message?: RegExp
}

/** First match wins; codes of Node (libuv, OpenSSL, llhttp) and undici, texts of runtimes that give none. */
const rules: ReadonlyArray<Rule> = [
  {
    reason: "tls",
    retryable: false,
    code: /^(CERT_|ERR_TLS_|ERR_SSL_|ERR_OSSL_|EPROTO$|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|CRL_|HOSTNAME_MISMATCH$|INVALID_CA$|INVALID_PURPOSE$|PATH_LENGTH_EXCEEDED$|ERROR_IN_CERT_)/,
    message: /certificate|self.signed|\b(tls|ssl)\b/i
  },
  {
    reason: "protocol",
    retryable: false,
    code: /^(HPE_|UND_ERR_HEADERS_OVERFLOW$|UND_ERR_INVALID_|UND_ERR_NOT_SUPPORTED$|UND_ERR_REQ_RETRY$|ERR_INVALID_)/,
    message: /bad port|invalid (url|header|character)|unknown scheme|parse error|does not match the HTTP/i
  },
  { reason: "connect", retryable: false, code: /^(ENOTFOUND|EACCES|EPERM|EADDRNOTAVAIL|ERR_PROXY_REFUSED)$/ },
  {
    reason: "connect",
    retryable: true,
    code: /^(ECONNREFUSED|EAI_\w+|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|ENOENT)$/,
    message: /connection refused|dns error|ConnectionRefused/i
  },
  { reason: "idle", retryable: true, code: /^UND_ERR_BODY_TIMEOUT$/ },
  { reason: "timeout", retryable: true, code: /^(ETIMEDOUT|ESOCKETTIMEDOUT|UND_ERR_CONNECT_TIMEOUT|UND_ERR_HEADERS_TIMEOUT)$/ },
  {
    reason: "aborted",
    retryable: false,
    code: /^(ERR_HTTP_CONTENT_LENGTH_MISMATCH|ERR_CLIENT_CLOSED|UND_ERR_REQ_CONTENT_LENGTH_MISMATCH|UND_ERR_DESTROYED|UND_ERR_CLOSED)$/
  },
  {
    reason: "aborted",
    retryable: true,
    code: /^(ECONNRESET|ECONNABORTED|EPIPE|UND_ERR_SOCKET|UND_ERR_ABORTED|UND_ERR_RES_CONTENT_LENGTH_MISMATCH|ERR_STREAM_PREMATURE_CLOSE|ERR_HTTP2_\w+)$/,
    message: /other side closed|terminated|socket hang up|premature close|connection reset/i
  }
]

const matches = (rule: Rule, link: object): boolean => {
  const code = textOf("code", link)
  return code === "" ? (rule.message?.test(textOf("message", link)) ?? false) : rule.code.test(code)
}

/** The innermost cause that says something. */
const detailOf = (links: ReadonlyArray<object>, error: unknown): string => {
  for (const link of [...links].reverse()) {
    const text = textOf("message", link) || textOf("code", link)
    if (text !== "") return text
  }
  return typeof error === "string" && error !== "" ? error : "no reason given"
}

const isHttpClientError = (link: object): boolean => /^(RequestError|ResponseError)$/.test(Reflect.get(link, "_tag"))

/**
 * The meaning of an error of the client. Without a telling code, a request is taken not to have reached the registry and a body to have
 * broken off.
 *
 * @internal
 */
export const classify = (error: unknown, phase: Phase): Failure => {
  const links = chain(error)
  const causes = links.filter((link) => !isHttpClientError(link))
  const detail = detailOf(causes.length > 0 ? causes : links.map((link) => ({ message: describe(link) })), error)
  const clientReason = links.filter(isHttpClientError).map((link) => textOf("reason", link))[0]
  if (clientReason === "InvalidUrl" || clientReason === "Encode") return { reason: "protocol", detail, retryable: false }
  for (const link of [...causes].reverse()) {
    const rule = rules.find((candidate) => matches(candidate, link))
    if (rule !== undefined) return { reason: rule.reason, detail, retryable: rule.retryable }
  }
  return { reason: phase === "request" ? "connect" : "aborted", detail, retryable: true }
}

/** What an `HttpClientError` without cause says, without the request line its `message` quotes. */
const describe = (link: object): string => {
  const description: unknown = Reflect.get(link, "description")
  return typeof description === "string" && description !== "" ? description : textOf("reason", link)
}

/** The meaning of a cause: a defect in the client or in a body must not escape as one. @internal */
export const classifyCause = (cause: Cause.Cause<unknown>, phase: Phase): Failure => classify(Cause.squash(cause), phase)
