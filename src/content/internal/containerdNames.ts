// Names of images in an image layout that Docker or containerd wrote: the tag is where layouts have it, the whole name beside it.
import * as Option from "effect/Option"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as DockerNames from "./dockerNames.ts"
import * as Index from "./layoutIndex.ts"
import type { Naming } from "./place.ts"

const imageName = "io.containerd.image.name"

/** As docker prints it. */
const nameOf = ({ annotations }: Descriptor.Descriptor): Option.Option<string> =>
  annotations !== undefined && Object.hasOwn(annotations, imageName) ? DockerNames.normalize(annotations[imageName] ?? "") : Option.none()

/** Tags that stand for more than one manifest. */
const sharedTags = ({ manifests }: Index.Index): ReadonlySet<string> => {
  const digests = new Map<string, string>()
  const shared = new Set<string>()
  for (const entry of manifests) {
    const tag = Index.tagOf(entry)
    if (tag === undefined) continue
    if ((digests.get(tag) ?? entry.digest) !== entry.digest) shared.add(tag)
    digests.set(tag, entry.digest)
  }
  return shared
}

/** Tags, else names; images that share a tag are listed by their names. @internal */
export const naming: Naming = {
  find: (index, reference) => {
    const tagged = Index.ofTag(index, reference)
    if (tagged.length > 0) return tagged
    return Option.match(DockerNames.normalize(reference), {
      onNone: () => [],
      onSome: (name) => index.manifests.filter((entry) => Option.contains(nameOf(entry), name))
    })
  },
  tags: (index) => {
    const shared = sharedTags(index)
    const names = index.manifests.flatMap((entry) => {
      const tag = Index.tagOf(entry)
      if (tag === undefined) return []
      return shared.has(tag) ? Option.getOrElse(nameOf(entry), () => tag) : tag
    })
    return [...new Set(names)].sort()
  }
}
