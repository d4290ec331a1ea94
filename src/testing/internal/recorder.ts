import * as Effect from "effect/Effect"
import type { RecordedRequest } from "../RegistryControl.ts"
import type { Endpoint, RequestHead } from "../RegistryOptions.ts"

/** The record of one request while it is handled. @internal */
export interface Entry {
  readonly received: (bytes: number) => void
  readonly sent: (bytes: number) => void
  readonly answered: (status: number) => void
}

/** @internal */
export interface Recorder {
  readonly start: (head: RequestHead, query: string, endpoint: Endpoint) => Entry
  readonly requests: Effect.Effect<ReadonlyArray<RecordedRequest>>
  readonly clear: Effect.Effect<void>
}

type Growing = { -readonly [Key in keyof RecordedRequest]: RecordedRequest[Key] }

/** @internal */
export const make = (): Recorder => {
  const entries: Array<Growing> = []
  return {
    start: ({ headers, host, method, path, scheme }, query, endpoint) => {
      const entry: Growing = { method, scheme, host, path, query, endpoint, headers, status: undefined, bytesIn: 0, bytesOut: 0 }
      entries.push(entry)
      return {
        received: (bytes) => {
          entry.bytesIn += bytes
        },
        sent: (bytes) => {
          entry.bytesOut += bytes
        },
        answered: (status) => {
          entry.status = status
        }
      }
    },
    requests: Effect.sync(() => entries.map((entry) => ({ ...entry }))),
    clear: Effect.sync(() => {
      entries.length = 0
    })
  }
}

/** Records in two places; what is read back is the first. @internal */
export const both = (first: Recorder, second: Recorder): Recorder => ({
  ...first,
  start: (head, query, endpoint) => {
    const entries = [first.start(head, query, endpoint), second.start(head, query, endpoint)]
    return {
      received: (bytes) => {
        for (const entry of entries) entry.received(bytes)
      },
      sent: (bytes) => {
        for (const entry of entries) entry.sent(bytes)
      },
      answered: (status) => {
        for (const entry of entries) entry.answered(status)
      }
    }
  }
})
