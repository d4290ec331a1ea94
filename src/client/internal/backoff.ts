import * as Duration from "effect/Duration"

const first = Duration.millis(100)
const longest = Duration.seconds(5)

/** How long to wait before content moves again that broke off so often in a row: not at all once, then 100 ms, doubling, 5 s at most. @internal */
export const waitAfter = (failures: number): Duration.Duration =>
  failures < 2 ? Duration.zero : Duration.min(longest, Duration.times(first, 2 ** (failures - 2)))
