/** A command line that asks for something that cannot be; the command's own checks fail like those of its parser. */
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Effect from "effect/Effect"

export const make = (message: string): ValidationError.ValidationError => ValidationError.invalidArgument(HelpDoc.p(message))

export const fail = (message: string): Effect.Effect<never, ValidationError.ValidationError> => Effect.fail(make(message))
