/** What tests are told by the environment: sizes, seeds, and how often something is done. `docs/testing.md` names them. */

/** A whole number; anything else is a mistake, since it would leave a test with nothing to do. */
export const number = (name: `OCI_${string}`, otherwise: number): number => {
  const given = process.env[name] ?? ""
  if (given === "") return otherwise
  if (!/^\d+$/.test(given)) throw new Error(`${name} takes a whole number, not ${given}`)
  return Number(given)
}
