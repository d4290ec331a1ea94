/** Text in a comment at the end of a program, which must not end before the text does. */

const opening = "\n/*"
const closing = "*/\n"

/** Stands for what would end the comment. */
const end = "*#/"

export const append = (program: string, text: string): string => {
  if (program.includes(opening) || text.includes(end)) throw new Error("the comment would not be found, or not be the same")
  return `${program}${opening}${text.replaceAll("*/", end)}${closing}`
}

/** The text of the first comment that begins a line. Sought by an expression, which unlike a string is not what it stands for. */
export const read = (file: string): string => file.slice(file.search(/\n\/\*/) + opening.length, -closing.length).replaceAll(end, "*/")
