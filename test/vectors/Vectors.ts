import { readFileSync } from "node:fs"
import * as Schema from "effect/Schema"

/** Reads a table of vectors beside this file; every row must fit the schema, so that a row can never be passed over in silence. */
export const load = <A, I>(name: string, row: Schema.Schema<A, I>): ReadonlyArray<A> =>
  Schema.decodeUnknownSync(Schema.parseJson(Schema.Array(row)), { onExcessProperty: "ignore" })(
    readFileSync(new URL(`./${name}.json`, import.meta.url), "utf8")
  )

/** A place where we differ from a table on purpose: which rows, why, and what the outcome is instead. */
export interface Deviation<Row> {
  readonly name: string
  readonly reason: string
  readonly applies: (row: Row) => boolean
}

/** The deviation that applies to a row, if any. */
export const deviation = <Row>(deviations: ReadonlyArray<Deviation<Row>>, row: Row): Deviation<Row> | undefined =>
  deviations.find((_) => _.applies(row))
