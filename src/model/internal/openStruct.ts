import * as Schema from "effect/Schema"

/**
 * A member that may be absent. Go writes empty lists and maps as `null`, so `null` counts as absent.
 *
 * @internal
 */
export const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true, nullable: true })

/**
 * Keeps members the schema does not name (image-spec «Extensibility»: unknown fields are never an error).
 *
 * @internal
 */
export const open = <A, I>(schema: Schema.Schema<A, I>): Schema.Schema<A, I> =>
  schema.annotations({ parseOptions: { onExcessProperty: "preserve" } })

/** String to string, as annotations and labels are. @internal */
export const StringMap = Schema.Record({ key: Schema.String, value: Schema.String })
