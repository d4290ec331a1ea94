/** How a failure is told: one line a person can act on, or JSON, and an exit code. */
import { stripVTControlCharacters } from "node:util"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Terminal from "@effect/platform/Terminal"
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as RegistryError from "../model/RegistryError.ts"
import * as ExitCode from "./exitCode.ts"

/** `fields` is what is known beyond the message, as JSON. */
export interface Failure {
  readonly exitCode: number
  readonly tag: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

const oneLine = (text: string): string => stripVTControlCharacters(text).replace(/\s+/g, " ").trim()

/** The encoder is made for those who fail. */
const fieldsOf = (error: RegistryError.RegistryError) => Schema.encodeOption(RegistryError.RegistryError)(error)

/** Which variable is wrong, and how. */
const configMessage = (error: ConfigError.ConfigError): string =>
  "path" in error ? `${error.path.join("_")}: ${error.message}` : String(error)

export const fromError = (error: unknown): Failure => {
  if (RegistryError.isRegistryError(error)) {
    const { _tag: tag, ...fields } = Option.getOrElse(fieldsOf(error), () => ({ _tag: error._tag }))
    return { exitCode: ExitCode.ofError(error), tag, message: oneLine(error.message), fields }
  }
  if (ValidationError.isValidationError(error)) {
    return { exitCode: ExitCode.usage, tag: "Usage", message: oneLine(HelpDoc.toAnsiText(error.error)), fields: {} }
  }
  if (ConfigError.isConfigError(error))
    return { exitCode: ExitCode.usage, tag: "Config", message: oneLine(configMessage(error)), fields: {} }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return { exitCode: ExitCode.unexpected, tag: "Unexpected", message: oneLine(message), fields: {} }
}

/** The failure to tell; none for who pressed Ctrl-C and knows. */
export const fromCause = (cause: Cause.Cause<unknown>): Option.Option<Failure> => {
  const failure = Cause.failureOption(cause)
  if (Option.isSome(failure)) return Terminal.isQuitException(failure.value) ? Option.none() : Option.some(fromError(failure.value))
  return Cause.isInterruptedOnly(cause) ? Option.none() : Option.some(fromError(Cause.squash(cause)))
}

export const toText = ({ message }: Failure): string => `effect-oci: ${message}\n`

/** The failure as a member of a document. */
export const encode = ({ exitCode, fields, message, tag }: Failure) => ({ tag, message, exitCode, ...fields })

/** A failure among results: the member of the document that tells it, and its line. */
export const among = (name: string, error: unknown) => {
  const failure = fromError(error)
  return { error: encode(failure), line: `${name}: ${failure.message}` }
}

export const toJson = (failure: Failure): string => `${JSON.stringify({ error: encode(failure) })}\n`
