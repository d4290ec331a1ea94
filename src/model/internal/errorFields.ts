import * as Schema from "effect/Schema"

/** @since 0.1.0 */
export const TypeId = "~effect-oci/RegistryError"

/** @since 0.1.0 */
export type TypeId = typeof TypeId

const Json = Schema.Unknown.annotations({ arbitrary: () => (fc) => fc.jsonValue() })

/**
 * One entry of the `errors` list of a registry's error body. `code` is kept as received, known or not, and is empty when there was none.
 *
 * @since 0.1.0
 */
export class Diagnostic extends Schema.Class<Diagnostic>("effect-oci/Diagnostic")({
  code: Schema.String,
  message: Schema.String,
  detail: Schema.optional(Json)
}) {
  /** `CODE: message`, and `; detail` as JSON when there is one. */
  override toString(): string {
    const said = [this.code, this.message].filter((part) => part !== "").join(": ")
    return this.detail == null ? said : `${said}; ${JSON.stringify(this.detail)}`
  }
}

/** @internal */
export const place = {
  registry: Schema.String,
  repository: Schema.optional(Schema.String),
  operation: Schema.String
}

/** @internal */
export const request = {
  ...place,
  method: Schema.String,
  url: Schema.String
}

/** @internal */
export const response = {
  ...request,
  status: Schema.Int,
  diagnostics: Schema.Array(Diagnostic),
  body: Schema.optional(Schema.String),
  requestId: Schema.optional(Schema.String),
  retryAfter: Schema.optional(Schema.DurationFromMillis),
  retryable: Schema.Boolean
}

/** @internal */
export const somePlace = {
  registry: Schema.optional(Schema.String),
  repository: Schema.optional(Schema.String),
  operation: Schema.optional(Schema.String)
}
