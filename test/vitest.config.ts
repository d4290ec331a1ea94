import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  resolve: { conditions: ["effect-oci/source"] },
  ssr: { resolve: { conditions: ["effect-oci/source"] } },
  test: {
    include: ["test/**/*.test.ts"],
    // A third of the time is waiting for processes and clocks, so that two workers are worth it on any machine.
    minWorkers: 1,
    maxWorkers: Math.min(4, Math.max(2, availableParallelism())),
    testTimeout: 30_000,
    hookTimeout: 60_000
  }
})
