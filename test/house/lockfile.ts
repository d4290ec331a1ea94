/**
 * Completes `package-lock.json`. A package mirror that lacks the builds for other platforms makes npm leave these out of the lock file, and
 * `npm ci` then refuses it everywhere. Each missing one has an exact version in `optionalDependencies`, and its name says for what it is:
 * `@rollup/rollup-linux-arm64-musl`. Run as a program it writes the file.
 */
import { readFileSync, writeFileSync } from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { root } from "./Sources.ts"

interface Locked {
  readonly version?: string
  readonly resolved?: string
  readonly dev?: boolean
  readonly license?: string
  readonly optional?: boolean
  readonly os?: ReadonlyArray<string>
  readonly cpu?: ReadonlyArray<string>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export interface Lockfile {
  readonly packages: Readonly<Record<string, Locked>>
}

const path = Path.join(root, "package-lock.json")

export const lockfile = (): Lockfile => JSON.parse(readFileSync(path, "utf8"))

/** Optional dependencies that have no entry, each with the package that wants it. */
export const missing = ({
  packages
}: Lockfile): ReadonlyArray<{ readonly name: string; readonly version: string; readonly of: Locked }> => {
  const locked = new Set(Object.keys(packages).map((key) => key.slice(key.lastIndexOf("node_modules/") + "node_modules/".length)))
  return Object.values(packages).flatMap((of) =>
    Object.entries(of.optionalDependencies ?? {})
      .filter(([name]) => !locked.has(name))
      .map(([name, version]) => ({ name, version, of }))
  )
}

const platform = (name: string): { readonly os: ReadonlyArray<string>; readonly cpu: ReadonlyArray<string> } => {
  const [, os, cpu] = /-(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)-([a-z0-9]+)/.exec(name) ?? []
  if (os === undefined || cpu === undefined) throw new Error(`${name}: not a build for one platform`)
  return { cpu: [cpu], os: [os] }
}

const complete = (lock: Lockfile): Lockfile => {
  const added = missing(lock).map(({ name, of, version }): [string, Locked] => {
    if (!/^\d/.test(version)) throw new Error(`${name}@${version}: not an exact version`)
    const shared = { dev: of.dev ?? false, ...(of.license === undefined ? {} : { license: of.license }) }
    return [`node_modules/${name}`, { version, ...platform(name), ...shared, optional: true }]
  })
  const packages = [...Object.entries(lock.packages), ...added].sort(([a], [b]) => a.localeCompare(b, "en"))
  return { ...lock, packages: Object.fromEntries(packages) }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(path, `${JSON.stringify(complete(lockfile()), null, 2)}\n`)
