/** What the tables of the container engine have in common. */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"

export const Texts = Schema.Array(Schema.String)

/** Addresses by host: what the tables were made with instead of name servers. */
export const Dns = Schema.Record({ key: Schema.String, value: Texts })

/** A result or the words of the engine. */
export const Outcome = <Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.Union(Schema.Struct({ ok: Schema.Literal(true), ...fields }), Schema.Struct({ ok: Schema.Literal(false), error: Schema.String }))

/** The words of an error, and of a result what a table tells of it. */
export const told = <A, B>(result: Either.Either<A, Error>, tell: (value: A) => B): Either.Either<B, string> =>
  Either.mapBoth(result, { onLeft: (error) => error.message, onRight: tell })
