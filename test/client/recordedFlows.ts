/** The exchanges of another client with a registry, as http-flows.json has them: what it asked, what it was told, and what came of it. */
import * as Schema from "effect/Schema"
import * as Vectors from "../vectors/Vectors.ts"

const Headers = Schema.Record({ key: Schema.String, value: Schema.String })

export const Recorded = Schema.Struct({
  method: Schema.String,
  url: Schema.String,
  headers: Schema.optional(Headers),
  body: Schema.optional(Schema.String),
  bodyLength: Schema.optional(Schema.Number),
  responseStatus: Schema.Number,
  responseHeaders: Schema.optional(Headers),
  responseBody: Schema.optional(Schema.String)
})
export type Recorded = typeof Recorded.Type

export const Flow = Schema.Struct({
  name: Schema.String,
  operation: Schema.String,
  expectedRequests: Schema.Array(Recorded),
  expectedResult: Schema.optional(Schema.Unknown),
  expectedError: Schema.optional(Schema.String)
})
export type Flow = typeof Flow.Type

/** A rule by which we do other than the recording. */
export interface Deviation<Expected> extends Vectors.Deviation<Flow> {
  readonly expected: (flow: Flow) => Expected
}

export const flows: ReadonlyArray<Flow> = Vectors.load("http-flows", Flow)
