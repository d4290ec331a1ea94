/** Running a case often enough, each time in a fresh process. */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import type { Sample, Task } from "./sample.ts"

/** What a process took, seen from outside. */
interface Finished {
  readonly millis: number
  readonly peakRssMiB: number | undefined
  readonly output: string
}

/** The largest resident size so far; known on Linux only. */
const peakOf = (pid: number): number | undefined => {
  try {
    const kibibytes = /VmHWM:\s*(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
    return kibibytes === undefined ? undefined : Number(kibibytes) / 1024
  } catch {
    return undefined
  }
}

const finish = (command: string, args: ReadonlyArray<string>, keepOutput: boolean): Promise<Finished> =>
  new Promise((resolve, reject) => {
    const start = performance.now()
    const child = spawn(command, args, { stdio: ["ignore", keepOutput ? "pipe" : "ignore", "pipe"] })
    let output = ""
    let problems = ""
    let peakRssMiB: number | undefined
    const poll = setInterval(() => {
      peakRssMiB = peakOf(child.pid ?? -1) ?? peakRssMiB
    }, 20)
    child.stdout?.on("data", (bytes) => {
      output += bytes
    })
    child.stderr?.on("data", (bytes) => {
      problems += bytes
    })
    child.once("error", reject)
    child.once("close", (code) => {
      clearInterval(poll)
      if (code === 0) resolve({ millis: performance.now() - start, peakRssMiB, output })
      else reject(new Error(`${command} ${args.join(" ")}: exit ${code}\n${output}${problems}`))
    })
  })

/** One case: those of Node run `sample.ts` and time themselves, foreign tools are timed from outside, their start included. */
export interface Case {
  readonly name: string
  readonly bytes: number
  /** The cases the fastest of which has the time 1.00. */
  readonly yardstick: ReadonlyArray<string>
  readonly sample: () => Promise<Row>
}

export interface Row {
  readonly millis: number
  readonly cpuMillis: number | undefined
  readonly peakRssMiB: number | undefined
}

/** A sample of a case of `sample.ts`. */
export type Node = (name: string, task: Task) => Promise<Row>

/** `program`: `sample.ts` as it would be published. */
export const node =
  (program: string): Node =>
  async (name, task) => {
    const { output } = await finish(process.execPath, [program, name, JSON.stringify(task)], true)
    const sample: Sample = JSON.parse(output)
    return sample
  }

export const tool = async (command: string, ...args: ReadonlyArray<string>): Promise<Row> => {
  const { millis, peakRssMiB } = await finish(command, args, false)
  return { millis, cpuMillis: undefined, peakRssMiB }
}

export interface Result {
  readonly case: Case
  readonly rows: ReadonlyArray<Row>
}

/** All cases in turn, again and again, so that a change in the machine's mood hits them alike; the first round is not counted. */
export const runAll = async (cases: ReadonlyArray<Case>, runs: number): Promise<ReadonlyArray<Result>> => {
  const results = cases.map((it) => ({ case: it, rows: [] as Row[] }))
  for (let run = 0; run <= runs; run++) {
    for (const { case: it, rows } of results) {
      const row = await it.sample()
      if (run > 0) rows.push(row)
      process.stderr.write(`${run === 0 ? "warm-up" : `run ${run}/${runs}`}  ${it.name}: ${Math.round(row.millis)} ms\n`)
    }
  }
  return results
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const [low = Number.NaN, high = Number.NaN] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]]
  return (low + high) / 2
}
