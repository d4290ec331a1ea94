/** What happens between two steps of a fiber. */
import type * as Scheduler from "effect/Scheduler"

/** Makes a fiber yield before one of its operations; what it does after that waits for `resume`. */
export const yieldingBefore = (operation: number) => {
  const tasks: Array<() => void> = []
  let operations = 0
  const scheduler: Scheduler.Scheduler = {
    shouldYield: () => ++operations === operation && 0,
    scheduleTask: (task) => {
      tasks.push(task)
    }
  }
  const resume = () => {
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) task()
  }
  return { scheduler, resume }
}
