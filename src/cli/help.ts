/** The help of the command as a whole, and what is made of the help of its parts. */
import { stripVTControlCharacters } from "node:util"
import { version } from "../model/internal/version.ts"
import { summaries } from "./summaries.ts"

const entries = Object.entries(summaries)

const width = Math.max(...entries.map(([name]) => name.length))

export const ofRoot = `effect-oci ${version}: images and artifacts in OCI registries, folders and archives

Usage: effect-oci <command> [options] <arguments>

Commands:
${entries.map(([name, summary]) => `  ${name.padEnd(width)}  ${summary}`).join("\n")}

effect-oci <command> --help tells about a command.
effect-oci --completions bash (or zsh, fish) prints a completion script.
effect-oci --version prints the version. --log-level debug tells more when something goes wrong.
`

/** Sentences that the parser adds to everything and that tell nothing. */
const noise =
  /^ *(A user-defined piece of text|A true or false value|An integer|This setting is optional|This option may be repeated zero or more times)\.\n\n?/gm

const isCompletions = (text: string): boolean => /^(function _|#compdef |complete -c )/.test(text)

/** The parser's bash calls the command by two names, so that it knows no subcommand, and offers all choices as one; nobody needs its wizard. */
const ofCompletions = (script: string): string =>
  script
    .replace('cmd="effect-oci"', 'cmd="effect__oci"')
    .replace(/^( *)effect-oci\)$/m, "$1effect__oci)")
    .replace(/(?<=compgen -W ")[^"$]+/g, (choices) => choices.replaceAll(",", " "))
    .replaceAll(" --wizard ", " ")
    .replace(/^.*\bwizard\b.*\n/gm, "")

/** The parser's help of one command, whose usage it begins with the name of the command alone. */
const ofHelp = (text: string): string =>
  stripVTControlCharacters(text).includes("\nUSAGE\n") ? text.replace(/^\$ (?!effect-oci)/m, "$ effect-oci ").replace(noise, "") : text

/** What the parser prints, as it should be. */
export const mended = (text: string): string => (isCompletions(text) ? ofCompletions(text) : ofHelp(text))
