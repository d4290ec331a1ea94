/**
 * Puts a command line into the order the parser of `@effect/cli` wants: it reads options before arguments, `--name value` rather than
 * `--name=value`, and repeated options side by side. Options a command does not have would pass for arguments there; here they are refused.
 */
import * as Command from "@effect/cli/Command"
import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import type * as Usage from "@effect/cli/Usage"
import type * as ValidationError from "@effect/cli/ValidationError"
import * as Either from "effect/Either"
import * as HashMap from "effect/HashMap"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as UsageError from "./usageError.ts"

interface Known {
  /** The name an option is known by, whichever of its spellings was used. */
  readonly name: string
  readonly takesValue: boolean
}

type Options = ReadonlyArray<readonly [spelling: string, option: Known]>

const optionsOf = (usage: Usage.Usage): Options => {
  switch (usage._tag) {
    case "Named": {
      const known: Known = { name: usage.names.at(-1) ?? "", takesValue: Option.isSome(usage.acceptedValues) }
      return usage.names.filter((name) => name.startsWith("-")).map((name) => [name, known])
    }
    case "Optional":
    case "Repeated":
      return optionsOf(usage.usage)
    case "Alternation":
    case "Concat":
      return [...optionsOf(usage.left), ...optionsOf(usage.right)]
    case "Empty":
    case "Mixed":
      return []
  }
}

const builtIn: Options = [
  ["-h", { name: "--help", takesValue: false }],
  ["-v", { name: "--version", takesValue: false }],
  ...["--help", "--version", "--wizard"].map((name) => [name, { name, takesValue: false }] as const),
  ["--completions", { name: "--completions", takesValue: true }]
]

interface Sorted {
  readonly options: ReadonlyMap<string, ReadonlyArray<string>>
  readonly operands: ReadonlyArray<string>
}

const isOption = (word: string) => word.startsWith("-") && word !== "-"

const sort = (known: ReadonlyMap<string, Known>, words: ReadonlyArray<string>, command: string): Either.Either<Sorted, string> => {
  const options = new Map<string, ReadonlyArray<string>>()
  const operands: Array<string> = []
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ""
    if (word === "--") return Either.right({ options, operands: [...operands, ...words.slice(index + 1)] })
    if (!isOption(word)) {
      operands.push(word)
      continue
    }
    const [spelling = "", attached] = /^(--[^=]+)=(.*)$/s.exec(word)?.slice(1) ?? [word]
    const option = known.get(spelling)
    if (option === undefined) return Either.left(`there is no option ${spelling}; see ${command} --help`)
    if (!option.takesValue && attached !== undefined) return Either.left(`${spelling} takes no value`)
    const value = option.takesValue ? (attached ?? words[++index]) : undefined
    if (option.takesValue && value === undefined) return Either.left(`${spelling} needs a value; see ${command} --help`)
    // As of a variable that is not set. The parser passes over it where an option may be repeated, and all would be meant.
    if (value === "") return Either.left(`${spelling} needs a value, and this one is empty`)
    options.set(option.name, [...(options.get(option.name) ?? []), option.name, ...(value === undefined ? [] : [value])])
  }
  return Either.right({ options, operands })
}

const levels = new Map(LogLevel.allLevels.map((level) => [level._tag.toLowerCase(), level]))

export interface Leveled {
  readonly level: LogLevel.LogLevel | undefined
  /** What else was said. */
  readonly args: ReadonlyArray<string>
}

/** How much is to be logged. Looked for by itself: the parser knows this option only where there is no other. */
export const takeLogLevel = (args: ReadonlyArray<string>): Either.Either<Leveled, ValidationError.ValidationError> => {
  const end = args.indexOf("--")
  const place = args.findIndex((word, index) => /^--log-level(=|$)/.test(word) && (end === -1 || index < end))
  if (place === -1) return Either.right({ level: undefined, args })
  const attached = args[place]?.split("=", 2)[1]
  const level = levels.get(attached ?? args[place + 1] ?? "")
  return level === undefined
    ? Either.left(UsageError.make(`--log-level is one of ${[...levels.keys()].join(", ")}`))
    : Either.right({ level, args: args.toSpliced(place, attached === undefined ? 2 : 1) })
}

/** The arguments, without those of the program itself. */
export const arrange = <Name extends string, R, E, A>(
  root: Command.Command<Name, R, E, A>,
  args: ReadonlyArray<string>
): Either.Either<ReadonlyArray<string>, ValidationError.ValidationError> => {
  const [first = ""] = args
  const commands = Command.getSubcommands(root)
  // What is an option of a command may stand before it, and its value be called like a command.
  const all = isOption(first) ? [...builtIn, ...[...HashMap.values(commands)].flatMap((_) => optionsOf(CommandDescriptor.getUsage(_)))] : []
  const valued = new Set(all.flatMap(([spelling, { takesValue }]) => (takesValue ? [spelling] : [])))
  const place = isOption(first) ? args.findIndex((word, index) => HashMap.has(commands, word) && !valued.has(args[index - 1] ?? "")) : 0
  const name = args[place] ?? first
  const command = HashMap.get(commands, name)
  const own = Option.match(command, { onNone: () => [], onSome: (_) => optionsOf(CommandDescriptor.getUsage(_)) })
  const path = Option.isSome(command) ? [name] : []
  if (Option.isNone(command) && !isOption(name)) {
    return Either.left(UsageError.make(`there is no command ${name}; see effect-oci --help`))
  }
  return Either.mapBoth(sort(new Map([...builtIn, ...own]), args.toSpliced(place, path.length), ["effect-oci", ...path].join(" ")), {
    onLeft: UsageError.make,
    onRight: ({ operands, options }) => [
      ...path,
      ...[...options.values()].flat(),
      // What an operand begins with no longer matters.
      ...(operands.some(isOption) ? ["--", ...operands] : operands)
    ]
  })
}
