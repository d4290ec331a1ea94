import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Tracer from "effect/Tracer"

/** A span with everything that was put into it. */
export interface Recorded {
  readonly name: string
  readonly attributes: ReadonlyMap<string, unknown>
  readonly events: ReadonlyArray<readonly [name: string, attributes: unknown]>
  readonly links: ReadonlyArray<Tracer.SpanLink>
  /** What exporters show of a failure; they pass over what a span succeeded with. */
  readonly failure: { readonly pretty: string; readonly cause: unknown } | undefined
}

/** A tracer that keeps what it is told. */
export const make = () => {
  const spans: Array<Recorded> = []
  const tracer = Tracer.make({
    context: (f) => f(),
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      const events: Array<readonly [string, unknown]> = []
      const added = [...links]
      const record = { name, attributes, events, links: added, failure: undefined as Recorded["failure"] }
      spans.push(record)
      const span: Tracer.Span = {
        _tag: "Span",
        name,
        spanId: `span-${spans.length}`,
        traceId: "trace",
        parent,
        context,
        status: { _tag: "Started", startTime },
        attributes,
        links: added,
        sampled: true,
        kind,
        end: (_, exit) => {
          if (Exit.isFailure(exit)) record.failure = { pretty: Cause.pretty(exit.cause), cause: exit.cause.toJSON() }
        },
        attribute: (key, value) => {
          attributes.set(key, value)
        },
        event: (event, _, eventAttributes) => {
          events.push([event, eventAttributes])
        },
        addLinks: (more) => {
          added.push(...more)
        }
      }
      return span
    }
  })
  return { spans, layer: Layer.setTracer(tracer) }
}
