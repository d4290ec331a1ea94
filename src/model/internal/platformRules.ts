/** @internal */
export interface Machine {
  readonly architecture: string
  readonly variant: string
}

/** @internal */
export const normalizeOs = (os: string): string => {
  const lower = os.toLowerCase()
  return lower === "macos" ? "darwin" : lower
}

const normalizeArm = (variant: string): string => {
  if (variant === "") return "v7"
  return /^[5-8]$/.test(variant) ? `v${variant}` : variant
}

const normalizeArm64 = (variant: string): string => {
  if (/^v?8(\.0)?$/.test(variant)) return ""
  return /^v?9(\.0)?$/.test(variant) ? "v9" : variant
}

/** The names containerd settles on (containerd/platforms `normalizeArch`). @internal */
export const normalizeArchitecture = (given: string, givenVariant: string): Machine => {
  const architecture = given.toLowerCase()
  const variant = givenVariant.toLowerCase()
  switch (architecture) {
    case "i386":
      return { architecture: "386", variant: "" }
    case "x86_64":
    case "x86-64":
    case "amd64":
      return { architecture: "amd64", variant: variant === "v1" ? "" : variant }
    case "aarch64":
    case "arm64":
      return { architecture: "arm64", variant: normalizeArm64(variant) }
    case "armhf":
      return { architecture: "arm", variant: "v7" }
    case "armel":
      return { architecture: "arm", variant: "v6" }
    case "arm":
      return { architecture: "arm", variant: normalizeArm(variant) }
    default:
      return { architecture, variant }
  }
}

// Real variants are one or two digits; a longer number would only make a long list.
const versionOf = (variant: string): readonly [major: number, minor: number] | undefined => {
  const match = /^v(\d{1,2})(?:\.(\d{1,2}))?$/.exec(variant)
  return match === null ? undefined : [Number(match[1]), Number(match[2] ?? 0)]
}

const countdown = (from: number, to: number): ReadonlyArray<number> =>
  Array.from({ length: Math.max(0, from - to + 1) }, (_, i) => from - i)

const olderAmd64 = (variant: string): ReadonlyArray<Machine> =>
  countdown((versionOf(variant)?.[0] ?? 1) - 1, 1).map((version) => ({
    architecture: "amd64",
    variant: version === 1 ? "" : `v${version}`
  }))

const olderArm = (variant: string): ReadonlyArray<Machine> =>
  countdown((versionOf(variant)?.[0] ?? 0) - 1, 5).map((version) => ({ architecture: "arm", variant: `v${version}` }))

const arm64 = (major: number, minor: number): Machine => ({
  architecture: "arm64",
  variant: minor > 0 ? `v${major}.${minor}` : major === 8 ? "" : `v${major}`
})

// v9.0 branched off v8.5, so v9.x runs what v8.(x+5) runs.
const olderArm64 = (variant: string): ReadonlyArray<Machine> => {
  const [major, minor] = versionOf(variant === "" ? "v8" : variant) ?? [0, 0]
  if (major === 9) {
    return [...countdown(minor - 1, 0).map((_) => arm64(9, _)), ...countdown(minor + 5, 0).map((_) => arm64(8, _))]
  }
  return major === 8 ? countdown(minor - 1, 0).map((_) => arm64(8, _)) : []
}

/**
 * What a machine can run, itself first and then the better ones (containerd/platforms `platformVector`). All names are normalised.
 *
 * @internal
 */
export const compatible = (architecture: string, variant: string): ReadonlyArray<Machine> => {
  const self = { architecture, variant }
  switch (architecture) {
    case "amd64":
      return [self, ...olderAmd64(variant), { architecture: "386", variant: "" }]
    case "arm":
      return [self, ...olderArm(variant)]
    case "arm64":
      return [self, ...olderArm64(variant), { architecture: "arm", variant: "v8" }, ...olderArm("v8")]
    default:
      return [self]
  }
}

interface WindowsVersion {
  readonly release: string
  readonly build: number
}

const windowsVersion = (version: string): WindowsVersion | undefined => {
  const match = /^(\d+\.\d+)\.(\d+)/.exec(version)
  return match?.[1] === undefined ? undefined : { release: match[1], build: Number(match[2]) }
}

/** The build number of a Windows version, 0 when it names none. @internal */
export const windowsBuild = (version: string | undefined): number => windowsVersion(version ?? "")?.build ?? 0

// Windows Server 2022: from here on newer hosts run older images.
const firstStableBuild = 20348

/**
 * Up to Windows Server 2019 an image runs on its own build only; later hosts run every build from Server 2022 up to theirs (Microsoft
 * «Windows container version compatibility», containerd/platforms `checkWindowsHostAndContainerCompat`). Revisions never matter. A version without
 * a build is a prefix. On other systems the OS version says nothing about what can run.
 *
 * @internal
 */
export const isOsVersionFit = (os: string, wanted: string | undefined, given: string | undefined): boolean => {
  if (os !== "windows" || !wanted || !given) return true
  const host = windowsVersion(wanted)
  const guest = windowsVersion(given)
  if (host === undefined || guest === undefined) return `${given}.`.startsWith(`${wanted}.`)
  if (host.release !== guest.release) return false
  return host.build < firstStableBuild ? host.build === guest.build : guest.build >= firstStableBuild && guest.build <= host.build
}
