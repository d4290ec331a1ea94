/** The printed result: where it ran, and a table of medians. */
import * as Os from "node:os"
import { MiB } from "./content.ts"
import { median, type Result, type Row } from "./runs.ts"

export const machine = (): string =>
  [
    `${Os.cpus()[0]?.model ?? Os.arch()}, ${Os.availableParallelism()} cores, ${Math.round(Os.totalmem() / MiB / 1024)} GiB`,
    `${Os.type()} ${Os.release()}`,
    `Node ${process.version}`,
    `load ${Os.loadavg()[0]?.toFixed(2)}`
  ].join(" · ")

const columns = ["case", "ms", "min", "max", "MiB/s", "cpu ms", "peak MiB", "ratio"]

const known = (rows: ReadonlyArray<Row>, pick: (row: Row) => number | undefined): string => {
  const values = rows.map(pick).filter((value) => value !== undefined)
  return values.length === 0 ? "" : median(values).toFixed(0)
}

/** Round by round: a slow moment of the machine hits all runs of a round. */
const ratio = ({ case: { yardstick }, rows }: Result, all: ReadonlyArray<Result>): string => {
  const others = all.filter((other) => yardstick.includes(other.case.name))
  if (others.length === 0) return ""
  const medians = others.map((other) => ({ other, millis: median(other.rows.map(({ millis }) => millis)) }))
  const fastest = medians.reduce((best, next) => (next.millis < best.millis ? next : best)).other
  const ratios = rows.flatMap((row, run) => {
    const beside = fastest.rows[run]
    return beside === undefined ? [] : [row.millis / beside.millis]
  })
  return `${median(ratios).toFixed(2)} × ${fastest.case.name}`
}

const cells = (result: Result, all: ReadonlyArray<Result>): ReadonlyArray<string> => {
  const times = result.rows.map((row) => row.millis)
  const millis = median(times)
  return [
    result.case.name,
    millis.toFixed(0),
    Math.min(...times).toFixed(0),
    Math.max(...times).toFixed(0),
    result.case.bytes === 0 ? "" : ((result.case.bytes / MiB / millis) * 1000).toFixed(0),
    known(result.rows, (row) => row.cpuMillis),
    known(result.rows, (row) => row.peakRssMiB),
    ratio(result, all)
  ]
}

export const table = (results: ReadonlyArray<Result>): string => {
  const lines = [columns, ...results.map((result) => cells(result, results))]
  const widths = columns.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)))
  const padded = lines.map((line) =>
    line.map((cell, column) =>
      column === 0 || column === columns.length - 1 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
    )
  )
  return padded.map((line) => line.join("  ").trimEnd()).join("\n")
}
