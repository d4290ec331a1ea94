/** What each command is for, in the order of the help. */
export const summaries = {
  ping: "Whether a registry answers and takes the credentials.",
  login: "Tries credentials on a registry and keeps them where docker does: through the configured helper, else in the file.",
  logout: "Forgets the credentials for a registry.",
  ls: "The tags of a repository or another place.",
  catalog: "The repositories of a registry; many registries refuse to tell.",
  manifest: "A manifest, byte for byte; with --json inside a document that tells digest and media type.",
  digest: "The digest a reference stands for.",
  config: "The config of an image, byte for byte, which is JSON. Of an index that for linux/amd64 unless told otherwise.",
  blob: "The bytes of a blob, verified.",
  pull: "Copies from a registry into a folder or an archive.",
  push: "Copies from a folder or an archive into a registry.",
  copy: "Copies an image, an index or an artifact from any place to another or to several, byte for byte, tags last.",
  tag: "Gives something that is in a place one more tag, or several.",
  rm: "Takes tags away, which leaves what they point to; deletes manifests when they are named by digest.",
  referrers: "What refers to an image: signatures, attestations, bills of materials.",
  attach: "Pushes files as an artifact that refers to an image.",
  export: "Writes an image to an archive.",
  import: "Reads an image from an archive into a registry or another place.",
  validate: "Reads all an image is made of and checks every digest, size and diff id, for all its platforms.",
  serve: "A registry for tests, until it is interrupted. Prints its address. Not made to be reached by strangers."
} as const
