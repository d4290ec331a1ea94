import type * as Path from "@effect/platform/Path"

/** The name of the folder that has a host's certificates. @internal */
export const folderName = (path: Path.Path, host: string): string => (path.sep === "\\" ? host.replaceAll(":", "") : host)
